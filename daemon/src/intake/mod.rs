//! From a CSR to exactly what would be signed, under exactly one profile. What the profile drops, changes or
//! adds is listed; what it forbids is refused, with the rule.

mod key;
mod names;
mod purpose;
mod select;
mod usage;

use countersign_shared::content::{CertificateContent, San};
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{Change, ChangeAction, Check, CheckOutcome, Risk};
use countersign_shared::text::{Untrusted, unicode_form};
use countersign_shared::time::Span;

use crate::policy::{Policy, Profile};
use crate::x509::ParsedCsr;

/// What the requester says besides the CSR.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The profile; without it exactly one has to match.
    pub profile: Option<&'a str>,
    /// Narrows the profiles to those of this environment.
    pub environment: Option<&'a str>,
    /// Why; at most 4 KiB. Blank counts as missing.
    pub reason: Option<&'a Untrusted>,
    /// The change ticket; one line of at most 256 octets. Blank counts as missing.
    pub ticket: Option<&'a Untrusted>,
    /// How long the certificate is valid; the profile's maximum without it.
    pub valid_for: Option<Span>,
}

/// A request that the profile allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// The rules that it was made under, to be kept with it.
    pub profile: Profile,
    /// Exactly what would be signed.
    pub content: CertificateContent,
    /// How that differs from what the CSR asks.
    pub changes: Vec<Change>,
    /// The profile's rules, applied.
    pub checks: Vec<Check>,
    /// What deserves a second look, sorted as the enumeration is, each once.
    pub risks: Vec<Risk>,
    /// The common name, or the first SAN.
    pub primary_name: Untrusted,
}

/// The most SANs, subject attributes and extensions that a CSR may carry.
const MAX_ITEMS: usize = 100;

/// Applies the policy. `may_submit` says whether the caller may submit under a profile.
///
/// # Errors
///
/// `forbidden` with the rule that refused: `profile_match`, `profile.names`, `profile.wildcard`, `profile.ip`,
/// `profile.subject`, `profile.key`, `profile.eku`, `profile.validity`, `profile.justification`,
/// `profile.ticket`; `invalid` for what is out of limits whatever the profile says.
pub fn intake(
    policy: &Policy,
    csr: &ParsedCsr,
    ask: &Ask<'_>,
    may_submit: impl Fn(&Profile) -> bool,
) -> Result<Intake, ApiError> {
    check_size(csr)?;
    let mut notes = Notes::default();
    let named = names::collect(csr, &mut notes)?;
    let profile = select::profile(policy, &named.sans, ask, may_submit)?;
    names::check(&named.sans, profile, &mut notes)?;
    key::check(csr.key, profile, &mut notes)?;
    let subject = names::subject(csr, profile, &mut notes);
    let ca = usage::authority(csr, profile, &mut notes);
    let key_usage = usage::key_usage(csr, ca, &mut notes);
    let extended_key_usage = usage::extended_key_usage(csr, profile, &mut notes)?;
    usage::other_extensions(csr, &mut notes);
    let valid_for = purpose::validity(ask.valid_for, profile, &mut notes)?;
    notes.passed("proof_of_possession", "the CSR is signed with the key that it names");
    purpose::justification(ask.reason, profile, &mut notes)?;
    purpose::ticket(ask.ticket, profile, &mut notes)?;
    notes.risks.sort_unstable();
    notes.risks.dedup();
    let rules = profile.rules();
    let primary_name = match (&named.common_name, named.sans.first()) {
        (Some(name), _) => name.clone(),
        (None, Some(san)) => san.value(),
        (None, None) => return Err(names::nothing_named()),
    };
    let content = CertificateContent {
        common_name: named.common_name,
        subject,
        sans: named.sans,
        key: csr.key,
        spki_sha256: csr.spki_sha256,
        ca,
        key_usage,
        extended_key_usage,
        valid_for,
        issuer: rules.issuer.clone(),
        profile_id: rules.id.clone(),
        profile_digest: profile.digest(),
    };
    let Notes { changes, checks, risks } = notes;
    Ok(Intake { profile: profile.clone(), content, changes, checks, risks, primary_name })
}

/// The ticket alone, of what is asked for without a CSR.
///
/// # Errors
///
/// As those of [`intake`] about the ticket.
pub fn ticket(ticket: Option<&Untrusted>, profile: &Profile) -> Result<Vec<Check>, ApiError> {
    let mut notes = Notes::default();
    purpose::ticket(ticket, profile, &mut notes)?;
    Ok(notes.checks)
}

fn check_size(csr: &ParsedCsr) -> Result<(), ApiError> {
    for (count, what) in [
        (csr.sans.len(), "SANs"),
        (csr.subject_rest.len(), "subject attributes"),
        (csr.other_extensions.len(), "further extensions"),
        (csr.key_usage.len(), "key usages"),
        (csr.extended_key_usage.len(), "extended key usages"),
    ] {
        if count > MAX_ITEMS {
            let message = format!("the CSR carries {count} {what}; at most {MAX_ITEMS} are allowed");
            return Err(ApiError::invalid(message).hint("split it into several CSRs"));
        }
    }
    Ok(())
}

/// What is found on the way.
#[derive(Debug, Default)]
struct Notes {
    changes: Vec<Change>,
    checks: Vec<Check>,
    risks: Vec<Risk>,
}

impl Notes {
    fn change(&mut self, field: &str, action: ChangeAction, value: impl Into<Untrusted>, why: &str) {
        self.changes.push(Change { field: field.to_owned(), action, value: value.into(), why: why.to_owned() });
    }

    fn passed(&mut self, rule: &str, text: impl Into<String>) {
        self.checks.push(Check { rule: rule.to_owned(), outcome: CheckOutcome::Passed, text: text.into() });
    }

    fn warned(&mut self, rule: &str, text: impl Into<String>) {
        self.checks.push(Check { rule: rule.to_owned(), outcome: CheckOutcome::Warned, text: text.into() });
    }
}

/// A refusal by a rule of the policy.
fn forbidden(rule: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, message).rule(rule)
}

/// The most characters of one name in a message.
const MAX_SHOWN: usize = 80;
/// The most names in a message.
const MAX_LISTED: usize = 5;

/// Text from outside in a message: visible, shortened, and IDNA names in both forms.
fn shown(text: &Untrusted) -> String {
    let safe = text.safe().to_string();
    let mut out: String = safe.chars().take(MAX_SHOWN).collect();
    if out.len() < safe.len() {
        out.push('…');
    } else if let Some(unicode) = unicode_form(text.raw()) {
        out = format!("{out} ({unicode})");
    }
    out
}

/// A few names in a message, and how many more there are.
fn listed<'a>(names: impl IntoIterator<Item = &'a San>) -> String {
    let all: Vec<&San> = names.into_iter().collect();
    let mut out = all.iter().take(MAX_LISTED).map(|san| shown(&san.value())).collect::<Vec<_>>().join(", ");
    if all.len() > MAX_LISTED {
        out.push_str(&format!(" and {} more", all.len() - MAX_LISTED));
    }
    out
}

#[cfg(test)]
mod tests;
