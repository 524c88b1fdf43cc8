//! What is asked of the daemon, and when.

use countersign_shared::protocol::ListRequestsParams;

use super::{alerts, anchors, audit, managed};
use crate::console::action::{Call, Effect};
use crate::console::layout::list_height;
use crate::console::state::{Dialog, NextPage, Screen, Slot, State};

/// Rows a page.
pub const PAGE: u32 = 200;
/// Rows that are kept at once, of requests and of records each.
pub const MOST_ROWS: usize = 20_000;
/// With more stale rows than this, reading the list again is cheaper than reading each.
const MANY_STALE: usize = 8;

/// Calls, and waits for the answer in this slot.
pub fn call(state: &mut State, slot: Slot, call: Call) -> Effect {
    Effect::Call { generation: state.calls.begin(slot), call }
}

/// Reads everything that is shown again.
pub fn everything(state: &mut State) -> Vec<Effect> {
    state.calls.drop_slot(Slot::Events);
    let mut effects = vec![call(state, Slot::Status, Call::Status), call(state, Slot::Whoami, Call::Whoami)];
    effects.extend(queue_anew(state));
    if state.audit.loaded || state.audit.refused.is_some() {
        effects.extend(audit::newest(state));
    }
    if let Some(detail) = &state.detail {
        let id = detail.id.clone();
        effects.push(call(state, Slot::Detail, Call::Request(id)));
    }
    effects.extend(shown(state));
    if let Some(Dialog::Review(review)) = &mut state.dialog {
        review.stale.extend(review.items.iter().map(|item| item.id.clone()));
        state.calls.drop_slot(Slot::Review);
        effects.extend(review_items(state));
    }
    effects
}

/// Reads what is shown of certificates and messages; the rest when it is shown again.
fn shown(state: &mut State) -> Vec<Effect> {
    state.certificates.paged.stale = true;
    state.alerts.paged.stale = true;
    state.anchors.stale = true;
    state.calls.drop_slot(Slot::Errand);
    let mut effects = match state.screen {
        Screen::Certificates => managed::anew(state),
        Screen::Certificate => managed::read_open(state),
        Screen::Alerts | Screen::Alert => alerts::anew(state),
        Screen::Record => audit::read_open(state),
        Screen::Anchors => anchors::anew(state),
        Screen::Queue | Screen::Detail | Screen::Audit | Screen::Anchor => Vec::new(),
    };
    if let Some(Dialog::Errand(errand)) = &mut state.dialog {
        errand.stale = true;
        effects.extend(managed::read_errand(state));
    }
    effects
}

/// Reads what an event was about again, one call at a time: a later one would make the answer to this one late.
pub fn review_items(state: &mut State) -> Vec<Effect> {
    match &mut state.dialog {
        Some(Dialog::Review(review)) if !state.calls.is_open(Slot::Review) && !review.stale.is_empty() => {
            let ids: Vec<_> = std::mem::take(&mut review.stale).into_iter().collect();
            vec![call(state, Slot::Review, Call::Each(ids))]
        }
        _ => Vec::new(),
    }
}

/// Reads the queue from its first page on; what is shown stays until that page is here.
pub fn queue_anew(state: &mut State) -> Vec<Effect> {
    state.queue.replace = true;
    state.queue.stale.clear();
    state.queue.next = state.queue.first_page();
    queue_page(state)
}

/// Reads the page of the queue that comes next, where there is one.
pub fn queue_page(state: &mut State) -> Vec<Effect> {
    let NextPage::At { state: wanted, cursor } = state.queue.next.clone() else { return Vec::new() };
    let text = state.queue.filter.text().trim();
    let params = ListRequestsParams {
        state: wanted,
        text: (!text.is_empty()).then(|| text.to_owned()),
        limit: Some(PAGE),
        cursor,
        ..ListRequestsParams::default()
    };
    vec![call(state, Slot::Queue, Call::Requests(params))]
}

/// Reads on where the selection comes near the end of what is loaded.
pub fn queue_further(state: &mut State) -> Vec<Effect> {
    let wanted = state.queue.list.near_end(list_height(state)) && !state.calls.is_open(Slot::Queue);
    let more = wanted
        && state.queue.next != NextPage::End
        && has_room(state, state.queue.rows.len(), "a filter (/) finds older ones");
    if more { queue_page(state) } else { Vec::new() }
}

/// Brings rows up to date that an event was about.
pub fn stale_rows(state: &mut State) -> Vec<Effect> {
    if state.calls.is_open(Slot::Row) || state.calls.is_open(Slot::Queue) {
        return Vec::new();
    }
    if state.queue.stale.len() > MANY_STALE {
        return queue_anew(state);
    }
    match state.queue.stale.pop_first() {
        Some(id) => vec![call(state, Slot::Row, Call::Request(id))],
        None => Vec::new(),
    }
}

/// False, and said so, where no more rows are kept.
pub fn has_room(state: &mut State, rows: usize, instead: &str) -> bool {
    let room = rows < MOST_ROWS;
    if !room {
        state.tell(false, format!("{rows} rows are loaded and no more are kept: {instead}."));
    }
    room
}
