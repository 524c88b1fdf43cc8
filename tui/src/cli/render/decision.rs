//! How a decision came out, and how a request ended.

use countersign_shared::protocol::{DecideResult, Outcome, WaitResult};

use super::fields::Fields;
use super::style::{Tone, of_job, of_request};
use super::{View, text};

/// A decision that was recorded.
pub(in crate::cli) fn made(result: &DecideResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields
        .toned("request", of_request(result.state), format!("{} {}", result.id, result.state))
        .add("votes", format!("{} of {}", result.votes.given, result.votes.needed));
    if let Some(job) = &result.job {
        fields.toned("job", of_job(job.state), format!("{} {}", job.id, job.state));
    }
    fields.add("ledger", format!("record {}", result.seq)).list("", result.record_sha256.spoken()).finish()
}

/// How a request or job ended.
pub(in crate::cli) fn ended(id: &str, result: &WaitResult, written: bool, view: View) -> String {
    let tone = match result.outcome {
        Outcome::Issued | Outcome::Applied => Tone::Good,
        Outcome::Waiting => Tone::Open,
        _ => Tone::Bad,
    };
    let mut fields = Fields::new(view.style);
    fields.toned("outcome", tone, format!("{} {}", text::safe(id), result.outcome));
    if let Some(who) = result.request.as_ref().and_then(|request| request.decided_by.as_deref()) {
        fields.add("decided by", text::safe(who));
    }
    if let Some(why) = &result.why {
        fields.add("why", why.safe().to_string());
    }
    if result.outcome == Outcome::Issued {
        if let Some(job) = &result.job {
            fields.add("certificate", job.certificate_id.as_str());
        }
        if !written {
            fields.add("next", format!("countersign wait {} --out FILE writes the chain", text::safe(id)));
        }
    }
    fields.finish()
}
