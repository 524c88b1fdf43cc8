//! Messages: what is asked for, what arrives, and what is opened.

use countersign_shared::protocol::{AlertPage, AlertState, ListAlertsParams};

use super::loading;
use crate::console::action::{Call, Effect, Refusal};
use crate::console::layout::list_height;
use crate::console::state::{Alerts, Link, OpenAlert, Reading, Screen, Slot, State};

/// The list and the header's count, read whenever somebody comes to look: an attempt that failed leaves no record that would
/// say so, except about an end.
pub fn show(state: &mut State) -> Vec<Effect> {
    state.screen = Screen::Alerts;
    if state.link != Link::Online || state.calls.is_open(Slot::Alerts) {
        return Vec::new();
    }
    let mut effects = anew(state);
    if !state.calls.is_open(Slot::Status) {
        effects.push(loading::call(state, Slot::Status, Call::Status));
    }
    effects
}

/// Shows only messages of this state, or all.
pub fn show_state(state: &mut State, wanted: Option<AlertState>) -> Vec<Effect> {
    state.screen = Screen::Alerts;
    let filter = std::mem::take(&mut state.alerts.paged.filter);
    state.alerts = Alerts { state: wanted, ..Alerts::default() };
    state.alerts.paged.filter = filter;
    anew(state)
}

/// Reads the list from its first page on.
pub fn anew(state: &mut State) -> Vec<Effect> {
    state.alerts.paged.anew();
    page(state)
}

fn page(state: &mut State) -> Vec<Effect> {
    let text = state.alerts.paged.filter.text().trim();
    let params = ListAlertsParams {
        state: state.alerts.state,
        text: (!text.is_empty()).then(|| text.to_owned()),
        limit: Some(loading::PAGE),
        cursor: state.alerts.paged.cursor.clone(),
        ..ListAlertsParams::default()
    };
    vec![loading::call(state, Slot::Alerts, Call::Alerts(params))]
}

/// A page came.
pub fn arrived(state: &mut State, result: Result<Box<AlertPage>, Refusal>) -> Vec<Effect> {
    let height = list_height(state);
    let page_of = match result {
        Ok(page) => *page,
        Err(refusal) => {
            if refusal.kind.is_some() {
                state.alerts.paged.refused = Some(refusal);
            }
            return Vec::new();
        }
    };
    if let Some(open) = &mut state.alert
        && let Some(now) = page_of.alerts.iter().find(|one| one.id == open.seen.id)
    {
        open.seen = now.clone();
    }
    super::commands::clamp_page(state);
    if state.alerts.paged.take(page_of.alerts, page_of.next_cursor, height) { page(state) } else { further(state) }
}

/// Reads on where the selection comes near the end of what is loaded.
pub fn further(state: &mut State) -> Vec<Effect> {
    if std::mem::take(&mut state.alerts.paged.stale) {
        return anew(state);
    }
    let paged = &state.alerts.paged;
    let near = paged.list.near_end(list_height(state)) && !state.calls.is_open(Slot::Alerts);
    let more = near
        && paged.cursor.is_some()
        && loading::has_room(state, state.alerts.paged.rows.len(), "a filter (/) finds older ones");
    if more { page(state) } else { Vec::new() }
}

/// Filters what is loaded, and asks the daemon for what is not.
pub fn filter_changed(state: &mut State) -> Vec<Effect> {
    let height = list_height(state);
    let paged = &mut state.alerts.paged;
    paged.arrange(height);
    (paged.reading, paged.cursor) = (Reading::Onward, None);
    page(state)
}

/// Opens the selected message.
pub fn open(state: &mut State) -> Vec<Effect> {
    match state.alerts.paged.selected() {
        Some(seen) => {
            state.alert = Some(OpenAlert { seen: seen.clone(), scroll: 0 });
            state.screen = Screen::Alert;
        }
        None => state.tell(false, "No message is selected."),
    }
    Vec::new()
}

/// Something happened: what is shown of messages is read again, once, however much it was.
pub fn happened(state: &mut State) -> Vec<Effect> {
    let shown = matches!(state.screen, Screen::Alerts | Screen::Alert);
    if shown && state.alerts.paged.loaded && !state.calls.is_open(Slot::Alerts) {
        return anew(state);
    }
    state.alerts.paged.stale = true;
    Vec::new()
}
