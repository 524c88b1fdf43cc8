//! Reviews of what is done to certificates and messages: how they are opened, their keys, and what leaves them.

use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{AlertState, RenewParams, RequeueParams, RetireParams, RevokeParams};
use countersign_shared::text::Untrusted;

use super::{loading, managed};
use crate::console::action::{Call, Deed, Effect};
use crate::console::key::Key;
use crate::console::state::{Dialog, Errand, Field, Matter, Message, Screen, Slot, State, Stop, Task};
use crate::console::view;

/// Reviews a certificate; what it shows is read now, not taken from a list.
pub fn open(state: &mut State, task: Task, id: CertificateId) -> Vec<Effect> {
    if let Some(why) = state.decisions_stopped() {
        state.tell(false, why);
        return Vec::new();
    }
    let mut errand = Errand::about(task, id);
    errand.stale = true;
    state.dialog = Some(Dialog::Errand(Box::new(errand)));
    managed::read_errand(state)
}

/// Reviews the message that is shown or selected.
pub fn requeue(state: &mut State) {
    let message = match state.screen {
        Screen::Alert => state.alert.as_ref().map(|open| &open.seen),
        _ => state.alerts.paged.selected(),
    };
    let Some(message) = message.cloned() else { return state.tell(false, "No message is selected.") };
    if let Some(why) = state.decisions_stopped() {
        return state.tell(false, why);
    }
    state.dialog = Some(if message.state == AlertState::Dead {
        Dialog::Errand(Box::new(Errand::of(Task::Requeue, Matter::Message(Box::new(message)))))
    } else {
        Dialog::Message(Message {
            title: "Nothing to send again".into(),
            text: format!("Message {} is {}.", message.id, message.state),
            hint: "Only a dead one waits for somebody; s shows them.".into(),
        })
    });
    settle(state);
}

/// It has been drawn as it is, and nothing typed before that is waiting any more.
pub fn arm(state: &mut State) {
    settle(state);
    if let Some(Dialog::Errand(errand)) = &mut state.dialog
        && errand.is_loaded()
    {
        errand.armed = true;
        errand.read |= errand.at_end;
    }
}

/// Keeps the window within the summary, and notes whether it reaches to the end.
pub fn settle(state: &mut State) {
    let last = match &state.dialog {
        Some(Dialog::Errand(errand)) if !state.too_small() => view::errand_overflow(state, errand),
        _ => return,
    };
    if let Some(Dialog::Errand(errand)) = &mut state.dialog {
        errand.scroll = errand.scroll.min(last);
        errand.at_end = errand.scroll == last;
    }
}

/// Pasted text goes into the field in focus.
pub fn paste(errand: &mut Errand, text: &str) {
    if !errand.armed || errand.sending {
        return;
    }
    if let Some(field) = errand.field() {
        field.insert(text);
    }
}

pub fn key(state: &mut State, mut errand: Box<Errand>, key: Key) -> Vec<Effect> {
    if key == Key::Esc {
        return close(state, errand);
    }
    // What was typed before it could be read was typed at something else.
    if !errand.armed || errand.sending {
        state.dialog = Some(Dialog::Errand(errand));
        return Vec::new();
    }
    let page = view::errand_page(state, &errand);
    let on_button = matches!(errand.focus, Stop::Cancel | Stop::Commit);
    match key {
        Key::Tab | Key::Down => go(&mut errand, 1),
        Key::BackTab | Key::Up => go(&mut errand, -1),
        Key::PageDown => errand.scroll += page,
        Key::PageUp => errand.scroll = errand.scroll.saturating_sub(page),
        Key::Enter => return pressed(state, errand),
        Key::Char('y') if on_button => return commit(state, errand),
        Key::Char('j') if on_button => errand.scroll += 1,
        Key::Char('k') if on_button => errand.scroll = errand.scroll.saturating_sub(1),
        Key::Ctrl('d') if on_button => errand.scroll += page,
        Key::Ctrl('u') if on_button => errand.scroll = errand.scroll.saturating_sub(page),
        Key::Right if errand.focus == Stop::Reason => errand.turn(1),
        Key::Left if errand.focus == Stop::Reason => errand.turn(-1),
        Key::Right if on_button => go(&mut errand, 1),
        Key::Left if on_button => go(&mut errand, -1),
        key => {
            if let Some(field) = errand.field() {
                field.edit(key);
            }
        }
    }
    state.dialog = Some(Dialog::Errand(errand));
    settle(state);
    Vec::new()
}

fn go(errand: &mut Errand, steps: isize) {
    let stops = errand.stops();
    let at = stops.iter().position(|stop| *stop == errand.focus).unwrap_or(0);
    let next = (at as isize + steps).rem_euclid(stops.len() as isize);
    if let Some(stop) = stops.get(next.unsigned_abs()) {
        errand.focus = *stop;
    }
}

fn pressed(state: &mut State, mut errand: Box<Errand>) -> Vec<Effect> {
    match errand.focus {
        Stop::Cancel => return close(state, errand),
        Stop::Commit => return commit(state, errand),
        // To the button, where it can be pressed: a second Enter does it.
        _ if errand.missing().is_none() => errand.focus = Stop::Commit,
        // What is not what it has to be keeps the focus.
        Stop::Confirm if !errand.is_confirmed() => {}
        Stop::Reason if errand.chosen().is_none() => {}
        Stop::Reason | Stop::Confirm | Stop::Ticket | Stop::Note => go(&mut errand, 1),
    }
    state.dialog = Some(Dialog::Errand(errand));
    Vec::new()
}

fn close(state: &mut State, errand: Box<Errand>) -> Vec<Effect> {
    if errand.sending {
        // It cannot be called back; its answer is shown in this place.
        state.dialog = Some(Dialog::Errand(errand));
        return Vec::new();
    }
    state.calls.drop_slot(Slot::Errand);
    state.tell(true, "Closed; nothing was done.");
    Vec::new()
}

/// Sends it, for exactly what is shown.
fn commit(state: &mut State, mut errand: Box<Errand>) -> Vec<Effect> {
    let stopped = state.decisions_stopped().or_else(|| errand.missing());
    let (Some(deed), None, true) = (deed(&errand), &stopped, errand.armed) else {
        if let Some(why) = stopped {
            state.tell(false, why);
        }
        errand.focus = Stop::Cancel;
        state.dialog = Some(Dialog::Errand(errand));
        return Vec::new();
    };
    errand.sending = true;
    state.dialog = Some(Dialog::Errand(errand));
    vec![loading::call(state, Slot::Deed, Call::Do(deed))]
}

fn deed(errand: &Errand) -> Option<Deed> {
    let given = |field: &Field| {
        let text = field.text().trim();
        (!text.is_empty()).then(|| Untrusted::from(text))
    };
    match (errand.task, &errand.matter) {
        // The serial number binds it to the version that was seen, whatever is in force when it arrives.
        (Task::Revoke, Matter::Certificate { id, seen: Some(seen) }) => Some(Deed::Revoke(RevokeParams {
            certificate_id: Some(id.clone()),
            serial: Some(seen.current()?.serial.clone()),
            reason: errand.reason?,
            note: given(&errand.note),
            ticket: given(&errand.ticket),
        })),
        (Task::Renew, Matter::Certificate { id, .. }) => Some(Deed::Renew(RenewParams {
            certificate_id: id.clone(),
            csr: None,
            reason: given(&errand.note),
            ticket: given(&errand.ticket),
        })),
        (Task::Retire, Matter::Certificate { id, .. }) => {
            Some(Deed::Retire(RetireParams { certificate_id: id.clone(), reason: errand.retiring? }))
        }
        (Task::Requeue, Matter::Message(message)) => {
            Some(Deed::Requeue(RequeueParams { id: Some(message.id), ..RequeueParams::default() }))
        }
        _ => None,
    }
}
