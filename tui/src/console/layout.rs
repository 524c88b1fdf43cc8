//! How the rows of the terminal are shared out; state and view count with the same numbers.

use super::state::{Screen, State};

/// Rows of each part of the screen, from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Identity and tabs.
    pub header: u16,
    /// One row for each alarm.
    pub alarms: u16,
    /// How the ledger stands, on its screens.
    pub standing: u16,
    /// Column headings of a list.
    pub headings: u16,
    /// Rows of a list, or lines of the detail.
    pub body: u16,
    /// What is known of the selected row.
    pub preview: u16,
    /// Filter, notice and keys.
    pub footer: u16,
}

/// The layout of the screen that is shown.
pub fn layout(state: &State) -> Layout {
    let header = 2;
    let footer = 2;
    let alarms = alarms(state);
    let headings = u16::from(!state.screen.is_page());
    let standing = u16::from(state.screen.is_ledger());
    let rest = state.height.saturating_sub(header + alarms + standing + headings + footer);
    let preview = match state.screen {
        Screen::Detail | Screen::Record | Screen::Anchor | Screen::Certificate | Screen::Alert => 0,
        // A rule and up to seven lines, and never more than two fifths of the room.
        Screen::Queue | Screen::Audit | Screen::Anchors | Screen::Certificates | Screen::Alerts => {
            (rest * 2 / 5).min(8)
        }
    };
    Layout { header, alarms, standing, headings, body: rest - preview, preview, footer }
}

/// The rows of a list that are on the screen.
pub fn list_height(state: &State) -> usize {
    usize::from(layout(state).body)
}

fn alarms(state: &State) -> u16 {
    u16::try_from(state.alarms().len()).unwrap_or(u16::MAX)
}
