//! From a certificate or a message to what it is about.

use countersign_shared::id::{CertificateId, RequestId};
use countersign_shared::protocol::Alert;

use super::{commands, errand, managed};
use crate::console::action::Effect;
use crate::console::state::{Screen, State, Task};

/// The certificate that is shown or selected.
fn certificate(state: &State) -> Option<CertificateId> {
    match state.screen {
        Screen::Certificate => state.managed.as_ref().map(|managed| managed.id.clone()),
        _ => state.certificates.paged.list.selected().cloned(),
    }
}

/// Reviews what is done to it.
pub fn review(state: &mut State, task: Task) -> Vec<Effect> {
    match certificate(state) {
        Some(id) => errand::open(state, task, id),
        None => nothing(state, "No certificate is selected."),
    }
}

/// Goes there; Esc comes back.
pub fn jump(state: &mut State) -> Vec<Effect> {
    let from = state.screen;
    let effects = match from {
        Screen::Certificates | Screen::Certificate => match request_of_certificate(state) {
            Some(id) => commands::open_request(state, id),
            None => return nothing(state, "No request about it is known here; Enter shows what was asked for it."),
        },
        _ => match message(state).map(|message| message.resource_id.clone()) {
            Some(about) => match (about.parse::<RequestId>(), about.parse::<CertificateId>()) {
                (Ok(id), _) => commands::open_request(state, id),
                (_, Ok(id)) => managed::open(state, id),
                _ => return nothing(state, "It is about something that has no page of its own."),
            },
            None => return nothing(state, "No message is selected."),
        },
    };
    state.came_from = Some(from);
    effects
}

/// The request that waits, or the newest one.
fn request_of_certificate(state: &State) -> Option<RequestId> {
    let id = certificate(state)?;
    let open = state.managed.as_ref().filter(|managed| managed.id == id).and_then(|managed| managed.seen.as_ref());
    let mut listed: Vec<_> = state.queue.rows.values().filter(|row| row.certificate_id.as_ref() == Some(&id)).collect();
    listed.sort_by_key(|row| (row.decided_at.is_none(), row.created_at));
    let waits = open.and_then(|seen| seen.pending().next()).or_else(|| listed.last().copied());
    let newest = || open.and_then(|seen| seen.requests.iter().flatten().next());
    waits.or_else(newest).map(|request| request.id.clone())
}

fn message(state: &State) -> Option<&Alert> {
    match state.screen {
        Screen::Alert => state.alert.as_ref().map(|open| &open.seen),
        _ => state.alerts.paged.selected(),
    }
}

fn nothing(state: &mut State, why: &str) -> Vec<Effect> {
    state.tell(false, why);
    Vec::new()
}
