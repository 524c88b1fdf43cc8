//! How far a long command is, on one line of a terminal; nothing anywhere else.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use super::context::Context;

/// Between two words.
const EACH: Duration = Duration::from_millis(200);

/// A line on standard error that is written over.
#[derive(Debug)]
pub(super) struct Progress {
    what: &'static str,
    on: bool,
    said_at: Instant,
    said: bool,
}

impl Progress {
    pub(super) fn new(context: &Context, what: &'static str) -> Self {
        let on = !context.json() && io::stderr().is_terminal() && !io::stdout().is_terminal() || context.interactive();
        Self { what, on, said_at: Instant::now(), said: false }
    }

    /// True where somebody sees it.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }

    /// So many of so many. Where even standard error cannot be written, nobody can be told.
    pub(super) fn show(&mut self, done: u64, of: u64) {
        if !self.on || self.said_at.elapsed() < EACH {
            return;
        }
        (self.said_at, self.said) = (Instant::now(), true);
        let percent = done.min(of) * 100 / of.max(1);
        let _ = write!(io::stderr().lock(), "\r{done} of {of} {} ({percent} %)", self.what);
    }

    /// Takes the line away.
    pub(super) fn end(&mut self) {
        if std::mem::take(&mut self.said) {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
