//! The audit history: a row for each ledger record, and below it the record or the last verification.

use countersign_shared::json;
use countersign_shared::protocol::AuditEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use serde_json::Value;

use super::cells::{left, right, shown};
use super::paint::{Ink, bar, lines, row};
use super::words;
use crate::console::state::{Link, State, Verification};
use crate::console::theme::Role;

/// Widths of sequence, time, actor, action and resource; details take the rest.
fn widths(room: usize) -> [usize; 5] {
    match room {
        0..80 => [4, 11, 9, 17, 12],
        80..100 => [5, 14, 14, 23, 18],
        100..160 => [8, 20, 16, 22, 24],
        _ => [8, 24, 24, 38, 26],
    }
}

/// Cells for the details; none where there is no room for a word of them.
fn rest(room: usize) -> usize {
    let used: usize = widths(room).iter().map(|width| width + 1).sum();
    let rest = room.saturating_sub(used + 2);
    if rest < 10 { 0 } else { rest }
}

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect, preview: Rect) {
    let room = usize::from(area.width);
    let [seq, time, actor, action, resource] = widths(room);
    let details = if rest(room) > 0 { " DETAILS" } else { "" };
    let heading = format!(
        "  {} {} {} {} {}{details}",
        right("SEQ", seq),
        left("TIME (UTC)", time),
        left("ACTOR", actor),
        left("ACTION", action),
        left("RESOURCE", resource)
    );
    lines(buffer, row(area, 0), &[ink.line(Role::Dim, heading)]);
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let window = state.audit.list.window(usize::from(body.height));
    for (y, seq) in (0..).zip(window) {
        let Some(event) = state.audit.rows.get(seq) else { continue };
        let selected = state.audit.list.selected() == Some(seq);
        lines(buffer, row(body, y), &[record(state, ink, event, room, selected)]);
        if selected {
            buffer.set_style(row(body, y), ink.style(Role::Selected));
        }
    }
    if window.is_empty() {
        let below = Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body };
        lines(buffer, below, &ink.paragraph(&nothing(state), room));
    }
    below(state, ink, buffer, preview);
}

fn nothing(state: &State) -> String {
    let audit = &state.audit;
    match &audit.refused {
        Some(refusal) => format!("The audit history is not open to you: {}", shown(&refusal.message)),
        None if !audit.loaded && !matches!(state.link, Link::Online) => "Nothing is loaded.".into(),
        None if !audit.loaded || audit.anew => "Loading …".into(),
        None if audit.cursor.is_some() && audit.query.has_text() => {
            let records = u64::from(audit.looked + 1) * 20_000;
            format!("None of the newest {records} records or so holds this. G looks further; from: and to: narrow it.")
        }
        None => "No record passes the filter.".into(),
    }
}

fn record(state: &State, ink: Ink, event: &AuditEvent, room: usize, selected: bool) -> Line<'static> {
    let [seq, time, actor, action, resource] = widths(room);
    let format = match time {
        0..14 => "%m-%d %H:%M",
        14..20 => "%m-%d %H:%M:%S",
        _ => "%Y-%m-%d %H:%M:%S",
    };
    let role = match event.action.as_str() {
        "approval_refused" | "attempts_repeated" | "ledger_unanchored" | "approval_bypassed" | "approval_rejected"
        | "job_failed" => Role::Warn,
        "approval_approved" | "certificate_issued" => Role::Good,
        _ => Role::Plain,
    };
    Line::from(vec![
        ink.span(Role::Plain, if selected { "> " } else { "  " }),
        ink.span(Role::Dim, right(&event.seq.to_string(), seq) + " "),
        ink.span(Role::Plain, left(&event.created_at.datetime().format(format).to_string(), time) + " "),
        ink.span(Role::Plain, left(&words::account(state, &event.actor), actor) + " "),
        ink.span(role, left(&words::spaced(event.action.as_str()), action) + " "),
        ink.span(Role::Plain, left(&shown(&event.resource_id), resource) + " "),
        ink.span(Role::Dim, left(&details(event), rest(room))),
    ])
}

/// The note first, where there is one, then the rest of the record: what a person looks for before clocks and
/// digests.
pub fn details(event: &AuditEvent) -> String {
    let text = event.text.iter().map(|text| format!("\"{}\"", shown(text.raw())));
    let mut rest: Vec<(bool, String)> = match &event.details {
        Value::Object(fields) => fields.iter().map(|(name, value)| (is_machine(name), field(name, value))).collect(),
        Value::Null => Vec::new(),
        other => vec![(false, written(other))],
    };
    rest.sort_by_key(|(machine, _)| *machine);
    text.chain(rest.into_iter().map(|(_, field)| field)).collect::<Vec<_>>().join(", ")
}

fn is_machine(name: &str) -> bool {
    name == "boot_ms" || name.ends_with("tick") || name.ends_with("digest") || name.ends_with("sha256")
}

fn field(name: &str, value: &Value) -> String {
    format!("{} {}", words::spaced(name), written(value))
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        // What was read from JSON can be written as JSON; the record itself is the authority anyway.
        other => shown(&json::to_line(other).unwrap_or_default()),
    }
}

fn below(state: &State, ink: Ink, buffer: &mut Buffer, area: Rect) {
    let room = usize::from(area.width);
    let mut text = verification(state, ink, room);
    // Who and when in full, where the row has no room for them.
    if let Some(event) = state.audit.selected() {
        let about = format!("{} {}, {}", shown(&event.resource_type), shown(&event.resource_id), event.event_id);
        text.extend(ink.labelled(" about", Role::Plain, &about, room));
        text.extend(ink.labelled(" details", Role::Plain, &details(event), room).into_iter().take(4));
        let hash = event.record_sha256.spoken().join("  ");
        text.extend(ink.labelled(" leaf hash", Role::Dim, &hash, room));
    }
    bar(buffer, row(area, 0), ink.style(Role::Dim), &"─".repeat(room));
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    lines(buffer, body, &text);
}

fn verification(state: &State, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let (role, text) = match &state.audit.verification {
        None => return Vec::new(),
        Some(Verification::Running) => return Vec::new(),
        Some(Verification::Refused(refusal)) => (Role::Warn, format!("could not be made: {}", shown(&refusal.message))),
        Some(Verification::Done(found)) if found.intact => {
            (Role::Good, format!("INTACT, {} records, root {}", found.records, found.root_sha256.spoken()[0]))
        }
        Some(Verification::Done(found)) => {
            let damage = found.damage.as_ref().map_or_else(String::new, |damage| {
                let place = damage.seq.map_or_else(String::new, |seq| format!(" at record {seq}"));
                format!("{}{place}: {}", shown(&damage.rule), shown(&damage.text))
            });
            (Role::Alarm, format!("DAMAGED, {} records looked at; {damage}", found.records))
        }
    };
    ink.labelled(" verified", role, &text, room)
}
