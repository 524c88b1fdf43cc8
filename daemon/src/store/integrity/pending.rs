//! What people are asked to agree to: the content of each pending request is that of its digest, and what the queue
//! shows of it is that content.

use countersign_shared::content::Purpose;
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use crate::store::open::OpenError;
use crate::store::rows::requests::{RequestRow, Work};
use crate::store::rows::{requests, revocations, submissions, terms};

/// Reads every pending request with what was submitted; the first that is not what its digest says is the damage.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    for row in requests::pending_rows(connection)? {
        let request = requests::by_row(connection, row)?;
        let Some(work) = &request.work else { continue };
        if let Some(what) = differs(connection, &request, work)? {
            let text = format!("the request {} {what}", request.id);
            return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
        }
    }
    Ok(None)
}

fn differs(connection: &Connection, request: &RequestRow, work: &Work) -> Result<Option<&'static str>, OpenError> {
    let Ok(submission) = submissions::get(connection, work.submission_id) else {
        return Ok(Some("has a submission that cannot be read"));
    };
    let start = terms::get(connection, &request.id, request.version)?.and_then(|terms| terms.not_before);
    let purpose = Purpose {
        kind: request.kind,
        certificate_id: work.certificate_id.as_str(),
        csr_sha256: Digest::of(&[&submission.csr]),
        reason: submission.reason_sha256,
        ticket: submission.ticket.as_ref().map(Untrusted::raw),
        not_before: start.map(|start| start.at),
    };
    let digest = match (request.kind, revocations::get(connection, work.submission_id)?) {
        (RequestKind::CertRevocation, Some(revocation)) if revocation.certificate_id == work.certificate_id => {
            submission.revocation_digest(&revocation)
        }
        (RequestKind::CertRevocation, _) => return Ok(Some("names nothing that would be revoked")),
        _ => submission.content.digest(&purpose),
    };
    if digest.ok() != Some(request.digest) || submission.digest != request.digest {
        return Ok(Some("holds other content than its digest says"));
    }
    if submission.profile.digest() != submission.content.profile_digest {
        return Ok(Some("holds other rules than it was made under"));
    }
    let shown = requests::shown_of(connection, &request.id)?;
    let sans = &submission.content.sans;
    let as_it_is = shown.names[..] == sans[..sans.len().min(shown.names.len())]
        && shown.names_total as usize == sans.len()
        && shown.names.len() == sans.len().min(requests::NAMES_SHOWN)
        && shown.environment == submission.profile.rules().environment
        && request.profile_id == submission.content.profile_id;
    Ok((!as_it_is).then_some("is shown with other names than it holds"))
}
