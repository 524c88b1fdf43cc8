//! One request: everything that a decision needs.

use countersign_shared::content::CertificateContent;
use countersign_shared::lifecycle::{JobState, RequestState};
use countersign_shared::protocol::{CheckOutcome, RequestDetail, RequestSummary, Risk, SignatureDemand};

use super::fields::Fields;
use super::style::{Tone, of_job, of_request};
use super::{View, change, commands, policy_change, revocation, story, terms, text, when};

/// The request.
pub(in crate::cli) fn request(detail: &RequestDetail, view: View) -> String {
    let mut fields = Fields::new(view.style);
    head(&mut fields, detail, view);
    if let Some(ends) = &detail.revocation {
        fields.gap();
        revocation::what(&mut fields, ends);
    }
    match (&detail.content, &detail.policy_change) {
        (Some(signed), _) => {
            content(&mut fields, signed, detail);
            judgement(&mut fields, detail);
        }
        (None, Some(proposed)) => {
            fields.gap();
            policy_change::change(&mut fields, proposed);
            if !detail.request.risks.is_empty() {
                fields.toned("risks", Tone::Bad, risks(&detail.request));
            }
            fields
                .add("document", format!("countersign show {} --document", detail.request.id))
                .add("digest", detail.request.digest.to_string());
        }
        (None, None) => {
            fields.add("digest", detail.request.digest.to_string());
        }
    }
    fields.gap();
    people(&mut fields, detail, view);
    story::remarks(&mut fields, &detail.remarks, view);
    story::amendments(&mut fields, &detail.amendments, view);
    fields.finish()
}

/// The request, and the commands that the caller can give on it.
pub(in crate::cli) fn with_commands(detail: &RequestDetail, view: View) -> String {
    request(detail, view) + &commands::open_to_you(detail, view)
}

/// The policy that the request proposes, as it would stand; nothing where it proposes none.
pub(in crate::cli) fn document(detail: &RequestDetail, _: View) -> String {
    detail.policy_change.as_ref().map(|change| text::document(&change.document)).unwrap_or_default()
}

/// Who has to agree, and who could.
pub(in crate::cli) fn deciders(detail: &RequestDetail, view: View) -> String {
    let mut fields = Fields::new(view.style);
    fields.gap();
    people(&mut fields, detail, view);
    fields.finish()
}

fn head(fields: &mut Fields, detail: &RequestDetail, view: View) {
    let request = &detail.request;
    fields
        .add("request", format!("{} ({}, version {})", request.id, request.kind, request.version))
        .toned("state", of_request(request.state), state(request, view))
        .add("requester", text::person(&request.requester))
        .add("reason", request.reason.safe().to_string());
    if let Some(ticket) = &request.ticket {
        fields.add("ticket", ticket.safe().to_string());
    }
    if let Some(batch) = &request.batch {
        fields.add("batch", text::safe(batch));
    }
    fields
        .add("profile", format!("{} ({})", text::safe(&request.profile_id), text::safe(&detail.profile_name)))
        .add("environment", text::safe(&request.environment));
    if let Some(id) = &request.certificate_id {
        fields.add("certificate", id.as_str());
    }
    fields.add("made", when::with_distance(request.created_at, view.now));
    if request.state == RequestState::Pending {
        fields.add("expires", when::with_distance(request.expires_at, view.now));
    }
    if let Some(time) = request.not_before {
        fields.add("not before", when::with_distance(time, view.now));
    }
}

fn state(request: &RequestSummary, view: View) -> String {
    let mut line = request.state.to_string();
    if let Some(who) = &request.decided_by {
        line.push_str(&format!(" by {}", text::safe(who)));
    }
    if let Some(time) = request.decided_at {
        line.push_str(&format!(" at {}", when::with_distance(time, view.now)));
    }
    line
}

fn content(fields: &mut Fields, content: &CertificateContent, detail: &RequestDetail) {
    fields.gap().title(Tone::Faint, "What will be signed");
    if let Some(name) = &content.common_name {
        fields.add("common name", text::name(name));
    }
    fields
        .list("subject", content.subject.iter().map(|(part, value)| format!("{part} {}", text::safe(value))))
        .list("names", content.sans.iter().map(text::san))
        .add("key", content.key.to_string())
        .add("valid for", content.valid_for.to_string())
        .add("issuer", text::safe(&content.issuer))
        .toned(
            "authority",
            if content.ca { Tone::Bad } else { Tone::Plain },
            if content.ca { "yes: CA:TRUE" } else { "no" },
        )
        .add("key usage", joined(content.key_usage.iter()))
        .add("extended", joined(content.extended_key_usage.iter()))
        .list("public key", content.spki_sha256.spoken());
    if let Some(csr) = &detail.csr {
        fields.list("CSR", csr.sha256.spoken()).add("CSR subject", text::name(&csr.subject));
    }
    fields.add("digest", detail.request.digest.to_string());
}

fn joined<T: ToString>(values: impl Iterator<Item = T>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    if values.is_empty() { "none".to_owned() } else { values.join(", ") }
}

/// What asks for a second look, in words.
pub(super) fn risks(request: &RequestSummary) -> String {
    joined(request.risks.iter().map(|risk: &Risk| risk.as_str()))
}

fn judgement(fields: &mut Fields, detail: &RequestDetail) {
    fields.gap().title(Tone::Faint, "What to look at");
    if !detail.request.risks.is_empty() {
        fields.toned("risks", Tone::Bad, risks(&detail.request));
    }
    fields.list("from the CSR", detail.changes.iter().map(change::from_csr));
    match &detail.in_force {
        Some(_) if detail.differences.is_empty() => fields.add("in force", "no difference to that certificate"),
        Some(_) => fields.list("in force", detail.differences.iter().map(change::between)),
        None => fields.add("in force", "none: this is the first certificate"),
    };
    for check in &detail.checks {
        let tone = match check.outcome {
            CheckOutcome::Passed => Tone::Good,
            CheckOutcome::Warned => Tone::Open,
        };
        fields.toned(check.outcome.as_str(), tone, format!("{}: {}", text::safe(&check.rule), text::safe(&check.text)));
    }
}

/// True where nothing is left to carry out: it ended, or its job did.
fn over(detail: &RequestDetail) -> bool {
    match detail.request.state {
        RequestState::Pending => false,
        RequestState::Approved => detail
            .job
            .as_ref()
            .is_none_or(|job| matches!(job.state, JobState::Completed | JobState::Failed | JobState::Cancelled)),
        RequestState::Rejected | RequestState::Expired | RequestState::Voided | RequestState::Withdrawn => true,
    }
}

fn demanded(demand: SignatureDemand) -> &'static str {
    match demand {
        SignatureDemand::Ssh => "every decision, by an SSH key of the person",
        SignatureDemand::Fido2 => "every decision, by a FIDO2 key that the person touches",
        SignatureDemand::Fido2Verified => "every decision, by a FIDO2 key that has verified the person",
    }
}

fn people(fields: &mut Fields, detail: &RequestDetail, view: View) {
    fields.title(Tone::Faint, "Who decides").add("votes", format!("{} of {}", detail.votes.given, detail.votes.needed));
    terms::steps(fields, &detail.terms);
    for decision in &detail.decisions {
        fields.add(decision.verdict.as_str(), story::decision(decision, view));
    }
    terms::rejections(fields, &detail.terms);
    terms::time(fields, &detail.terms, over(detail), view);
    if detail.request.state == RequestState::Pending {
        fields.list("may decide", detail.who_may_decide.iter().map(|who| text::safe(who)));
    }
    if let Some(demand) = detail.signing.as_ref().and_then(|signing| signing.demand) {
        fields.add("signed", demanded(demand));
    }
    match (detail.you.allowed, &detail.you.delegated_by) {
        (true, None) => fields.toned("you", Tone::Good, "may decide"),
        (true, Some(who)) => fields.toned("you", Tone::Good, format!("may decide with the say of {}", text::safe(who))),
        (false, _) => fields.toned("you", Tone::Bad, format!("may not decide: {}", text::safe(&detail.you.why))),
    };
    if let Some(job) = &detail.job {
        fields.toned("job", of_job(job.state), format!("{} {}", job.id, job.state));
    }
}
