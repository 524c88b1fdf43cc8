//! The question before something that cannot be taken back; only where somebody sits at a terminal.

use std::io::{self, Write as _};

use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{RequestDetail, Risk};
use countersign_shared::text::Untrusted;

use super::failure::Failure;

/// Asks to type `wanted`; any other answer ends the command, and `nothing` says that nothing came of it.
pub(super) fn ask(wanted: &str, what_for: &str, nothing: &str) -> Result<(), Failure> {
    let question = format!("\nType {} to {what_for}, anything else to stop: ", Untrusted::from(wanted).safe());
    let mut stdout = io::stdout().lock();
    let mut answer = String::new();
    stdout
        .write_all(question.as_bytes())
        .and_then(|()| stdout.flush())
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|error| Failure::internal(format!("cannot ask: {error}")))?;
    if answer.trim() == wanted {
        return Ok(());
    }
    Err(Failure::usage(format!("not confirmed: {nothing}")))
}

/// What has to be typed for a verdict: `yes`, or the name at risk where a request that deserves a second look is
/// approved.
pub(super) fn expected(verdict: Verdict, detail: &RequestDetail) -> String {
    if verdict != Verdict::Approve || detail.request.risks.is_empty() {
        return "yes".to_owned();
    }
    let name = at_risk(detail);
    let name = name.trim();
    // Only what a keyboard has and a screen shows as it is.
    let typable =
        !name.is_empty() && !name.contains("  ") && name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if typable { name.to_owned() } else { "yes".to_owned() }
}

/// The A-label of an IDNA name, the wildcard of a wildcard, else the name that the certificate is known by.
fn at_risk(detail: &RequestDetail) -> String {
    let request = &detail.request;
    let find = |risk, test: fn(&str) -> bool| {
        let sans = &detail.content.as_ref()?.sans;
        let mut names = sans.iter().map(|san| san.value().raw().to_owned());
        request.risks.contains(&risk).then(|| names.find(|name| test(name)))?
    };
    find(Risk::Idn, |name| name.contains("xn--"))
        .or_else(|| find(Risk::Wildcard, |name| name.starts_with("*.")))
        .unwrap_or_else(|| request.primary_name.raw().to_owned())
}
