//! The palette: what passes the filter, and the keys that do the same.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{left, right};
use super::paint::{Ink, field, lines, row, window};
use crate::console::state::Palette;
use crate::console::theme::Role;

pub fn draw(palette: &Palette, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let shown = palette.shown();
    let height = u16::try_from(palette.entries.len()).unwrap_or(u16::MAX).saturating_add(3);
    let inside = window(
        buffer,
        over,
        76,
        height,
        "Actions  (type to filter, Enter does it, Esc closes)",
        ink.style(Role::Strong),
    );
    let room = usize::from(inside.width);
    let mut prompt = field(ink, palette.filter.halves(), room.saturating_sub(2), true);
    prompt.spans.insert(0, ink.span(Role::Strong, ": "));
    lines(buffer, row(inside, 0), &[prompt]);
    let body = Rect { y: inside.y + 1, height: inside.height.saturating_sub(1), ..inside };
    let first = (palette.selected + 1).saturating_sub(usize::from(body.height));
    for (y, (at, entry)) in (0..body.height).zip(shown.iter().enumerate().skip(first)) {
        let selected = at == palette.selected;
        let sign = if selected { "> " } else { "  " };
        let keys = 16.min(room / 4);
        let text = format!("{sign}{} {}", left(&entry.label, room.saturating_sub(keys + 3)), right(&entry.keys, keys));
        let role = if selected { Role::Selected } else { Role::Plain };
        lines(buffer, row(body, y), &[ink.line(role, text)]);
    }
    if shown.is_empty() {
        lines(buffer, row(body, 0), &[Line::from(ink.span(Role::Dim, "  No action has this name."))]);
    }
}
