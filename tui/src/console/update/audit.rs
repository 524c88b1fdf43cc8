//! The ledger's records: what is asked for, what arrives, and what is opened.

use countersign_shared::protocol::{AuditCount, AuditPage, AuditRecord};

use super::loading;
use crate::console::action::{Call, Effect, Refusal};
use crate::console::key::Key;
use crate::console::layout::list_height;
use crate::console::state::{Link, OpenRecord, Query, Screen, Slot, State};

/// Pages that are read by themselves while a text is looked for, each over 20,000 records.
const MOST_LOOKED: u32 = 25;

/// The ledger, read when it is shown for the first time.
pub fn show(state: &mut State) -> Vec<Effect> {
    state.screen = Screen::Audit;
    if state.audit.loaded || state.calls.is_open(Slot::Audit) { Vec::new() } else { newest(state) }
}

/// Reads the newest page.
pub fn newest(state: &mut State) -> Vec<Effect> {
    state.audit.stale = false;
    state.audit.continuing = false;
    page(state, None)
}

/// Reads on where the selection comes near the end of what is loaded.
pub fn further(state: &mut State) -> Vec<Effect> {
    let near = state.audit.list.near_end(list_height(state)) && !state.calls.is_open(Slot::Audit);
    let tired = state.audit.query.has_text() && state.audit.looked >= MOST_LOOKED;
    match state.audit.cursor.clone().filter(|_| near && !tired) {
        Some(cursor) if loading::has_room(state, state.audit.rows.len(), "a filter (/) finds older ones") => {
            state.audit.continuing = true;
            state.audit.looked += 1;
            page(state, Some(cursor))
        }
        Some(_) | None => Vec::new(),
    }
}

fn page(state: &mut State, cursor: Option<String>) -> Vec<Effect> {
    let params = state.audit.query.page(loading::PAGE, cursor);
    vec![loading::call(state, Slot::Audit, Call::Audit(params))]
}

/// A page came.
pub fn arrived(state: &mut State, result: Result<Box<AuditPage>, Refusal>) -> Vec<Effect> {
    let page = match result {
        Ok(page) => *page,
        Err(refusal) => {
            // A connection that was lost says nothing about who may read.
            if refusal.kind.is_some() {
                state.audit.refused = Some(refusal);
            }
            return Vec::new();
        }
    };
    let audit = &mut state.audit;
    audit.refused = None;
    let oldest = page.events.iter().map(|event| event.seq).min();
    let newest_loaded = audit.rows.keys().next_back().copied();
    // A newest page that does not reach what is loaded leaves a gap: begin anew rather than hide it. Unfiltered, the record
    // after the newest one is no gap.
    let near = u64::from(audit.query.is_all());
    let apart = matches!((oldest, newest_loaded), (Some(oldest), Some(newest)) if oldest > newest + near);
    let gap = !audit.continuing && apart && page.next_cursor.is_some();
    let begins = audit.anew || gap || !audit.loaded;
    if begins {
        audit.rows.clear();
    }
    if begins || audit.continuing {
        audit.cursor = page.next_cursor;
    }
    audit.rows.extend(page.events.into_iter().map(|event| (event.seq, event)));
    (audit.loaded, audit.anew) = (true, false);
    let height = list_height(state);
    state.audit.arrange(height);
    if state.audit.stale { newest(state) } else { further(state) }
}

/// The ledger grew: it is read and counted again, once, however many records came.
pub fn grew(state: &mut State) -> Vec<Effect> {
    if !state.audit.loaded {
        return Vec::new();
    }
    if state.calls.is_open(Slot::Audit) {
        state.audit.stale = true;
        return Vec::new();
    }
    let mut effects = newest(state);
    effects.extend(counted_again(state));
    effects
}

fn counted_again(state: &mut State) -> Vec<Effect> {
    if !state.audit.query.is_counted() {
        state.calls.drop_slot(Slot::Count);
        state.audit.count = None;
        return Vec::new();
    }
    let params = state.audit.query.count();
    vec![loading::call(state, Slot::Count, Call::Count(params))]
}

/// They were counted. What takes too long to count is not counted, and the list says so by its sign.
pub fn counted(state: &mut State, result: Result<Box<AuditCount>, Refusal>) {
    state.audit.count = result.ok().map(|counted| counted.count);
}

/// A key while the filter is typed.
pub fn filter_key(state: &mut State, key: Key) -> Vec<Effect> {
    let height = list_height(state);
    let before = state.audit.filter.text().to_owned();
    match key {
        Key::Enter => state.audit.filtering = false,
        Key::Esc => {
            state.audit.filtering = false;
            state.audit.filter = Default::default();
        }
        Key::Down | Key::Up => {
            state.audit.list.move_by(if key == Key::Down { 1 } else { -1 }, height);
            state.audit.looked = 0;
            return further(state);
        }
        key => {
            state.audit.filter.edit(key);
        }
    }
    if state.audit.filter.text() == before { Vec::new() } else { filter_changed(state) }
}

/// Chooses from what is loaded at once, and asks the daemon. What cannot be asked for changes nothing.
pub fn filter_changed(state: &mut State) -> Vec<Effect> {
    let query = match Query::parse(state.audit.filter.text(), state.now, state.demo()) {
        Ok(query) => query,
        Err(why) => {
            state.audit.wrong = Some(why);
            return Vec::new();
        }
    };
    state.audit.wrong = None;
    if query == state.audit.query {
        return Vec::new();
    }
    let audit = &mut state.audit;
    (audit.query, audit.anew, audit.cursor, audit.count, audit.looked) = (query, true, None, None, 0);
    let height = list_height(state);
    state.audit.arrange(height);
    if state.link != Link::Online {
        return Vec::new();
    }
    let mut effects = newest(state);
    effects.extend(counted_again(state));
    effects
}

/// Opens the selected record.
pub fn open(state: &mut State) -> Vec<Effect> {
    let Some(row) = state.audit.selected().cloned() else {
        state.tell(false, "No record is selected.");
        return Vec::new();
    };
    state.screen = Screen::Record;
    let seq = row.seq;
    if state.audit.open.as_ref().is_none_or(|open| open.row.seq != seq) {
        state.audit.open = Some(OpenRecord { row, seen: None, refused: None, scroll: 0 });
    }
    vec![loading::call(state, Slot::Record, Call::Record(seq))]
}

/// The open record was read.
pub fn opened(state: &mut State, result: Result<Box<AuditRecord>, Refusal>) {
    let Some(open) = &mut state.audit.open else { return };
    match result {
        Ok(seen) if seen.event.seq == open.row.seq => {
            open.seen = Some(seen);
            open.refused = None;
        }
        Ok(_) => {}
        Err(refusal) if refusal.kind.is_none() && open.seen.is_some() => {}
        Err(refusal) => open.refused = Some(refusal),
    }
    super::commands::clamp_page(state);
}

/// Reads the open record again, where one is shown.
pub fn read_open(state: &mut State) -> Vec<Effect> {
    match &state.audit.open {
        Some(open) if state.screen == Screen::Record => {
            let seq = open.row.seq;
            vec![loading::call(state, Slot::Record, Call::Record(seq))]
        }
        _ => Vec::new(),
    }
}
