//! The filter of the audit history, matched on the records that are loaded.

use crate::console::key::Key;
use crate::console::layout::list_height;
use crate::console::state::{Field, State};

/// A key while the filter is typed.
pub fn filter_key(state: &mut State, key: Key) {
    let height = list_height(state);
    match key {
        Key::Enter => state.audit.filtering = false,
        Key::Esc => {
            state.audit.filtering = false;
            clear_filter(state);
        }
        Key::Down => state.audit.list.move_by(1, height),
        Key::Up => state.audit.list.move_by(-1, height),
        key => {
            state.audit.filter.edit(key);
            state.audit.arrange(height);
        }
    }
}

/// Shows every record again.
pub fn clear_filter(state: &mut State) {
    state.audit.filter = Field::default();
    let height = list_height(state);
    state.audit.arrange(height);
}
