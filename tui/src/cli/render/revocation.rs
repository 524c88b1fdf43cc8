//! Certificates that end before their time.

use countersign_shared::protocol::RevokeResult;
use countersign_shared::revocation::Revocation;

use super::fields::Fields;
use super::style::{Tone, of_job, of_request};
use super::{View, text, when};

/// A revocation that was asked for.
pub(in crate::cli) fn asked(result: &RevokeResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    if let Some(request) = &result.request {
        fields.toned("request", of_request(request.state), format!("{} {}", request.id, request.state));
    }
    fields.toned("job", of_job(result.job.state), format!("{} {}", result.job.id, result.job.state));
    what(&mut fields, &result.revocation);
    if let Some(request) = &result.request {
        fields
            .add("digest", request.digest.to_string())
            .add("expires", when::with_distance(request.expires_at, view.now));
    }
    let waited = result.request.as_ref().map_or(result.job.id.as_str(), |request| request.id.as_str());
    fields.add("next", format!("countersign wait {waited}"));
    fields.finish()
}

/// Exactly which certificate ends.
pub(super) fn what(fields: &mut Fields, revocation: &Revocation) {
    fields
        .toned("REVOKES", Tone::Bad, format!("{} version {}", revocation.certificate_id, revocation.version))
        .add("because", revocation.reason.as_str())
        .add("serial", text::safe(&revocation.serial))
        .add("issuer", text::safe(&revocation.issuer))
        .list("fingerprint", revocation.sha256.spoken());
}
