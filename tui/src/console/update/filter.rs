//! A filter while it is typed, on whichever list is shown.

use super::{alerts, audit, managed, queue};
use crate::console::action::Effect;
use crate::console::key::Key;
use crate::console::layout::list_height;
use crate::console::state::{Paged, Row, Screen, State};

/// Begins to type it.
pub fn begin(state: &mut State) {
    match state.screen {
        Screen::Queue => state.queue.filtering = true,
        Screen::Audit => state.audit.filtering = true,
        Screen::Certificates => state.certificates.paged.filtering = true,
        Screen::Alerts => state.alerts.paged.filtering = true,
        Screen::Detail | Screen::Record | Screen::Anchors | Screen::Anchor | Screen::Certificate | Screen::Alert => {}
    }
}

/// A key: what is loaded is filtered at once, the daemon is asked for the rest.
pub fn key(state: &mut State, key: Key) -> Vec<Effect> {
    let height = list_height(state);
    let (certificates, alerts) = (&mut state.certificates.paged, &mut state.alerts.paged);
    match state.screen {
        Screen::Queue => queue::filter_key(state, key),
        Screen::Audit => audit::filter_key(state, key),
        Screen::Certificates => match typed(certificates, key, height) {
            Typed::Changed => managed::filter_changed(state),
            Typed::Moved => managed::further(state),
            Typed::Nothing => Vec::new(),
        },
        Screen::Alerts => match typed(alerts, key, height) {
            Typed::Changed => alerts::filter_changed(state),
            Typed::Moved => alerts::further(state),
            Typed::Nothing => Vec::new(),
        },
        Screen::Detail | Screen::Record | Screen::Anchors | Screen::Anchor | Screen::Certificate | Screen::Alert => {
            Vec::new()
        }
    }
}

/// Pasted text goes into the filter that is typed, or nowhere.
pub fn pasted(state: &mut State, text: &str) -> Vec<Effect> {
    let Some(field) = state.filtering() else { return Vec::new() };
    field.insert(text);
    changed(state)
}

/// Takes the filter of this list away; `None` where there is none.
pub fn clear(state: &mut State) -> Option<Vec<Effect>> {
    let field = match state.screen {
        Screen::Queue => &mut state.queue.filter,
        Screen::Audit => &mut state.audit.filter,
        Screen::Certificates => &mut state.certificates.paged.filter,
        Screen::Alerts => &mut state.alerts.paged.filter,
        Screen::Detail | Screen::Record | Screen::Anchors | Screen::Anchor | Screen::Certificate | Screen::Alert => {
            return None;
        }
    };
    if field.text().is_empty() {
        return None;
    }
    *field = Default::default();
    Some(changed(state))
}

fn changed(state: &mut State) -> Vec<Effect> {
    match state.screen {
        Screen::Queue => queue::filter_changed(state),
        Screen::Audit => audit::filter_changed(state),
        Screen::Certificates => managed::filter_changed(state),
        Screen::Alerts => alerts::filter_changed(state),
        Screen::Detail | Screen::Record | Screen::Anchors | Screen::Anchor | Screen::Certificate | Screen::Alert => {
            Vec::new()
        }
    }
}

/// What a key did.
enum Typed {
    Changed,
    Moved,
    Nothing,
}

fn typed<R: Row>(list: &mut Paged<R>, key: Key, height: usize) -> Typed {
    let before = list.filter.clone();
    match key {
        Key::Enter => list.filtering = false,
        Key::Esc => {
            list.filtering = false;
            list.filter = Default::default();
        }
        Key::Down => list.list.move_by(1, height),
        Key::Up => list.list.move_by(-1, height),
        key => {
            list.filter.edit(key);
        }
    }
    match key {
        Key::Down | Key::Up => Typed::Moved,
        _ if list.filter.text() == before.text() => Typed::Nothing,
        _ => Typed::Changed,
    }
}
