//! The keys, from the keymap.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::{left, wrap};
use super::paint::{Ink, lines, window};
use crate::console::keymap::{BINDINGS, Scope, key_names};
use crate::console::state::State;
use crate::console::theme::Role;

/// Cells of the box.
const WIDTH: u16 = 76;
/// Cells of the keys.
const KEYS: usize = 18;

pub fn draw(state: &State, ink: Ink, buffer: &mut Buffer, over: Rect, scroll: usize) {
    let text = document(ink, usize::from(state.width.min(WIDTH)).saturating_sub(4));
    let height = u16::try_from(text.len()).unwrap_or(u16::MAX).saturating_add(2);
    let inside = window(buffer, over, WIDTH, height, "Keys  (j and k scroll, Esc closes)", ink.style(Role::Strong));
    lines(buffer, inside, text.get(scroll..).unwrap_or_default());
}

/// Lines that the help has.
pub fn height(state: &State) -> usize {
    document(Ink { colour: false }, usize::from(state.width.min(WIDTH)).saturating_sub(4)).len()
}

/// Lines that are in sight at once.
pub fn room(state: &State) -> usize {
    usize::from(state.height).saturating_sub(5)
}

fn document(ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = Vec::new();
    for scope in Scope::ALL {
        text.push(ink.line(Role::Strong, scope.title()));
        for binding in BINDINGS.iter().filter(|binding| binding.scope == *scope) {
            let mut keys = left(&key_names(binding.keys), KEYS);
            for part in wrap(binding.help, room.saturating_sub(KEYS + 2)) {
                let keys = std::mem::replace(&mut keys, " ".repeat(KEYS));
                let spans = vec![ink.span(Role::Plain, format!("  {keys}")), ink.span(Role::Dim, part)];
                text.push(Line::from(spans));
            }
        }
    }
    text
}
