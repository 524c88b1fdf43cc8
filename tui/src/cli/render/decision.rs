//! How decisions came out, and how a request ended.

use countersign_shared::id::RequestId;
use countersign_shared::protocol::{DecideManyResult, DecideResult, DecidedItem, Outcome, RequestDetail, WaitResult};

use super::fields::Fields;
use super::style::{Tone, of_job, of_request};
use super::{View, detail, policy_change, text};

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

/// Exactly what a signature is of. Whatever could deceive is visible in it already.
pub(in crate::cli) fn to_sign(signed: &str) -> String {
    format!("\nThis is signed:\n\n{signed}")
}

/// What came of each of many.
pub(in crate::cli) fn many(result: &DecideManyResult, view: View) -> String {
    let mut fields = Fields::new(view.style);
    for DecidedItem { id, result, error } in &result.items {
        if let Some(made) = result {
            let votes = format!("{} of {} votes", made.votes.given, made.votes.needed);
            let line = format!("{id} {}, {votes}, record {}", made.state, made.seq);
            fields.title(of_request(made.state), &line);
        }
        if let Some(error) = error {
            fields.title(Tone::Bad, &format!("{id} refused ({}): {}", error.data.kind, text::safe(&error.message)));
            if !error.data.hint.is_empty() {
                fields.add("", text::safe(&error.data.hint));
            }
        }
    }
    fields.finish()
}

/// One of many before they are decided: what tells it from the others, and what asks for a second look.
pub(in crate::cli) fn one_of_many(detail: &RequestDetail, view: View) -> String {
    let request = &detail.request;
    let mut fields = Fields::new(view.style);
    fields
        .toned("request", of_request(request.state), format!("{} {} ({})", request.id, request.state, request.kind))
        .add("requester", text::person(&request.requester))
        .add("reason", request.reason.safe().to_string())
        .add("profile", text::safe(&request.profile_id));
    if let Some(content) = &detail.content {
        fields
            .add("name", text::name(&request.primary_name))
            .list("names", content.sans.iter().map(text::san))
            .add("valid for", content.valid_for.to_string());
        if content.ca {
            fields.toned("authority", Tone::Bad, "yes: CA:TRUE");
        }
    }
    if let Some(change) = &detail.policy_change {
        policy_change::differences(&mut fields, &change.differences);
        policy_change::findings(&mut fields, &change.findings);
    }
    if !request.risks.is_empty() {
        fields.toned("risks", Tone::Bad, detail::risks(request));
    }
    if !detail.you.allowed {
        fields.toned("you", Tone::Bad, format!("may not decide: {}", text::safe(&detail.you.why)));
    }
    fields.add("digest", request.digest.to_string()).finish()
}

/// One of many that the caller may not look at.
pub(in crate::cli) fn unseen(id: &RequestId, view: View) -> String {
    Fields::new(view.style)
        .add("request", id.as_str())
        .toned("you", Tone::Bad, "may not see it: the attempt is sent, refused and recorded")
        .finish()
}

/// How a request or job ended.
pub(in crate::cli) fn ended(id: &str, result: &WaitResult, written: bool, view: View) -> String {
    let tone = match result.outcome {
        Outcome::Issued | Outcome::Applied | Outcome::Revoked => Tone::Good,
        Outcome::Waiting => Tone::Open,
        Outcome::Rejected | Outcome::Expired | Outcome::Voided | Outcome::Withdrawn | Outcome::Failed => Tone::Bad,
    };
    let mut fields = Fields::new(view.style);
    fields.toned("outcome", tone, format!("{} {}", text::safe(id), result.outcome));
    if let Some(who) = result.request.as_ref().and_then(|request| request.decided_by.as_deref()) {
        fields.add("decided by", text::safe(who));
    }
    if let Some(why) = &result.why {
        fields.add("why", why.safe().to_string());
    }
    if result.outcome == Outcome::Applied {
        fields.add("next", "countersign policy show prints the policy that is in force now");
    }
    if result.outcome == Outcome::Revoked
        && let Some(job) = &result.job
    {
        fields.add("certificate", job.certificate_id.as_str());
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
