//! Fields and buttons below what a dialog shows.

use ratatui::text::{Line, Span};

use super::cells::{cut, left, width, wrap};
use super::paint::{Ink, field};
use crate::console::theme::Role;

/// Cells of the label of a field.
pub const LABEL: usize = 14;

/// A field with its label; `empty` stands in it while nothing is typed.
pub fn typed(ink: Ink, label: &str, of: (&str, &str), focused: bool, empty: &str, room: usize) -> Line<'static> {
    let mut line = field(ink, of, room.saturating_sub(LABEL), focused);
    if of == ("", "") {
        line.spans.push(ink.span(Role::Dim, cut(empty, room.saturating_sub(LABEL + 1))));
    }
    let role = if focused { Role::Strong } else { Role::Dim };
    line.spans.insert(0, ink.span(role, left(label, LABEL)));
    line
}

/// The button that closes and the one that does it.
pub struct Buttons<'a> {
    /// True where the closing one is in focus.
    pub cancel: bool,
    /// True where the other one is in focus.
    pub commit: bool,
    /// The name of the other one.
    pub name: &'a str,
    /// True where it can be pressed.
    pub usable: bool,
    /// What stands beside them, or below where it has no room there.
    pub said: &'a str,
}

impl Buttons<'_> {
    /// In as many lines as it takes.
    pub fn draw(&self, ink: Ink, room: usize) -> Vec<Line<'static>> {
        let button = |focused: bool, name: &str, usable: bool| {
            let (role, open, close) = match (focused, usable) {
                (true, _) => (Role::Selected, "[>", "<]"),
                (false, true) => (Role::Strong, "[ ", " ]"),
                (false, false) => (Role::Dim, "( ", " )"),
            };
            ink.span(role, format!("{open}{name}{close}"))
        };
        let gap = || Span::raw("  ");
        let mut line = Line::from(vec![
            button(self.cancel, "Cancel", true),
            gap(),
            button(self.commit, self.name, self.usable),
            gap(),
        ]);
        if line.width() + width(self.said) <= room {
            line.spans.push(ink.span(Role::Dim, self.said.to_owned()));
            return vec![line];
        }
        let below = wrap(self.said, room).into_iter().map(|text| ink.line(Role::Warn, text));
        std::iter::once(line).chain(below).collect()
    }
}
