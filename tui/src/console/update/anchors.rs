//! Checkpoints that came back: what is asked for, what arrives, and what is opened.

use countersign_shared::protocol::{AnchorPage, ListAnchorsParams};

use super::loading;
use crate::console::action::{Call, Effect, Refusal};
use crate::console::layout::list_height;
use crate::console::state::{Link, OpenAnchor, Screen, Slot, State};

/// The list, read whenever somebody comes to look.
pub fn show(state: &mut State) -> Vec<Effect> {
    state.screen = Screen::Anchors;
    if state.link != Link::Online || state.calls.is_open(Slot::Anchors) { Vec::new() } else { anew(state) }
}

/// Reads the list from its first page on.
pub fn anew(state: &mut State) -> Vec<Effect> {
    state.anchors.anew();
    page(state)
}

fn page(state: &mut State) -> Vec<Effect> {
    let params = ListAnchorsParams { limit: Some(loading::PAGE), cursor: state.anchors.cursor.clone() };
    vec![loading::call(state, Slot::Anchors, Call::Anchors(params))]
}

/// A page came.
pub fn arrived(state: &mut State, result: Result<Box<AnchorPage>, Refusal>) -> Vec<Effect> {
    let height = list_height(state);
    let page_of = match result {
        Ok(page) => *page,
        Err(refusal) => {
            if refusal.kind.is_some() {
                state.anchors.refused = Some(refusal);
            }
            return Vec::new();
        }
    };
    if state.anchors.take(page_of.anchors, page_of.next_cursor, height) { page(state) } else { further(state) }
}

/// Reads on where the selection comes near the end of what is loaded.
pub fn further(state: &mut State) -> Vec<Effect> {
    if std::mem::take(&mut state.anchors.stale) {
        return anew(state);
    }
    let near = state.anchors.list.near_end(list_height(state)) && !state.calls.is_open(Slot::Anchors);
    let more = near
        && state.anchors.cursor.is_some()
        && loading::has_room(state, state.anchors.rows.len(), "countersign audit anchor ls reads older ones");
    if more { page(state) } else { Vec::new() }
}

/// Opens the selected one.
pub fn open(state: &mut State) {
    match state.anchors.selected() {
        Some(seen) => {
            state.anchor = Some(OpenAnchor { seen: seen.clone(), scroll: 0 });
            state.screen = Screen::Anchor;
        }
        None => state.tell(false, "No anchor is selected."),
    }
}

/// One more came, here or elsewhere.
pub fn happened(state: &mut State) -> Vec<Effect> {
    if state.screen == Screen::Anchors && !state.calls.is_open(Slot::Anchors) {
        return anew(state);
    }
    state.anchors.stale = true;
    Vec::new()
}
