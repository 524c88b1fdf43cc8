//! What is about to be signed: the exact text, which key signs it, and two buttons.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use unicode_width::UnicodeWidthChar as _;

use super::cells::{left, shown, wrap};
use super::controls::{self, Buttons};
use super::paint::{Ink, lines, window};
use crate::console::layout::layout;
use crate::console::state::{Hold, Review, Signature, State};
use crate::console::theme::Role;

/// The widest box.
const WIDEST: u16 = 100;
/// What a line that goes on in the next row begins with there.
const GOES_ON: &str = "  ";

pub fn draw(state: &State, review: &Review, signature: &Signature, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let room = room(over.width);
    let above = text(signature, ink, room);
    let below = below(state, review, signature, ink, room);
    let height = u16::try_from(above.len() + below.len() + 2).unwrap_or(u16::MAX);
    let inside = window(buffer, over, WIDEST, height, &title(review, signature), ink.style(Role::Strong));
    let below_height = u16::try_from(below.len()).unwrap_or(u16::MAX).min(inside.height);
    let split = inside.height - below_height;
    let top = Rect { height: split, ..inside };
    lines(buffer, top, above.get(signature.scroll..).unwrap_or_default());
    let hidden = above.len().saturating_sub(signature.scroll + usize::from(split));
    if hidden > 0 && split > 0 {
        let mark = left(&format!("… {} more lines: PageDown", hidden + 1), room);
        buffer.set_string(top.x, top.bottom() - 1, mark, ink.style(Role::Warn));
    }
    lines(buffer, Rect { y: inside.y + split, height: below_height, ..inside }, &below);
}

fn title(review: &Review, signature: &Signature) -> String {
    let verb = review.act.name().to_lowercase();
    match (review.single(), signature.texts.len()) {
        (Some(item), _) => format!("Sign to {verb} {}", item.id),
        (None, count) => format!("Sign to {verb} {count} requests, one signature each"),
    }
}

/// Lines of the text that do not fit above the controls.
pub fn overflow(state: &State, review: &Review, signature: &Signature) -> usize {
    let ink = Ink { colour: false };
    text(signature, ink, room(state.width)).len().saturating_sub(in_sight(state, review, signature))
}

/// Lines that a page key scrolls.
pub fn page(state: &State, review: &Review, signature: &Signature) -> usize {
    in_sight(state, review, signature).saturating_sub(1).max(1)
}

fn in_sight(state: &State, review: &Review, signature: &Signature) -> usize {
    let over = usize::from(state.height.saturating_sub(layout(state).header + 1));
    let used = below(state, review, signature, Ink { colour: false }, room(state.width)).len() + 2;
    over.saturating_sub(used)
}

fn room(width: u16) -> usize {
    usize::from(width.min(WIDEST)).saturating_sub(4)
}

/// The texts to the letter. What could deceive is visible in them already; a line that is too long goes on in the next row.
fn text(signature: &Signature, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut drawn = Vec::new();
    for (at, one) in signature.texts.iter().enumerate() {
        if at > 0 {
            drawn.push(ink.line(Role::Dim, "─".repeat(room)));
        }
        for line in one.text().lines() {
            drawn.extend(rows(&shown(line), room).into_iter().map(|row| ink.line(Role::Plain, row)));
        }
    }
    drawn
}

fn rows(line: &str, room: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let cells = c.width().unwrap_or(0);
        if used + cells > room {
            rows.push(GOES_ON.to_owned());
            used = GOES_ON.len();
        }
        if let Some(row) = rows.last_mut() {
            row.push(c);
        }
        used += cells;
    }
    rows
}

fn below(state: &State, review: &Review, signature: &Signature, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = vec![ink.line(Role::Dim, "─".repeat(room))];
    let how = "Exactly this is signed, by ssh-keygen on this terminal: it asks for a passphrase, a PIN or a touch.";
    text.extend(wrap(how, room).into_iter().map(|line| ink.line(Role::Dim, line)));
    let empty = "file; empty: the first in the SSH agent that is yours";
    let (halves, focused) = (signature.key.halves(), signature.hold == Hold::Key);
    text.push(controls::typed(ink, "key", halves, focused, empty, room));
    let missing = state.decisions_stopped().or_else(|| signature.missing().map(str::to_owned));
    let usable = missing.is_none() && signature.armed;
    // As in the review, said once the keys count.
    let said = match missing {
        Some(missing) if !signature.awaits_first_sight() => missing,
        None if usable && signature.hold != Hold::Key => format!("y signs and {}", review.act.does()),
        _ => String::new(),
    };
    let name = format!("Sign and {}", review.act.name().to_lowercase());
    let (cancel, commit) = (signature.hold == Hold::Cancel, signature.hold == Hold::Commit);
    text.extend(Buttons { cancel, commit, name: &name, usable, said: &said }.draw(ink, room));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_loses_no_letter() {
        let line = format!("ledger-root: {}", "0123456789abcdef".repeat(4));
        for room in [4, 20, 76, 96] {
            let rows = rows(&line, room);
            assert!(rows.iter().all(|row| row.chars().count() <= room), "{rows:?}");
            let whole: String =
                rows.iter().enumerate().map(|(at, row)| if at == 0 { row } else { &row[2..] }).collect();
            assert_eq!(whole, line);
        }
    }
}
