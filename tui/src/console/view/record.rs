//! One record of the ledger: its columns, its octets, its hashes.

use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use serde_json::Value;

use super::audit::details;
use super::cells::{shown, wrap};
use super::page::{self, Page};
use super::paint::Ink;
use super::words;
use crate::console::state::State;
use crate::console::theme::Role;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let text = document(state, ink, usize::from(area.width));
    let scroll = state.audit.open.as_ref().map_or(0, |open| open.scroll);
    page::scrolled(ink, buffer, area, &text, scroll);
}

/// Lines that it takes at the state's width.
pub fn height(state: &State) -> usize {
    document(state, Ink { colour: false }, usize::from(state.width)).len()
}

fn document(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let Some(open) = &state.audit.open else {
        return vec![Line::default(), ink.line(Role::Plain, "  No record is open. Choose one (3) and press Enter.")];
    };
    let row = open.seen.as_ref().map_or(&open.row, |seen| &seen.event);
    let mut page = Page::new(ink, room);
    page.add("record", Role::Strong, &format!("{}, {}", row.seq, row.event_id));
    page.add("what", Role::Strong, &words::spaced(row.action.as_str()));
    page.add("who", Role::Plain, &format!("{} ({})", words::account(state, &row.actor), row.actor_type));
    page.add("when", Role::Plain, &format!("{} (the order is the number)", words::coming(state.now, row.created_at)));
    page.add("about", Role::Plain, &format!("{} {}", shown(&row.resource_type), shown(&row.resource_id)));
    page.add("category", Role::Plain, &words::spaced(row.category.as_str()));
    if let Some(text) = &row.text {
        page.add("said", Role::Plain, &shown(text.raw()));
    }
    page.add("details", Role::Plain, &details(row));
    page.title("Hashes");
    page.spoken("this record", &row.record_sha256);
    let Some(seen) = &open.seen else {
        let (role, text) = match &open.refused {
            Some(refusal) => (Role::Warn, format!("cannot be read: {}", shown(&refusal.message))),
            None => (Role::Dim, "Loading …".to_owned()),
        };
        page.add("octets", role, &text);
        return page.lines;
    };
    match previous(&seen.record) {
        Some(prev) => page.spoken("before it", &prev),
        None => page.add("before it", Role::Alarm, "is not named: these octets are no record"),
    }
    // What the daemon calls the hash is made again from what it calls the octets.
    if Digest::of(&[&[0], seen.record.as_bytes()]) == row.record_sha256 {
        page.add("checked", Role::Good, "the hash is that of the octets below");
    } else {
        page.add("checked", Role::Alarm, "DAMAGE: the hash is not that of the octets below");
    }
    page.title(&format!("The {} octets that are hashed", seen.record.len()));
    let octets = Untrusted::from(seen.record.as_str()).safe().to_string();
    page.lines.extend(
        wrap(&octets, room.saturating_sub(3)).into_iter().map(|line| ink.line(Role::Plain, format!("  {line}"))),
    );
    page.lines
}

/// The hash of the record before, as the record itself says.
fn previous(record: &str) -> Option<Digest> {
    let record: Value = serde_json::from_str(record).ok()?;
    record.get("prev")?.as_str()?.parse().ok()
}
