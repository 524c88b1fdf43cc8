//! The sixteen colours of every terminal, or none. A colour never says anything that a word or sign beside it
//! does not say as well.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Text.
    Plain,
    /// Labels, and what is less important.
    Dim,
    /// Headings and names.
    Strong,
    /// The selected row, the button in focus.
    Selected,
    /// Passed, approved, online.
    Good,
    /// Refused, rejected, failed.
    Bad,
    /// Worth a second look.
    Warn,
    /// Read-only, offline, bypass.
    Alarm,
    /// Nothing here is real.
    Demo,
    /// A code for a camera: light on dark, whatever the terminal's own colours.
    Code,
}

/// The style of a role; with `colour` false by brightness and reversal alone.
pub fn style(role: Role, colour: bool) -> Style {
    let plain = Style::default();
    match (role, colour) {
        (Role::Plain, _) => plain,
        (Role::Dim, _) => plain.add_modifier(Modifier::DIM),
        (Role::Strong, _) => plain.add_modifier(Modifier::BOLD),
        (Role::Selected, _) => plain.add_modifier(Modifier::REVERSED),
        (Role::Good, true) => plain.fg(Color::Green),
        (Role::Bad, true) => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
        (Role::Warn, true) => plain.fg(Color::Yellow),
        (Role::Alarm, true) => plain.fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
        (Role::Demo, true) => plain.fg(Color::Black).bg(Color::Magenta),
        (Role::Code, true) => plain.fg(Color::White).bg(Color::Black),
        (Role::Good | Role::Code, false) => plain,
        (Role::Bad | Role::Warn, false) => plain.add_modifier(Modifier::BOLD),
        (Role::Alarm | Role::Demo, false) => plain.add_modifier(Modifier::BOLD | Modifier::REVERSED),
    }
}
