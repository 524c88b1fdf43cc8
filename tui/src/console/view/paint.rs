//! Lines of styled text, and where they go.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Widget};

use super::cells::{self, cut, left, wrap};
use crate::console::theme::{Role, style};

/// Makes styled text, with colours or without.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    /// False under `NO_COLOR`.
    pub colour: bool,
}

impl Ink {
    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        style(role, self.colour)
    }

    /// A piece of text.
    pub fn span(self, role: Role, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.style(role))
    }

    /// A line of one piece.
    pub fn line(self, role: Role, text: impl Into<String>) -> Line<'static> {
        Line::from(self.span(role, text))
    }

    /// Sentences, two cells in.
    pub fn paragraph(self, text: &str, room: usize) -> Vec<Line<'static>> {
        let wrapped = wrap(text, room.saturating_sub(4)).into_iter();
        wrapped.map(|text| self.line(Role::Plain, format!("  {text}"))).collect()
    }

    /// A label and a value beside it, in as many lines as it takes.
    pub fn labelled(self, label: &str, role: Role, value: &str, room: usize) -> Vec<Line<'static>> {
        let mut label = left(label, LABEL);
        wrap(value, room.saturating_sub(LABEL))
            .into_iter()
            .map(|text| {
                let label = std::mem::replace(&mut label, " ".repeat(LABEL));
                Line::from(vec![self.span(Role::Dim, label), self.span(role, text)])
            })
            .collect()
    }
}

/// Cells of a label.
const LABEL: usize = 14;

/// Draws lines from the top of the area; what does not fit is left out.
pub fn lines(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>]) {
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

/// One line over the whole width in one style.
pub fn bar(buffer: &mut Buffer, area: Rect, style: Style, text: &str) {
    let text = left(&cut(text, usize::from(area.width)), usize::from(area.width));
    buffer.set_string(area.x, area.y, text, style);
}

/// One row of the area, counted from its top; empty below its end.
pub fn row(area: Rect, y: u16) -> Rect {
    let height = u16::from(y < area.height);
    Rect { y: area.y.saturating_add(y.min(area.height)), height, ..area }
}

/// An empty box of at most this size in the middle of the area; returns its inside.
pub fn window(buffer: &mut Buffer, area: Rect, width: u16, height: u16, title: &str, style: Style) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let outside = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(outside, buffer);
    let title = cut(&format!(" {title} "), usize::from(width).saturating_sub(4));
    let block = Block::default().borders(Borders::ALL).title(title).border_style(style);
    let inside = block.inner(outside);
    block.render(outside, buffer);
    Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside }
}

/// Text in halves around a cursor that is drawn reversed; the part around the cursor stays in sight.
pub fn field(ink: Ink, halves: (&str, &str), room: usize, focused: bool) -> Line<'static> {
    let (before, behind) = (cells::shown(halves.0), cells::shown(halves.1));
    if !focused {
        return ink.line(Role::Plain, cut(&(before + &behind), room));
    }
    let mut start = before.as_str();
    while cells::width(start) + 1 > room {
        let mut rest = start.chars();
        if rest.next().is_none() {
            break;
        }
        start = rest.as_str();
    }
    let mut rest = behind.chars();
    let under = rest.next().unwrap_or(' ');
    let room_behind = room.saturating_sub(cells::width(start) + cells::width(&under.to_string()));
    Line::from(vec![
        ink.span(Role::Plain, start.to_owned()),
        ink.span(Role::Selected, under.to_string()),
        ink.span(Role::Plain, cut(rest.as_str(), room_behind)),
    ])
}
