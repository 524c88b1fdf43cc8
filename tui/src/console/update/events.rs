//! Ledger events: they say what is out of date, and the lists are read again from the daemon.

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{AuditAction, Event, RequestSummary};

use super::{alerts, anchors, audit, loading, managed};
use crate::console::action::{Call, Effect};
use crate::console::state::{Dialog, Link, Slot, State};

pub fn arrived(state: &mut State, generation: u64, event: Event) -> Vec<Effect> {
    if !state.calls.is_awaited(Slot::Events, generation) {
        return Vec::new();
    }
    match event {
        Event::Record { action, resource_type, resource_id, .. } => {
            let mut effects = work_ended(state, action, &resource_id);
            if resource_type == "request"
                && let Ok(id) = resource_id.parse::<RequestId>()
            {
                effects.extend(about_request(state, id));
            }
            if matches!(resource_type.as_str(), "certificate" | "request" | "job" | "policy") {
                effects.extend(managed::happened(state));
            }
            if action == AuditAction::AnchorAdded {
                effects.extend(anchors::happened(state));
            }
            // A message is made with the record that causes it.
            effects.extend(alerts::happened(state));
            effects.extend(ledger_grew(state));
            effects
        }
        Event::Resync { .. } => {
            // The stream goes on by itself; only the lists have to be read again.
            let mut effects = loading::queue_anew(state);
            effects.extend(managed::happened(state));
            effects.extend(alerts::happened(state));
            effects.extend(anchors::happened(state));
            effects.extend(ledger_grew(state));
            effects
        }
        Event::Alarm { .. } => vec![loading::call(state, Slot::Status, Call::Status)],
    }
}

pub fn lost(state: &mut State, generation: u64) -> Vec<Effect> {
    if state.calls.finish(Slot::Events, generation) && state.link == Link::Online {
        return vec![Effect::Reconnect];
    }
    Vec::new()
}

fn about_request(state: &mut State, id: RequestId) -> Vec<Effect> {
    let mut effects = Vec::new();
    if state.detail.as_ref().is_some_and(|detail| detail.id == id) {
        effects.push(loading::call(state, Slot::Detail, Call::Request(id.clone())));
    }
    if let Some(Dialog::Review(review)) = &mut state.dialog
        && review.is_about(&id)
        && !review.sending
    {
        review.stale.insert(id.clone());
        effects.extend(loading::review_items(state));
    }
    if state.queue.refused.is_none() {
        state.queue.stale.insert(id);
        effects.extend(loading::stale_rows(state));
    }
    effects
}

/// What an approval led to: the approver is told, and the open request is read again.
fn work_ended(state: &mut State, action: AuditAction, about: &str) -> Vec<Effect> {
    let row = state.queue.rows.values().find(|row| is_work_of(row, about));
    let said = row.filter(|row| row.state == RequestState::Approved).and_then(|row| match action {
        AuditAction::CertificateIssued => {
            let certificate = row.certificate_id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
            Some((true, format!("{}: the certificate{certificate} is issued.", row.id)))
        }
        AuditAction::JobFailed => Some((false, format!("{}: issuing failed; Enter shows why.", row.id))),
        _ => None,
    });
    // Bad news that nobody has read yet stays.
    if let Some((good, text)) = said.filter(|_| state.notice.as_ref().is_none_or(|notice| notice.good)) {
        state.tell(good, text);
    }
    let open = state.detail.as_ref().and_then(|detail| detail.seen.as_ref()).map(|seen| &seen.request);
    match open.filter(|row| is_work_of(row, about)) {
        Some(row) => {
            let id = row.id.clone();
            vec![loading::call(state, Slot::Detail, Call::Request(id))]
        }
        None => Vec::new(),
    }
}

/// True where a record about this certificate or job is about what the request asks for.
fn is_work_of(row: &RequestSummary, about: &str) -> bool {
    row.certificate_id.as_ref().is_some_and(|id| id.as_str() == about)
        || row.job_id.as_ref().is_some_and(|id| id.as_str() == about)
}

/// The header counts and the audit history are behind; each is read once, however many events came.
fn ledger_grew(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    if !state.calls.is_open(Slot::Status) {
        effects.push(loading::call(state, Slot::Status, Call::Status));
    } else {
        state.status_stale = true;
    }
    effects.extend(audit::grew(state));
    effects
}
