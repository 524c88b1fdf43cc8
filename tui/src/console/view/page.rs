//! Labels with values, under headings.

use countersign_shared::digest::Digest;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::left;
use super::paint::{Ink, lines};
use crate::console::theme::Role;

/// A label and a value: what the detail and the review both show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// One or two words.
    pub label: String,
    /// How the value is drawn.
    pub role: Role,
    /// Safe to show.
    pub value: String,
}

/// Makes an entry.
pub fn entry(label: &str, role: Role, value: impl Into<String>) -> Entry {
    Entry { label: label.to_owned(), role, value: value.into() }
}

/// Lines under headings.
pub struct Page {
    ink: Ink,
    room: usize,
    /// What is written so far.
    pub lines: Vec<Line<'static>>,
}

impl Page {
    /// A page of this width.
    pub fn new(ink: Ink, room: usize) -> Self {
        Self { ink, room, lines: Vec::new() }
    }

    /// A heading, an empty line above it.
    pub fn title(&mut self, title: &str) {
        self.lines.push(Line::default());
        self.lines.push(self.ink.line(Role::Strong, format!(" {title}")));
    }

    /// A label and a value.
    pub fn add(&mut self, label: &str, role: Role, value: &str) {
        let lines = self.ink.labelled(&format!("  {label}"), role, value, self.room.saturating_sub(1));
        self.lines.extend(lines);
    }

    /// Labels and values.
    pub fn add_all(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.add(&entry.label, entry.role, &entry.value);
        }
    }

    /// A digest in groups that can be read aloud, in two lines where there is room.
    pub fn spoken(&mut self, label: &str, digest: &Digest) {
        let groups = digest.spoken();
        let together = if self.room >= 60 { 2 } else { 1 };
        for (i, part) in groups.chunks(together).enumerate() {
            self.add(if i == 0 { label } else { "" }, Role::Plain, &part.join("  "));
        }
    }
}

/// Draws a text from this line on, and how much of it is below.
pub fn scrolled(ink: Ink, buffer: &mut Buffer, area: Rect, text: &[Line<'_>], scroll: usize) {
    let room = usize::from(area.height);
    let first = scroll.min(text.len().saturating_sub(room));
    lines(buffer, area, text.get(first..).unwrap_or_default());
    let below = text.len().saturating_sub(first + room);
    if below > 0 {
        let mark = left(&format!("  … {} more lines: j, Ctrl-D, G", below + 1), usize::from(area.width));
        buffer.set_string(area.x, area.bottom() - 1, mark, ink.style(Role::Warn));
    }
}
