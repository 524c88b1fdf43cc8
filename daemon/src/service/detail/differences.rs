//! What one content says otherwise than another.

use countersign_shared::content::{CertificateContent, San};
use countersign_shared::protocol::Difference;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use crate::policy::Terms;
use crate::store::rows::submissions::Submission;

/// What the successor says otherwise than the certificate in force.
pub fn differences(before: &CertificateContent, after: &CertificateContent) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut differ = |field: &str, before: Option<Untrusted>, after: Option<Untrusted>| {
        if before != after {
            all.push(Difference { field: field.to_owned(), before, after });
        }
    };
    differ("common_name", before.common_name.clone(), after.common_name.clone());
    let removed: Vec<&San> = before.sans.iter().filter(|san| !after.sans.contains(san)).collect();
    let added: Vec<&San> = after.sans.iter().filter(|san| !before.sans.contains(san)).collect();
    for san in removed {
        differ("san", Some(Untrusted::new(san.tagged())), None);
    }
    for san in added {
        differ("san", None, Some(Untrusted::new(san.tagged())));
    }
    let text = |value: String| Some(Untrusted::new(value));
    differ("key", text(before.key.to_string()), text(after.key.to_string()));
    differ("spki_sha256", text(before.spki_sha256.to_string()), text(after.spki_sha256.to_string()));
    differ("ca", text(before.ca.to_string()), text(after.ca.to_string()));
    let names = |list: Vec<&str>| text(list.join(", "));
    differ(
        "key_usage",
        names(before.key_usage.iter().map(|usage| usage.as_str()).collect()),
        names(after.key_usage.iter().map(|usage| usage.as_str()).collect()),
    );
    differ(
        "extended_key_usage",
        names(before.extended_key_usage.iter().map(|usage| usage.as_str()).collect()),
        names(after.extended_key_usage.iter().map(|usage| usage.as_str()).collect()),
    );
    let subject = |content: &CertificateContent| {
        let parts: Vec<String> = content.subject.iter().map(|(name, value)| format!("{name}={value}")).collect();
        text(parts.join(", "))
    };
    differ("subject", subject(before), subject(after));
    differ("validity", text(before.valid_for.to_string()), text(after.valid_for.to_string()));
    differ("issuer", text(before.issuer.clone()), text(after.issuer.clone()));
    all
}

/// One version of a request.
pub struct Version<'a> {
    /// What would be signed, and why.
    pub submission: &'a Submission,
    /// Who has to agree.
    pub terms: &'a Terms,
    /// Not to be carried out before this moment.
    pub not_before: Option<Timestamp>,
}

/// What one version of a request says otherwise than the one before it: its content, and why and when it is wanted.
pub fn of_versions(before: &Version<'_>, after: &Version<'_>) -> Vec<Difference> {
    let (old, new) = (before.submission, after.submission);
    let mut all = differences(&old.content, &new.content);
    let mut differ = |field: &str, before: Option<Untrusted>, after: Option<Untrusted>| {
        if before != after {
            all.push(Difference { field: field.to_owned(), before, after });
        }
    };
    let given = |text: &Untrusted| (!text.is_blank()).then(|| text.clone());
    differ("reason", given(&old.reason), given(&new.reason));
    differ("ticket", old.ticket.clone(), new.ticket.clone());
    let start = |version: &Version<'_>| version.not_before.map(|at| Untrusted::new(at.to_string()));
    differ("not_before", start(before), start(after));
    let steps = |version: &Version<'_>| {
        let steps: Vec<String> = version.terms.steps.iter().map(ToString::to_string).collect();
        Some(Untrusted::new(steps.join(", ")))
    };
    differ("quorum", steps(before), steps(after));
    all
}
