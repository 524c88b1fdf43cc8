//! The console: state, update and view.
//!
//! `update::update` alone changes the state, from actions; `view::draw` draws it; `network` turns effects into
//! calls and answers into actions; `runtime` is the loop between terminal, network and clock.

mod action;
mod away;
mod files;
mod input;
mod key;
mod keymap;
mod layout;
mod mailbox;
mod network;
mod runtime;
mod signals;
mod state;
mod terminal;
mod theme;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;

pub use runtime::run;

/// What the console is opened with.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The acting person; demo daemons only.
    pub act_as: Option<String>,
}

/// Why the console ended, or could not begin.
#[derive(Debug)]
pub enum ConsoleError {
    /// Standard input or output is no terminal.
    NoTerminal,
    /// The terminal, a signal or a thread failed.
    Io(io::Error),
    /// The daemon refused the acting person that the options name; safe to show.
    Refused {
        /// The daemon's own words.
        message: String,
        /// What to do next; may be empty.
        hint: String,
    },
}

impl ConsoleError {
    /// The exit status of the command line (design §6): 2 usage, 3 refused, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoTerminal => 2,
            Self::Refused { .. } => 3,
            Self::Io(_) => 1,
        }
    }
}

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTerminal => f.write_str(
                "the console needs a terminal on standard input and output; scripts use the subcommands with --json",
            ),
            Self::Io(error) => write!(f, "the terminal failed: {error}"),
            Self::Refused { message, hint } if hint.is_empty() => f.write_str(message),
            Self::Refused { message, hint } => write!(f, "{message} ({hint})"),
        }
    }
}

impl std::error::Error for ConsoleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NoTerminal | Self::Refused { .. } => None,
        }
    }
}

impl From<io::Error> for ConsoleError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
