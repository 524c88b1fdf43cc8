//! The question before something that cannot be taken back; only where somebody sits at a terminal.

use std::io::{self, Write as _};

use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::RequestDetail;
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
pub(super) fn expected(verdict: Verdict, detail: &RequestDetail) -> &str {
    let name = detail.request.primary_name.raw().trim();
    let typable =
        !name.is_empty() && !name.contains("  ") && name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if verdict == Verdict::Approve && !detail.request.risks.is_empty() && typable { name } else { "yes" }
}
