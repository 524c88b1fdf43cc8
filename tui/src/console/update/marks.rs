//! Marks on the queue: what is decided together.

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::MAX_ITEMS;

use super::loading;
use crate::console::action::Effect;
use crate::console::layout::list_height;
use crate::console::state::State;

/// Marks the selected request or takes its mark off, and goes one row down.
pub fn toggle(state: &mut State) -> Vec<Effect> {
    let Some(row) = state.queue.selected() else {
        state.tell(false, "No request is selected.");
        return Vec::new();
    };
    let (id, pending) = (row.id.clone(), row.state == RequestState::Pending);
    if !state.queue.marks.remove(&id) {
        if !pending {
            state.tell(false, "Only pending requests can be marked.");
            return down(state);
        }
        if state.queue.marks.len() >= MAX_ITEMS {
            state.tell(false, format!("{MAX_ITEMS} requests are marked; no more are decided at once."));
            return Vec::new();
        }
        state.queue.marks.insert(id);
    }
    down(state)
}

fn down(state: &mut State) -> Vec<Effect> {
    let height = list_height(state);
    state.queue.list.move_by(1, height);
    state.queue.arrange(height);
    loading::queue_further(state)
}

/// Marks every pending request that is loaded and passes the filter; where there are marks, takes all of them off.
pub fn toggle_all(state: &mut State) {
    if !state.queue.marks.is_empty() {
        return clear(state);
    }
    let rows = &state.queue.rows;
    let pending = |id: &&RequestId| rows.get(*id).is_some_and(|row| row.state == RequestState::Pending);
    let all: Vec<RequestId> = state.queue.list.window(usize::MAX).iter().filter(pending).cloned().collect();
    let (count, kept) = (all.len(), all.len().min(MAX_ITEMS));
    state.queue.marks.extend(all.into_iter().take(MAX_ITEMS));
    match count {
        0 => state.tell(false, "Nothing that is shown is pending: there is nothing to mark."),
        _ if count > kept => {
            state.tell(false, format!("The first {kept} of {count} are marked; no more are decided at once."));
        }
        _ => state.tell(true, format!("{kept} are marked: a approves them, r rejects them, after a review.")),
    }
}

/// Takes every mark off.
pub fn clear(state: &mut State) {
    if !state.queue.marks.is_empty() {
        state.queue.marks.clear();
        state.tell(true, "No request is marked any more.");
    }
}
