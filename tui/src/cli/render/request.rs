//! Requests: the queue, one in detail, and a fresh one.

use std::path::Path;

use countersign_shared::content::CertificateContent;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{
    Change, CheckOutcome, Difference, RequestDetail, RequestSummary, Risk, SubmitResult,
};

use countersign_shared::time::Span;

use super::fields::Fields;
use super::style::{Tone, of_job, of_request};
use super::table::{Cell, table};
use super::{View, text, when};
use crate::cli::failure::shown;

/// The queue.
pub(in crate::cli) fn list(requests: &[RequestSummary], view: View) -> String {
    if requests.is_empty() {
        return "no requests\n".to_owned();
    }
    let rows: Vec<Vec<Cell>> = requests.iter().map(|request| row(request, view)).collect();
    table(&["ID", "STATE", "NAMES…", "PROFILE…", "REQUESTER…", "TIME"], &rows, view.style)
}

fn row(request: &RequestSummary, view: View) -> Vec<Cell> {
    let more = request.names_total.saturating_sub(1);
    let mut names = text::name(&request.primary_name);
    if more > 0 {
        names = format!("{names} +{more}");
    }
    let time = match request.state {
        RequestState::Pending => left(request, view),
        _ => when::distance(request.decided_at.unwrap_or(request.created_at), view.now),
    };
    vec![
        Cell::new(request.id.as_str()),
        Cell::toned(request.state.as_str(), of_request(request.state)),
        Cell::new(names),
        Cell::new(text::safe(&request.profile_id)),
        Cell::new(text::person(&request.requester)),
        Cell::new(time),
    ]
}

/// How long a pending request still waits.
fn left(request: &RequestSummary, view: View) -> String {
    let gap = request.expires_at.unix_millis().saturating_sub(view.now.unix_millis());
    match u64::try_from(gap) {
        Ok(millis) if millis > 0 => format!("{} left", Span::from_millis(millis).rough()),
        _ => "expiring".to_owned(),
    }
}

/// Everything that a decision needs.
pub(in crate::cli) fn detail(detail: &RequestDetail, view: View) -> String {
    let mut fields = Fields::new(view.style);
    head(&mut fields, detail, view);
    if let Some(signed) = &detail.content {
        content(&mut fields, signed, detail);
    }
    judgement(&mut fields, detail);
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

fn judgement(fields: &mut Fields, detail: &RequestDetail) {
    fields.gap().title(Tone::Faint, "What to look at");
    if !detail.request.risks.is_empty() {
        fields.toned("risks", Tone::Bad, joined(detail.request.risks.iter().map(|risk: &Risk| risk.as_str())));
    }
    fields.list("from the CSR", detail.changes.iter().map(change));
    match &detail.in_force {
        Some(_) => fields.list("to the one in force", detail.differences.iter().map(difference)),
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

fn change(change: &Change) -> String {
    format!(
        "{} {}: {} ({})",
        change.action,
        text::safe(&change.field),
        text::name(&change.value),
        text::safe(&change.why)
    )
}

fn difference(difference: &Difference) -> String {
    let shown = |value: &Option<_>| value.as_ref().map_or("nothing".to_owned(), text::name);
    format!("{}: {} becomes {}", text::safe(&difference.field), shown(&difference.before), shown(&difference.after))
}

fn people(fields: &mut Fields, detail: &RequestDetail, view: View) {
    fields
        .gap()
        .title(Tone::Faint, "Who decides")
        .add("votes", format!("{} of {}", detail.votes.given, detail.votes.needed));
    for decision in &detail.decisions {
        let time = when::with_distance(decision.at, view.now);
        fields.add(
            decision.verdict.as_str(),
            format!("{} at {time}: {}", text::person(&decision.by), decision.note.safe()),
        );
    }
    fields.list("may decide", detail.who_may_decide.iter().map(|who| text::safe(who)));
    match detail.you.allowed {
        true => fields.toned("you", Tone::Good, "may decide"),
        false => fields.toned("you", Tone::Bad, format!("may not decide: {}", text::safe(&detail.you.why))),
    };
    if let Some(job) = &detail.job {
        fields.toned("job", of_job(job.state), format!("{} {}", job.id, job.state));
    }
}

/// A request that was just made, and what to do next.
pub(in crate::cli) fn submitted(result: &SubmitResult, key: Option<&Path>, view: View) -> String {
    let mut fields = Fields::new(view.style);
    let id = match &result.request {
        Some(request) => {
            fields
                .toned("request", of_request(request.state), format!("{} {}", request.id, request.state))
                .add("names", text::name(&request.primary_name))
                .add("profile", text::safe(&request.profile_id));
            if request.state == RequestState::Pending {
                fields.add("expires", when::with_distance(request.expires_at, view.now));
            }
            request.id.as_str()
        }
        None => {
            fields.add("approval", format!("none needed under {}", text::safe(&result.job.profile_id)));
            result.job.id.as_str()
        }
    };
    fields
        .toned("job", of_job(result.job.state), format!("{} {}", result.job.id, result.job.state))
        .add("certificate", result.certificate_id.as_str());
    if let Some(path) = key {
        fields.add("new key", format!("{}, mode 0600: it stays with you", shown(path)));
    }
    if result.repeated {
        fields.add("repeated", "an earlier submission with this idempotency key made it");
    }
    fields.list("from the CSR", result.changes.iter().map(change));
    fields.add("next", format!("countersign wait {id} --out FILE"));
    fields.finish()
}
