//! Keys of the dialog that takes a checkpoint back, and what leaves it.

use countersign_shared::protocol::{AnchorParams, AnchorResult};

use super::{anchors, loading};
use crate::console::action::{Call, Deed, Effect};
use crate::console::key::Key;
use crate::console::state::{Dialog, Link, Place, Slot, Stage, State, TakeBack};
use crate::console::view;

/// Opens it. A daemon that is read-only takes none, and says so itself.
pub fn open(state: &mut State) {
    if state.link != Link::Online {
        return state.tell(false, "OFFLINE: this needs the daemon.");
    }
    state.dialog = Some(Dialog::TakeBack(Box::default()));
}

/// The review has been drawn as it is, and nothing typed before that is waiting any more.
pub fn arm(state: &mut State) {
    settle(state);
    if let Some(Dialog::TakeBack(open)) = &mut state.dialog
        && matches!(open.stage, Stage::Review(_))
    {
        open.armed = true;
        open.read |= open.at_end;
    }
}

/// Keeps the window within the text, and notes whether it reaches to the end.
pub fn settle(state: &mut State) {
    let last = match &state.dialog {
        Some(Dialog::TakeBack(open)) if !state.too_small() => view::take_back_overflow(state, open),
        _ => return,
    };
    if let Some(Dialog::TakeBack(open)) = &mut state.dialog {
        open.scroll = open.scroll.min(last);
        open.at_end = open.scroll == last;
    }
}

/// Pasted text goes into the field in focus. What is whole is looked at at once: that does nothing yet.
pub fn paste(open: &mut TakeBack, text: &str) {
    match (&open.stage, open.place) {
        (Stage::Given, Place::File) => open.path.insert(text),
        (Stage::Given, Place::Text) => {
            open.insert(text);
            open.look();
        }
        _ => {}
    }
}

/// The file was read.
pub fn opened(state: &mut State, result: Result<String, String>) {
    if let Some(Dialog::TakeBack(open)) = &mut state.dialog {
        open.reading = false;
        match result {
            Ok(text) => {
                open.text.clear();
                open.insert(&text);
                open.look();
            }
            Err(why) => open.wrong = Some(why),
        }
    }
    settle(state);
}

pub fn key(state: &mut State, mut open: Box<TakeBack>, key: Key) -> Vec<Effect> {
    let effects = match &open.stage {
        // It cannot be called back; its answer is shown in this place.
        _ if open.sending => Vec::new(),
        Stage::Told(_) => {
            if matches!(key, Key::Esc | Key::Enter | Key::Char('q')) {
                return Vec::new();
            }
            scroll(state, &mut open, key);
            Vec::new()
        }
        Stage::Given => match given_key(state, &mut open, key) {
            Some(effects) => effects,
            None => return closed(state),
        },
        Stage::Review(_) => match review_key(state, &mut open, key) {
            Some(effects) => effects,
            None => return closed(state),
        },
    };
    state.dialog = Some(Dialog::TakeBack(open));
    settle(state);
    effects
}

fn closed(state: &mut State) -> Vec<Effect> {
    state.calls.drop_slot(Slot::File);
    state.tell(true, "Closed; nothing was done.");
    Vec::new()
}

fn go(open: &mut TakeBack, steps: isize) {
    let stops = open.stops();
    let at = stops.iter().position(|stop| *stop == open.place).unwrap_or(0);
    let next = (at as isize + steps).rem_euclid(stops.len() as isize);
    if let Some(stop) = stops.get(next.unsigned_abs()) {
        open.place = *stop;
    }
}

/// `None` where it is to be closed.
fn given_key(state: &mut State, open: &mut TakeBack, key: Key) -> Option<Vec<Effect>> {
    match (open.place, key) {
        (_, Key::Esc) | (Place::Cancel, Key::Enter) => return None,
        (_, Key::Tab | Key::Down) => go(open, 1),
        (_, Key::BackTab | Key::Up) => go(open, -1),
        _ if open.reading => {}
        (Place::Text, Key::Enter) => open.insert("\n"),
        (Place::Text, Key::Char(c)) => open.insert(c.encode_utf8(&mut [0; 4])),
        (Place::Text, Key::Backspace) => {
            open.text.pop();
        }
        (Place::Text, Key::Ctrl('u')) => open.text.clear(),
        (Place::File, Key::Enter) if open.path.text().trim().is_empty() => {
            open.wrong = Some("Name the file first.".into());
        }
        (Place::File, Key::Enter) => {
            (open.reading, open.wrong) = (true, None);
            let path = open.path.text().trim().to_owned();
            return Some(vec![Effect::Open { generation: state.calls.begin(Slot::File), path }]);
        }
        (Place::File, key) => {
            open.path.edit(key);
        }
        (Place::Commit, Key::Enter) => open.look(),
        (Place::Cancel | Place::Commit, Key::Right) => go(open, 1),
        (Place::Cancel | Place::Commit, Key::Left) => go(open, -1),
        _ => {}
    }
    Some(Vec::new())
}

/// `None` where it is to be closed.
fn review_key(state: &mut State, open: &mut TakeBack, key: Key) -> Option<Vec<Effect>> {
    if key == Key::Esc {
        open.again();
        return Some(Vec::new());
    }
    // What was typed before it could be read was typed at something else.
    if !open.armed {
        return Some(Vec::new());
    }
    match key {
        Key::Enter if open.place == Place::Cancel => return None,
        Key::Enter | Key::Char('y') => return Some(commit(state, open)),
        Key::Tab | Key::BackTab | Key::Left | Key::Right => go(open, 1),
        key => scroll(state, open, key),
    }
    Some(Vec::new())
}

fn scroll(state: &State, open: &mut TakeBack, key: Key) {
    let page = view::take_back_page(state, open);
    match key {
        Key::Down | Key::Char('j') => open.scroll += 1,
        Key::Up | Key::Char('k') => open.scroll = open.scroll.saturating_sub(1),
        Key::PageDown | Key::Ctrl('d') => open.scroll += page,
        Key::PageUp | Key::Ctrl('u') => open.scroll = open.scroll.saturating_sub(page),
        _ => {}
    }
}

/// Sends exactly what was looked at.
fn commit(state: &mut State, open: &mut TakeBack) -> Vec<Effect> {
    if state.link != Link::Online || !open.read {
        open.place = Place::Cancel;
        let why = if open.read { "OFFLINE: this needs the daemon." } else { "Read to the end first: PageDown." };
        state.tell(false, why);
        return Vec::new();
    }
    open.sending = true;
    let params = AnchorParams { octets: open.octets() };
    vec![loading::call(state, Slot::Deed, Call::Do(Deed::Anchor(params)))]
}

/// What it said of the ledger.
pub fn told(state: &mut State, open: Option<Box<TakeBack>>, result: AnchorResult) -> Vec<Effect> {
    let good = result.verdict == countersign_shared::protocol::AnchorVerdict::Equal;
    state.tell(good, format!("The anchor is {}: {}", view::verdict_word(result.verdict), result.text));
    if let Some(mut open) = open {
        (open.stage, open.sending, open.scroll) = (Stage::Told(Box::new(result)), false, 0);
        state.dialog = Some(Dialog::TakeBack(open));
    }
    anchors::happened(state)
}
