//! The review dialog: the only place that a decision comes from.

use countersign_shared::protocol::{DecideParams, DecideResult, RequestDetail};
use countersign_shared::text::Untrusted;

use super::loading;
use crate::console::action::{Call, Effect, Refusal};
use crate::console::key::Key;
use crate::console::state::{Dialog, Focus, Message, Review, Slot, State};
use crate::console::view;

/// Lines that a page key scrolls the summary: fewer than the smallest window shows, so that none is skipped.
const STEP: usize = 3;

/// The whole review has been drawn, and nothing typed before that is waiting any more.
pub fn arm(state: &mut State) {
    if let Some(Dialog::Review(review)) = &mut state.dialog
        && review.seen.is_some()
    {
        review.armed = true;
    }
}

/// What the daemon says of the request: the first answer is what is shown, a later one is compared with it.
pub fn seen(review: &mut Review, result: Result<Box<RequestDetail>, Refusal>) {
    match result {
        Ok(now) if now.request.id != review.id => {}
        Ok(now) if review.seen.is_some() => review.compare(&now),
        Ok(now) => {
            review.seen = Some(now);
            review.refused = None;
        }
        Err(refusal) if review.seen.is_some() => {
            review.changed = vec![format!("It cannot be read any more: {}", refusal.message)];
            review.focus = Focus::Cancel;
        }
        Err(refusal) => review.refused = Some(refusal),
    }
}

/// Pasted text goes into the field in focus.
pub fn paste(review: &mut Review, text: &str) {
    if !review.armed || review.sending {
        return;
    }
    match review.focus {
        Focus::Confirm => review.confirm.insert(text),
        Focus::Note => review.note.insert(text),
        Focus::Cancel | Focus::Commit => {}
    }
}

pub fn key(state: &mut State, mut review: Box<Review>, key: Key) -> Vec<Effect> {
    if key == Key::Esc {
        return close(state, review);
    }
    // What was typed before the review could be read was typed at something else.
    if !review.armed || review.sending {
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    }
    match key {
        Key::Tab | Key::Down => go(&mut review, 1),
        Key::BackTab | Key::Up => go(&mut review, -1),
        Key::PageDown => review.scroll += STEP,
        Key::PageUp => review.scroll = review.scroll.saturating_sub(STEP),
        Key::Enter => return pressed(state, review),
        key => typed(&mut review, key),
    }
    let last = view::review_overflow(state, &review);
    review.scroll = review.scroll.min(last);
    state.dialog = Some(Dialog::Review(review));
    Vec::new()
}

fn typed(review: &mut Review, key: Key) {
    match (review.focus, key) {
        (Focus::Confirm, key) => {
            review.confirm.edit(key);
        }
        (Focus::Note, key) => {
            review.note.edit(key);
        }
        (Focus::Cancel | Focus::Commit, Key::Right) => go(review, 1),
        (Focus::Cancel | Focus::Commit, Key::Left) => go(review, -1),
        (Focus::Cancel | Focus::Commit, _) => {}
    }
}

fn go(review: &mut Review, steps: isize) {
    let stops = review.stops();
    let at = stops.iter().position(|stop| *stop == review.focus).unwrap_or(0);
    let next = (at as isize + steps).rem_euclid(stops.len() as isize);
    if let Some(stop) = stops.get(next.unsigned_abs()) {
        review.focus = *stop;
    }
}

fn pressed(state: &mut State, mut review: Box<Review>) -> Vec<Effect> {
    match review.focus {
        Focus::Cancel => return close(state, review),
        // From a field to the deciding button, where it can be pressed: a second Enter decides. A field that is
        // not what it has to be keeps the focus.
        Focus::Confirm | Focus::Note if review.missing().is_none() => review.focus = Focus::Commit,
        Focus::Confirm if review.is_confirmed() => review.focus = Focus::Note,
        Focus::Note if !review.is_confirmed() => review.focus = Focus::Confirm,
        Focus::Confirm | Focus::Note => {}
        Focus::Commit => return commit(state, review),
    }
    state.dialog = Some(Dialog::Review(review));
    Vec::new()
}

/// Sends the decision, on exactly the digest that is shown.
fn commit(state: &mut State, mut review: Box<Review>) -> Vec<Effect> {
    let stopped = state.decisions_stopped().or_else(|| review.missing());
    let seen = review.seen.as_ref().filter(|_| review.armed);
    let (Some(seen), None) = (seen, &stopped) else {
        if let Some(why) = stopped {
            state.tell(false, why);
        }
        review.focus = Focus::Cancel;
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    };
    let note = review.note.text().trim();
    let params = DecideParams {
        id: review.id.clone(),
        digest: seen.request.digest,
        note: (!note.is_empty()).then(|| Untrusted::from(note)),
    };
    let call = Call::Decide(review.verdict, params);
    review.sending = true;
    state.dialog = Some(Dialog::Review(review));
    vec![loading::call(state, Slot::Decide, call)]
}

fn close(state: &mut State, review: Box<Review>) -> Vec<Effect> {
    if review.sending {
        // It cannot be called back; its answer is shown in this place.
        state.dialog = Some(Dialog::Review(review));
    } else {
        state.calls.drop_slot(Slot::Review);
        state.tell(true, "Closed without a decision.");
    }
    Vec::new()
}

/// The daemon answered the decision.
pub fn decided(state: &mut State, result: Result<Box<DecideResult>, Refusal>) -> Vec<Effect> {
    let open = match state.dialog.take() {
        Some(Dialog::Review(review)) => Some(review),
        other => {
            state.dialog = other;
            None
        }
    };
    let mut about = open.map(|review| review.id);
    match result {
        Ok(done) => {
            let votes = format!("{} of {} votes", done.votes.given, done.votes.needed);
            let job = done.job.as_ref().map_or_else(String::new, |job| format!("; its job is {}", job.state));
            let text = format!("{} is {} ({votes}, record {}){job}.", done.id, done.state, done.seq);
            state.tell(true, text);
            about = Some(done.id.clone());
        }
        Err(refusal) => {
            let (title, hint) = if refusal.uncertain {
                ("Not known whether it counts", "Look at the request's decisions before deciding again.".to_owned())
            } else {
                ("Refused", refusal.hint)
            };
            // The line stays when a key that was meant for something else closes the message.
            state.tell(false, refusal.message.clone());
            state.dialog = Some(Dialog::Message(Message { title: title.into(), text: refusal.message, hint }));
        }
    }
    let mut effects = vec![loading::call(state, Slot::Status, Call::Status)];
    if let Some(id) = about {
        if state.detail.as_ref().is_some_and(|detail| detail.id == id) {
            effects.push(loading::call(state, Slot::Detail, Call::Request(id.clone())));
        }
        if state.queue.refused.is_none() {
            state.queue.stale.insert(id);
            effects.extend(loading::stale_rows(state));
        }
    }
    effects
}
