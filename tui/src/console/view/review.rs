//! The review: exactly what will be decided, what is still missing, and two buttons.

use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{CheckOutcome, RequestDetail};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{cut, left, shown};
use super::detail::{changed, differing, differs};
use super::paint::{Ink, field, lines, window};
use super::words;
use crate::console::layout::layout;
use crate::console::state::{Focus, Review, State};
use crate::console::theme::Role;

/// Names that stand in the summary; the detail has every one.
const NAMES: usize = 20;
/// The widest box.
const WIDEST: u16 = 100;

pub fn draw(state: &State, review: &Review, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let room = room(over.width);
    let above = summary(state, review, ink, room);
    let below = controls(state, review, ink, room);
    let wanted = above.len() + below.len() + 2;
    let title = match review.verdict {
        Verdict::Approve => format!("Approve {}", review.id),
        Verdict::Reject => format!("Reject {}", review.id),
    };
    let height = u16::try_from(wanted).unwrap_or(u16::MAX);
    let frame = if review.changed.is_empty() { Role::Strong } else { Role::Alarm };
    let inside = window(buffer, over, WIDEST, height, &title, ink.style(frame));
    let controls_height = u16::try_from(below.len()).unwrap_or(u16::MAX).min(inside.height);
    let split = inside.height - controls_height;
    let top = Rect { height: split, ..inside };
    lines(buffer, top, above.get(review.scroll..).unwrap_or_default());
    let hidden = above.len().saturating_sub(review.scroll + usize::from(split));
    if hidden > 0 && split > 0 {
        let mark = left(&format!("… {} more lines: PageDown", hidden + 1), room);
        buffer.set_string(top.x, top.bottom() - 1, mark, ink.style(Role::Warn));
    }
    lines(buffer, Rect { y: inside.y + split, height: controls_height, ..inside }, &below);
}

/// Lines of the summary that do not fit above the controls.
pub fn overflow(state: &State, review: &Review) -> usize {
    let ink = Ink { colour: false };
    let room = room(state.width);
    let over = usize::from(state.height.saturating_sub(layout(state).header + 1));
    let used = controls(state, review, ink, room).len() + 2;
    summary(state, review, ink, room).len().saturating_sub(over.saturating_sub(used))
}

fn room(width: u16) -> usize {
    usize::from(width.min(WIDEST)).saturating_sub(4)
}

fn summary(state: &State, review: &Review, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = Vec::new();
    for change in &review.changed {
        text.extend(ink.labelled("CHANGED", Role::Alarm, &shown(change), room));
    }
    if let Some(refusal) = &review.refused {
        let words = format!("{} {}", shown(&refusal.message), shown(&refusal.hint));
        text.extend(ink.labelled("refused", Role::Warn, words.trim(), room));
    }
    match &review.seen {
        Some(seen) => text.extend(content(state, seen, ink, room)),
        None if review.refused.is_none() => text.push(ink.line(Role::Plain, "Loading …")),
        None => {}
    }
    text
}

fn content(state: &State, seen: &RequestDetail, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = Vec::new();
    let mut add = |label: &str, role: Role, value: &str| text.extend(ink.labelled(label, role, value, room));
    let row = &seen.request;
    if !seen.you.allowed {
        add("you may not", Role::Warn, &shown(&seen.you.why));
    }
    if !row.risks.is_empty() {
        add("risks", Role::Warn, &words::risks(&row.risks));
    }
    if let Some(content) = &seen.content {
        let mut names: Vec<String> = content.sans.iter().take(NAMES).map(|san| words::name(&san.value())).collect();
        if let Some(more) = content.sans.len().checked_sub(NAMES + 1) {
            names.push(format!("and {} more (Esc, then Enter shows all)", more + 1));
        }
        add(&format!("names ({})", content.sans.len()), Role::Strong, &names.join(", "));
    }
    for difference in &seen.differences {
        add("differs", Role::Warn, &format!("{} {}", differing(difference), differs(difference)));
    }
    for change in &seen.changes {
        add(change.action.as_str(), Role::Warn, &changed(change));
    }
    for check in seen.checks.iter().filter(|check| check.outcome == CheckOutcome::Warned) {
        add("WARNED", Role::Warn, &format!("{}: {}", words::spaced(&check.rule), shown(&check.text)));
    }
    let asks = words::person(state, &row.requester);
    let ticket = row.ticket.as_ref().map_or_else(String::new, |ticket| format!(" ({})", shown(ticket.raw())));
    add("asks", Role::Plain, &asks);
    add("why", Role::Plain, &format!("{}{ticket}", shown(row.reason.raw())));
    if let Some(content) = &seen.content {
        let spki = content.spki_sha256.spoken();
        add("key", Role::Plain, &format!("{}, SHA-256 {} …", content.key, spki[0]));
        let authority = if content.ca { ", as a CERTIFICATION AUTHORITY" } else { "" };
        let profile = shown(&row.profile_id);
        add(
            "gets",
            Role::Plain,
            &format!("{} from {} under {profile}{authority}", words::span(content.valid_for), shown(&content.issuer)),
        );
    }
    add("content", Role::Plain, &format!("{} …, version {}", row.digest.spoken()[0], row.version));
    let votes = format!("{} of {} given", seen.votes.given, seen.votes.needed);
    add("votes", Role::Plain, &votes);
    text
}

fn controls(state: &State, review: &Review, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = vec![ink.line(Role::Dim, "─".repeat(room))];
    let typed = |label: &str, of: (&str, &str), focus: Focus, empty: &str| {
        let label = left(label, 14);
        let mut line = field(ink, of, room.saturating_sub(14), review.focus == focus);
        if of == ("", "") {
            line.spans.push(ink.span(Role::Dim, cut(empty, room.saturating_sub(15))));
        }
        line.spans.insert(0, ink.span(if review.focus == focus { Role::Strong } else { Role::Dim }, label));
        line
    };
    if let Some(name) = review.confirmation() {
        text.push(ink.line(Role::Warn, cut(&format!("This is risky. Type {} to go on:", shown(&name)), room)));
        text.push(typed("name", review.confirm.halves(), Focus::Confirm, ""));
    }
    let empty = match review.verdict {
        Verdict::Approve => "optional",
        Verdict::Reject => "required; the requester will read it",
    };
    text.push(typed("note", review.note.halves(), Focus::Note, empty));
    let missing = state.decisions_stopped().or_else(|| review.missing());
    let commit = match review.verdict {
        Verdict::Approve => "Approve",
        Verdict::Reject => "Reject",
    };
    let button = |focus: Focus, name: &str, usable: bool| {
        let (role, open, close) = match (review.focus == focus, usable) {
            (true, _) => (Role::Selected, "[>", "<]"),
            (false, true) => (Role::Strong, "[ ", " ]"),
            (false, false) => (Role::Dim, "( ", " )"),
        };
        ink.span(role, format!("{open}{name}{close}"))
    };
    let usable = missing.is_none() && review.armed;
    // Said once the keys count: before, whatever is typed is thrown away.
    let said = missing.filter(|_| review.armed || review.seen.is_none()).unwrap_or_default();
    text.push(Line::from(vec![
        button(Focus::Cancel, "Cancel", true),
        ink.span(Role::Plain, "  "),
        button(Focus::Commit, commit, usable),
        ink.span(Role::Plain, "  "),
        ink.span(Role::Dim, cut(&said, room.saturating_sub(26))),
    ]));
    text
}
