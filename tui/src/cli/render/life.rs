//! What became of a request by other verbs than votes.

use countersign_shared::id::RequestId;
use countersign_shared::protocol::{AmendResult, CommentResult, EndResult};

use super::fields::Fields;
use super::style::{Tone, of_job, of_request};
use super::{View, change, text, when};

/// A request that was withdrawn or voided.
pub(in crate::cli) fn ended(result: &EndResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields.toned("request", of_request(result.state), format!("{} {}", result.id, result.state));
    if let Some(job) = &result.job {
        fields.toned("job", of_job(job.state), format!("{} {}", job.id, job.state));
    }
    fields.add("ledger", format!("record {}", result.seq)).list("", result.record_sha256.spoken()).finish()
}

/// A request with other content than before.
pub(in crate::cli) fn amended(result: &AmendResult, view: View) -> String {
    let request = &result.request;
    let mut fields = Fields::new(view.style);
    fields
        .toned("request", of_request(request.state), format!("{} {}", request.id, request.state))
        .add("version", request.version.to_string())
        .add("digest", request.digest.to_string());
    match result.differences.is_empty() {
        true => fields.add("changed", "nothing"),
        false => fields.list("changed", result.differences.iter().map(change::between)),
    };
    fields.list("from the CSR", result.changes.iter().map(change::from_csr));
    match result.votes_cleared {
        0 => fields.add("votes", "none were given on the version before"),
        votes => fields.toned("votes", Tone::Open, format!("{votes} on the version before count no more")),
    };
    fields
        .add("expires", when::with_distance(request.expires_at, view.now))
        .add("ledger", format!("record {}", result.seq));
    fields.finish()
}

/// A remark as it stands.
pub(in crate::cli) fn remarked(id: &RequestId, result: &CommentResult, view: View) -> String {
    let remark = &result.remark;
    Fields::new(view.style)
        .add("request", format!("{id} version {}", remark.version))
        .add(remark.kind.as_str(), format!("{}: {}", text::person(&remark.by), remark.text.safe()))
        .add("ledger", format!("record {}", remark.seq))
        .finish()
}
