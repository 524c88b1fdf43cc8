//! Takes each checkpoint that is made to one place of `[checkpoint]`. Each place has a task of its own: a mount that hangs is
//! in the way of nothing else. What fails is tried again until it works, with the newest checkpoint, which covers the others.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;

use super::deadline::Alarm;
use crate::checkpoint::places::{Failing, Outgoing, Place};
use crate::clock::TimeLine;

/// How long to leave a place alone that failed.
const RETRY_MILLIS: i64 = 60_000;

/// See the module.
pub struct Deposits {
    /// Where.
    pub place: Place,
    /// The newest checkpoint.
    pub newest: watch::Receiver<Option<Arc<Outgoing>>>,
    /// What fails, for everybody who asks.
    pub failing: Failing,
    /// Time.
    pub line: TimeLine,
}

impl Deposits {
    /// Runs until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        loop {
            let newest = self.newest.borrow_and_update().clone();
            let next = match newest {
                None => None,
                Some(checkpoint) => {
                    let place = self.place.clone();
                    let taken = tokio::task::spawn_blocking(move || place.take(&checkpoint));
                    let done = tokio::select! {
                        taken = taken => taken.map_err(io::Error::other)?,
                        // A file system that hangs is left behind.
                        _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    };
                    self.note(&done);
                    done.is_err().then(|| self.line.tick().saturating_add(RETRY_MILLIS))
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                changed = self.newest.changed() => if changed.is_err() { return Ok(()) },
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    fn note(&self, done: &Result<(), String>) {
        let place = self.place.as_str();
        if !self.failing.note(place, self.line.wall(), done) {
            return;
        }
        match done {
            Ok(()) => tracing::info!(place, "checkpoints arrive again"),
            Err(error) => tracing::error!(place, "checkpoints do not arrive, tried again each minute: {error}"),
        }
    }
}
