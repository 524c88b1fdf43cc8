//! Colours, of which none carries a meaning that the words beside it do not.

use countersign_shared::lifecycle::{JobState, RequestState};

/// The width where there is no terminal to ask, and the smallest that tables are made for.
const WIDTH: usize = 80;

/// How text is drawn.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Style {
    colour: bool,
    width: usize,
}

/// What a word says about its thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Neither good nor bad.
    Plain,
    /// A heading or a label.
    Faint,
    /// As it should be.
    Good,
    /// Waiting for somebody.
    Open,
    /// Refused, failed or damaged.
    Bad,
}

impl Style {
    /// With or without colour, on a screen of so many columns where there is one.
    pub(in crate::cli) fn new(colour: bool, columns: Option<usize>) -> Self {
        Self { colour, width: columns.unwrap_or(WIDTH).max(WIDTH) }
    }

    /// Columns of a line.
    pub(super) fn width(self) -> usize {
        self.width
    }

    /// A piece of text in its tone.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Open => "33",
            Tone::Bad => "31",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The tone of a request's state.
pub(super) fn of_request(state: RequestState) -> Tone {
    match state {
        RequestState::Pending => Tone::Open,
        RequestState::Approved => Tone::Good,
        RequestState::Rejected | RequestState::Expired => Tone::Bad,
        RequestState::Voided | RequestState::Withdrawn => Tone::Faint,
    }
}

/// The tone of a job's state.
pub(super) fn of_job(state: JobState) -> Tone {
    match state {
        JobState::AwaitingApproval | JobState::Pending | JobState::Running => Tone::Open,
        JobState::Completed => Tone::Good,
        JobState::Failed => Tone::Bad,
        JobState::Cancelled => Tone::Faint,
    }
}
