//! Keys of the review: the only place that anything is done from.

use super::{deeds, signature};
use crate::console::action::Effect;
use crate::console::key::Key;
use crate::console::state::{Act, Dialog, Focus, Review, Slot, State};
use crate::console::view;

/// The review has been drawn as it is, and nothing typed before that is waiting any more.
pub fn arm(state: &mut State) {
    if matches!(&state.dialog, Some(Dialog::Review(review)) if review.signature.is_some()) {
        return signature::arm(state);
    }
    settle(state);
    if let Some(Dialog::Review(review)) = &mut state.dialog
        && review.is_loaded()
    {
        review.armed = true;
        review.read |= review.at_end;
    }
}

/// Keeps the window within the summary, and notes whether it reaches to the end.
pub fn settle(state: &mut State) {
    signature::settle(state);
    let last = match &state.dialog {
        Some(Dialog::Review(review)) if !state.too_small() => view::review_overflow(state, review),
        _ => return,
    };
    if let Some(Dialog::Review(review)) = &mut state.dialog {
        review.scroll = review.scroll.min(last);
        review.at_end = review.scroll == last;
    }
}

/// Pasted text goes into the field in focus.
pub fn paste(review: &mut Review, text: &str) {
    if let Some(open) = &mut review.signature {
        return signature::paste(open, text);
    }
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
    if let Some(open) = review.signature.take() {
        return signature::key(state, review, open, key);
    }
    if key == Key::Esc {
        return close(state, review);
    }
    // What was typed before the review could be read was typed at something else.
    if !review.armed || review.sending {
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    }
    let page = view::review_page(state, &review);
    let on_button = matches!(review.focus, Focus::Cancel | Focus::Commit);
    match key {
        Key::Tab | Key::Down => go(&mut review, 1),
        Key::BackTab | Key::Up => go(&mut review, -1),
        Key::PageDown => review.scroll += page,
        Key::PageUp => review.scroll = review.scroll.saturating_sub(page),
        Key::Enter => return pressed(state, review),
        Key::Char('y') if on_button => return deeds::commit(state, review),
        Key::Char('s') if on_button && matches!(review.act, Act::Decide(_)) => return signature::begin(state, review),
        Key::Char('j') if on_button => review.scroll += 1,
        Key::Char('k') if on_button => review.scroll = review.scroll.saturating_sub(1),
        Key::Ctrl('d') if on_button => review.scroll += page,
        Key::Ctrl('u') if on_button => review.scroll = review.scroll.saturating_sub(page),
        key => typed(&mut review, key),
    }
    state.dialog = Some(Dialog::Review(review));
    settle(state);
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
        Focus::Confirm if review.matches() => {
            review.confirmed += 1;
            review.confirm = Default::default();
        }
        Focus::Note if !review.is_confirmed() => review.focus = Focus::Confirm,
        Focus::Confirm | Focus::Note => {}
        Focus::Commit => return deeds::commit(state, review),
    }
    state.dialog = Some(Dialog::Review(review));
    Vec::new()
}

fn close(state: &mut State, review: Box<Review>) -> Vec<Effect> {
    if review.sending {
        // It cannot be called back; its answer is shown in this place.
        state.dialog = Some(Dialog::Review(review));
        return Vec::new();
    }
    state.calls.drop_slot(Slot::Review);
    state.tell(
        true,
        if review.act.verb().is_some() { "Closed; nothing was done." } else { "Closed without a decision." },
    );
    // A mark that stands in the way of every review would have to be searched for.
    for item in review.items.iter().filter(|item| item.seen.is_none() && item.refused.is_some()) {
        state.queue.marks.remove(&item.id);
    }
    Vec::new()
}
