//! The line for what just happened or is being typed, and the keys that act here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{cut, shown, width};
use super::paint::{Ink, field, lines, row};
use crate::console::keymap::{BINDINGS, Scope, holds_on};
use crate::console::state::{Dialog, Field, Link, Screen, State};
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    lines(buffer, row(area, 0), &[said(state, ink, room)]);
    lines(buffer, row(area, 1), &[keys(state, ink, room)]);
}

fn said(state: &State, ink: Ink, room: usize) -> Line<'static> {
    let typed = |filter: &Field| {
        let mut line = field(ink, filter.halves(), room.saturating_sub(10), true);
        line.spans.insert(0, ink.span(Role::Strong, " Filter: "));
        line
    };
    if state.screen == Screen::Queue && state.queue.filtering {
        return typed(&state.queue.filter);
    }
    if state.screen == Screen::Audit && state.audit.filtering {
        return typed(&state.audit.filter);
    }
    if let Some(notice) = &state.notice {
        let role = if notice.good { Role::Good } else { Role::Warn };
        return ink.line(role, cut(&format!(" {}", shown(&notice.text)), room));
    }
    if let Link::Offline { why, .. } = &state.link {
        return ink.line(Role::Warn, cut(&format!(" {}", shown(why)), room));
    }
    Line::default()
}

fn keys(state: &State, ink: Ink, room: usize) -> Line<'static> {
    let scope = if matches!(state.dialog, Some(Dialog::Review(_))) { Scope::Review } else { state.screen.scope() };
    let mut line = Line::from(ink.span(Role::Plain, " "));
    let mut used = 1;
    for binding in BINDINGS.iter().filter(|binding| holds_on(binding.scope, scope) && !binding.label.is_empty()) {
        let Some(key) = binding.keys.first() else { continue };
        let key = key.to_string();
        let needed = width(&key) + 1 + width(binding.label) + 2;
        if used + needed > room {
            break;
        }
        used += needed;
        line.spans.extend([
            ink.span(Role::Strong, key),
            ink.span(Role::Plain, " "),
            ink.span(Role::Dim, binding.label),
            ink.span(Role::Plain, "  "),
        ]);
    }
    line
}
