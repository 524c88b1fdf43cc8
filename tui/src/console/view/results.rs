//! What became of each of many.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::shown;
use super::paint::{Ink, lines, row, window};
use super::words;
use crate::console::layout::layout;
use crate::console::state::{Results, State};
use crate::console::theme::Role;

/// The widest box.
const WIDEST: u16 = 100;
/// Rows of the frame, and below the results an empty line and the keys.
const AROUND: usize = 4;

pub fn draw(state: &State, results: &Results, ink: Ink, buffer: &mut Buffer, over: Rect) {
    let text = document(results, ink, room(state));
    let refused = results.refused();
    let (all, role) = (results.outcomes.len(), if refused == 0 { Role::Good } else { Role::Warn });
    let title = format!("{} of {all} decided, {refused} refused", all - refused);
    let height = u16::try_from(text.len() + AROUND).unwrap_or(u16::MAX);
    let inside = window(buffer, over, WIDEST, height, &title, ink.style(role));
    let body = Rect { height: inside.height.saturating_sub(2), ..inside };
    lines(buffer, body, text.get(results.scroll..).unwrap_or_default());
    let below = text.len().saturating_sub(results.scroll + usize::from(body.height));
    let more = if below > 0 { format!(" {below} more lines: j, Ctrl-D.") } else { String::new() };
    let keys = format!("Enter or Esc closes this.{more}");
    lines(buffer, row(inside, inside.height.saturating_sub(1)), &[ink.line(Role::Dim, keys)]);
}

/// Lines that are out of sight.
pub fn overflow(state: &State, results: &Results) -> usize {
    let over = usize::from(state.height.saturating_sub(layout(state).header + 1));
    document(results, Ink { colour: false }, room(state)).len().saturating_sub(over.saturating_sub(AROUND))
}

fn room(state: &State) -> usize {
    usize::from(state.width.min(WIDEST)).saturating_sub(4)
}

fn document(results: &Results, ink: Ink, room: usize) -> Vec<Line<'static>> {
    let mut text = Vec::new();
    for outcome in &results.outcomes {
        let name = words::name(&outcome.name.as_str().into());
        let (label, role, what) = match &outcome.result {
            Ok(what) => ("done", Role::Good, what),
            Err(why) => ("REFUSED", Role::Bad, why),
        };
        text.extend(ink.labelled(label, Role::Strong, &format!("{name} ({})", outcome.id), room));
        text.extend(ink.labelled("", role, &shown(what), room));
    }
    text
}
