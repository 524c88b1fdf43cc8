//! The queue: rows that arrive, and the filter that is typed.

use countersign_shared::protocol::RequestSummary;

use super::loading;
use crate::console::action::Effect;
use crate::console::key::Key;
use crate::console::layout::list_height;
use crate::console::state::{Field, State};

/// Puts a row that was read by itself where it belongs.
pub fn put_row(state: &mut State, row: RequestSummary) {
    if state.queue.refused.is_some() || !state.queue.loaded {
        return;
    }
    state.queue.rows.insert(row.id.clone(), row);
    let height = list_height(state);
    state.queue.arrange(height);
}

/// A key while the filter is typed: what is loaded is filtered at once, the daemon is asked for the rest.
pub fn filter_key(state: &mut State, key: Key) -> Vec<Effect> {
    let height = list_height(state);
    match key {
        Key::Enter => {
            state.queue.filtering = false;
            Vec::new()
        }
        Key::Esc => {
            state.queue.filtering = false;
            clear_filter(state)
        }
        Key::Down | Key::Up => {
            state.queue.list.move_by(if key == Key::Down { 1 } else { -1 }, height);
            loading::queue_further(state)
        }
        key => {
            let before = state.queue.filter.text().to_owned();
            state.queue.filter.edit(key);
            if state.queue.filter.text() == before {
                return Vec::new();
            }
            filter_changed(state)
        }
    }
}

/// Shows everything again.
pub fn clear_filter(state: &mut State) -> Vec<Effect> {
    if state.queue.filter.text().is_empty() {
        return Vec::new();
    }
    state.queue.filter = Field::default();
    filter_changed(state)
}

/// Filters what is loaded, and asks the daemon for what is not.
pub fn filter_changed(state: &mut State) -> Vec<Effect> {
    let height = list_height(state);
    state.queue.arrange(height);
    state.queue.next = state.queue.first_page();
    loading::queue_page(state)
}
