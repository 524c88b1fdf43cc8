//! The review: exactly what will be done and to what, what is still missing, and two buttons.

use countersign_shared::lifecycle::Verdict;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{left, shown, wrap};
use super::controls::{self, Buttons};
use super::item;
use super::page::{Entry, entry};
use super::paint::{Ink, lines, window};
use crate::console::layout::layout;
use crate::console::state::{Act, Focus, Review, State};
use crate::console::theme::Role;

/// The widest box.
const WIDEST: u16 = 100;

pub fn draw(state: &State, review: &Review, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let room = room(over.width);
    let above = summary(state, review, ink, room);
    let below = controls(state, review, ink, room);
    let height = u16::try_from(above.len() + below.len() + 2).unwrap_or(u16::MAX);
    let changed = review.items.iter().any(|item| !item.changed.is_empty());
    let frame = if changed { Role::Alarm } else { Role::Strong };
    let inside = window(buffer, over, WIDEST, height, &title(review), ink.style(frame));
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

fn title(review: &Review) -> String {
    match review.single() {
        Some(item) => format!("{} {}", review.act.name(), item.id),
        None => format!("{} {} marked requests", review.act.name(), review.items.len()),
    }
}

/// Lines of the summary that do not fit above the controls.
pub fn overflow(state: &State, review: &Review) -> usize {
    let ink = Ink { colour: false };
    summary(state, review, ink, room(state.width)).len().saturating_sub(in_sight(state, review))
}

/// Lines that a page key scrolls: the line that counts what is below hides one of those in sight.
pub fn page(state: &State, review: &Review) -> usize {
    in_sight(state, review).saturating_sub(1).max(1)
}

fn in_sight(state: &State, review: &Review) -> usize {
    let over = usize::from(state.height.saturating_sub(layout(state).header + 1));
    let used = controls(state, review, Ink { colour: false }, room(state.width)).len() + 2;
    over.saturating_sub(used)
}

fn room(width: u16) -> usize {
    usize::from(width.min(WIDEST)).saturating_sub(4)
}

fn summary(state: &State, review: &Review, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let written = |entries: Vec<Entry>| -> Vec<Line<'static>> {
        entries.iter().flat_map(|one| ink.labelled(&one.label, one.role, &one.value, room)).collect()
    };
    let unsigned = review.unsigned.iter().map(|why| entry("NOT SENT", Role::Warn, shown(why))).collect();
    let mut text = written(unsigned);
    match (review.single(), review.act) {
        (Some(one), Act::Decide(_)) => text.extend(written(item::full(state, one))),
        (Some(one), Act::Withdraw | Act::Void | Act::Comment) => text.extend(written(item::about(state, one))),
        (None, _) => {
            let count = review.items.len();
            text.extend(written(item::changed_ones(&review.items)));
            for (at, one) in (1..).zip(&review.items) {
                text.extend(written(item::compact(state, one, &format!("{at} of {count}"))));
            }
        }
    }
    text
}

fn controls(state: &State, review: &Review, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = vec![ink.line(Role::Dim, "─".repeat(room))];
    let typed = |label: &str, of: (&str, &str), focus: Focus, empty: &str| {
        controls::typed(ink, label, of, review.focus == focus, empty, room)
    };
    if let Some((words, at, count)) = review.confirmation() {
        let place = if count > 1 { format!("Risk {at} of {count}.") } else { "This is risky.".into() };
        let asked = format!("{place} To go on, type: {}", shown(&words));
        text.extend(wrap(&asked, room).into_iter().map(|line| ink.line(Role::Warn, line)));
        text.push(typed("type it", review.confirm.halves(), Focus::Confirm, ""));
    }
    let (label, empty) = asked_text(review.act);
    text.push(typed(label, review.note.halves(), Focus::Note, empty));
    text.extend(buttons(state, review, ink, room));
    text
}

/// The label of the text and what stands in its place while it is empty.
fn asked_text(act: Act) -> (&'static str, &'static str) {
    match act {
        Act::Decide(Verdict::Approve) => ("note", "optional"),
        Act::Decide(Verdict::Reject) => ("note", "required; the requester will read it"),
        Act::Withdraw => ("reason", "optional"),
        Act::Void => ("reason", "required; the requester will read it"),
        Act::Comment => ("remark", "required; everybody who sees the request reads it"),
    }
}

/// The buttons and what is still missing.
fn buttons(state: &State, review: &Review, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let missing = state.decisions_stopped().or_else(|| review.missing());
    let usable = missing.is_none() && review.armed;
    // Said once the keys count: before, whatever is typed is thrown away.
    let said = match missing {
        Some(missing) if review.armed || !review.is_loaded() => missing,
        None if usable && !matches!(review.focus, Focus::Note | Focus::Confirm) => match review.has_to_be_signed() {
            true => "y shows what has to be signed".to_owned(),
            false => format!("y {}", review.act.does()),
        },
        _ => String::new(),
    };
    let (cancel, commit) = (review.focus == Focus::Cancel, review.focus == Focus::Commit);
    Buttons { cancel, commit, name: &commit_name(review), usable, said: &said }.draw(ink, room)
}

/// The deciding button says how many it is for.
fn commit_name(review: &Review) -> String {
    let (name, count) = (review.act.name(), review.items.len());
    let sent = review.sendable().count();
    match (count, sent) {
        (1, _) => name.to_owned(),
        (_, sent) if sent < count && review.is_loaded() => format!("{name} {sent} of {count}"),
        _ => format!("{name} {count}"),
    }
}
