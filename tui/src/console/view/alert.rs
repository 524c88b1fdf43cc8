//! One message in full.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::alerts::{about, channel, kind, next, severity, standing, threshold};
use super::cells::shown;
use super::page::{self, Page};
use super::paint::Ink;
use super::words;
use crate::console::state::State;
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let text = document(state, ink, usize::from(area.width));
    let scroll = state.alert.as_ref().map_or(0, |open| open.scroll);
    page::scrolled(ink, buffer, area, &text, scroll);
}

/// Lines that it takes at the state's width.
pub fn height(state: &State) -> usize {
    document(state, Ink { colour: false }, usize::from(state.width)).len()
}

fn document(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let Some(open) = &state.alert else {
        return vec![Line::default(), ink.line(Role::Plain, "  No message is open. Choose one (5) and press Enter.")];
    };
    let one = &open.seen;
    let mut page = Page::new(ink, room);
    let (role, word) = standing(one.state);
    page.add("state", role, &word);
    page.add("next", Role::Plain, &next(state, one));
    let why = if one.detail.is_blank() { "nothing was said".into() } else { shown(one.detail.raw()) };
    page.add("why", if one.detail.is_blank() { Role::Dim } else { Role::Plain }, &why);
    page.title("What it tells");
    page.add("kind", Role::Plain, &kind(one));
    page.add("about", Role::Strong, &about(one));
    page.add("object", Role::Plain, &format!("{} (o goes there)", shown(&one.resource_id)));
    if let Some(version) = one.version {
        page.add("version", Role::Plain, &version.to_string());
    }
    if let Some(days) = threshold(one) {
        page.add("threshold", Role::Plain, &format!("{days}, of the days before the end"));
    }
    let (role, word) = severity(one);
    page.add("severity", role, &word);
    page.title("Delivery");
    let (role, word) = channel(one);
    page.add("channel", role, &word);
    if let Some(unknown) = &one.unknown_channel {
        page.add(
            "",
            Role::Warn,
            &format!("{} is no channel: the policy names one that nobody has", shown(unknown.raw())),
        );
    }
    if let Some(count) = one.attempts {
        page.add("failed", Role::Plain, &format!("{count} attempts"));
    }
    page.add("caused", Role::Plain, &words::coming(state.now, one.created_at));
    page.add("message", Role::Plain, &format!("{}, by which the other side knows a repeat", one.id));
    page.add("record", Role::Plain, &one.seq.to_string());
    page.lines
}
