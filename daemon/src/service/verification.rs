//! How far a verification is, and what the last one found: for `daemon.status`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_shared::protocol::{LastVerification, VerificationProgress};
use countersign_shared::time::Timestamp;

/// What is shown of verifications; cheap to clone.
#[derive(Clone, Default)]
pub struct Progress(Arc<Mutex<Shown>>);

#[derive(Default)]
struct Shown {
    /// The one that a caller asked for and the one on schedule may run beside one another. Each has a number.
    running: Vec<(u64, VerificationProgress)>,
    begun: u64,
    last: Option<LastVerification>,
}

/// A verification that runs, until it is dropped.
pub struct Run {
    progress: Progress,
    number: u64,
}

impl Progress {
    /// None runs; the last one found this.
    pub fn after(last: Option<LastVerification>) -> Self {
        Self(Arc::new(Mutex::new(Shown { last, ..Shown::default() })))
    }

    /// One begins, of a ledger with so many records.
    pub fn begin(&self, since: Timestamp, of: u64) -> Run {
        let mut shown = self.lock();
        shown.begun += 1;
        let number = shown.begun;
        shown.running.push((number, VerificationProgress { done: 0, of, since }));
        Run { progress: self.clone(), number }
    }

    /// One came to an end, and found this.
    pub fn ended(&self, last: LastVerification) {
        self.lock().last = Some(last);
    }

    /// The one that runs and began last.
    pub fn running(&self) -> Option<VerificationProgress> {
        self.lock().running.last().map(|(_, progress)| *progress)
    }

    /// The last one that ended.
    pub fn last(&self) -> Option<LastVerification> {
        self.lock().last
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// It is past so many records of so many.
    pub fn advance(&self, done: u64, of: u64) {
        let mut shown = self.progress.lock();
        if let Some((_, progress)) = shown.running.iter_mut().find(|(number, _)| *number == self.number) {
            (progress.done, progress.of) = (done, of);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.progress.lock().running.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_began_last_is_shown_and_none_stays_behind() {
        let at = |millis| Timestamp::from_unix_millis(millis).unwrap();
        let found = LastVerification { at: at(1), records: 10, intact: true };
        let progress = Progress::after(Some(found));
        assert_eq!((progress.running(), progress.last()), (None, Some(found)));
        let (asked, scheduled) = (progress.begin(at(2), 20), progress.begin(at(3), 20));
        asked.advance(5, 20);
        assert_eq!(progress.running(), Some(VerificationProgress { done: 0, of: 20, since: at(3) }));
        drop(scheduled);
        assert_eq!(progress.running(), Some(VerificationProgress { done: 5, of: 20, since: at(2) }));
        drop(asked);
        assert_eq!(progress.running(), None);
        progress.ended(LastVerification { records: 20, ..found });
        assert_eq!(progress.last().map(|last| last.records), Some(20));
    }
}
