//! Whether a request may pass by time alone. Nothing does, but renewals that change nothing, under a profile that
//! says so.

use countersign_shared::content::CertificateContent;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::time::Span;

use crate::policy::Profile;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::submissions::Submission;

/// How long people have to object: the longer one of the rules that the request was made under and those in force.
/// An error says why it does not pass, to stand after "it was …, and".
pub fn wait(
    request: &RequestRow,
    submission: &Submission,
    in_force: Option<&Profile>,
    before: Option<&CertificateContent>,
) -> Result<Span, &'static str> {
    let made_under = submission.profile.rules().auto_approve_after;
    let now = in_force.and_then(|profile| profile.rules().auto_approve_after);
    let (Some(made_under), Some(now)) = (made_under, now) else { return Err("its profile does not say so") };
    if request.kind != RequestKind::CertRenewal {
        return Err("it is no renewal");
    }
    if request.version > 1 {
        return Err("it was amended, and people had less time to look at what it says now");
    }
    let before = before.ok_or("there is no certificate in force that it renews")?;
    changes_nothing(before, &submission.content)?;
    Ok(made_under.max(now))
}

/// The same subject, names and purposes, and a key of the same kind and size. Only the key itself may be another.
fn changes_nothing(before: &CertificateContent, after: &CertificateContent) -> Result<(), &'static str> {
    if before.sans != after.sans || before.common_name != after.common_name || before.subject != after.subject {
        return Err("its names differ from those of the certificate in force");
    }
    if before.key != after.key {
        return Err("its key is of another kind than that of the certificate in force");
    }
    if before.ca != after.ca
        || before.key_usage != after.key_usage
        || before.extended_key_usage != after.extended_key_usage
        || before.issuer != after.issuer
        || after.valid_for > before.valid_for
    {
        return Err("it is good for more than the certificate in force");
    }
    Ok(())
}
