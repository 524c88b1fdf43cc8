//! The part that lists have in common: headings, the rows in sight, and what stands there while there are none.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::cells::shown;
use super::paint::{Ink, lines, row};
use crate::console::state::{Link, Paged, Row, State};
use crate::console::theme::Role;

/// What stands around the rows.
pub struct Listing {
    /// The headings of the columns.
    pub headings: String,
    /// What stands there while there are no rows.
    pub nothing: String,
}

impl Listing {
    /// Draws the rows that are in sight.
    pub fn draw<R: Row>(
        &self,
        paged: &Paged<R>,
        ink: Ink,
        buffer: &mut Buffer,
        area: Rect,
        line: impl Fn(&R, bool) -> Line<'static>,
    ) {
        lines(buffer, row(area, 0), &[ink.line(Role::Dim, format!("  {}", self.headings))]);
        let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let window = paged.list.window(usize::from(body.height));
        for (y, key) in (0..).zip(window) {
            let Some(one) = paged.rows.get(key) else { continue };
            let selected = paged.list.selected() == Some(key);
            lines(buffer, row(body, y), &[line(one, selected)]);
            if selected {
                buffer.set_style(row(body, y), ink.style(Role::Selected));
            }
        }
        if window.is_empty() {
            let below = Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body };
            lines(buffer, below, &ink.paragraph(&self.nothing, usize::from(area.width)));
        }
    }
}

/// Why nothing is there, as far as it is no matter of what the rows are; `None` where everything was read.
pub fn nothing<R: Row>(state: &State, paged: &Paged<R>, what: &str) -> Option<String> {
    if let Some(refusal) = &paged.refused {
        let hint = if refusal.hint.is_empty() { String::new() } else { format!(" ({})", shown(&refusal.hint)) };
        return Some(format!("The {what} are not open to you: {}{hint}", shown(&refusal.message)));
    }
    match &state.link {
        Link::Connecting => Some("Connecting to the daemon …".into()),
        Link::Offline { .. } if !paged.loaded => Some("Nothing was loaded before the connection was lost.".into()),
        Link::Offline { .. } | Link::Online => (!paged.loaded).then(|| "Loading …".into()),
    }
}
