//! How forwarding stands: what `daemon.status` and the metrics say of it.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_shared::protocol::ForwardStatus;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use crate::config::ForwardSettings;

/// The longest error that is shown, in characters.
const MAX_ERROR: usize = 200;

/// See the module.
pub struct Standing {
    to: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    failing: Option<(Timestamp, String)>,
    failures: u64,
    shortened: u64,
}

impl Standing {
    /// Before anything was forwarded by this process.
    pub fn new(settings: &ForwardSettings) -> Self {
        let to = match settings {
            ForwardSettings::File { .. } => "file",
            ForwardSettings::Journal { .. } => "journal",
        };
        Self { to, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything before this record is written and durable.
    pub(super) fn reached(&self, next: u64) {
        let mut state = self.state();
        state.next = next;
        state.failing = None;
    }

    /// It could not be written.
    pub(super) fn failed(&self, at: Timestamp, error: &io::Error) {
        let mut state = self.state();
        state.failures += 1;
        let text = Untrusted::new(error.to_string()).safe().to_string();
        let text = text.chars().take(MAX_ERROR).collect();
        let since = state.failing.take().map_or(at, |(since, _)| since);
        state.failing = Some((since, text));
    }

    /// Somebody else took lines away from under it.
    pub(super) fn was_shortened(&self) {
        self.state().shortened += 1;
    }

    /// As it is shown, beside a ledger of `size` records.
    pub fn status(&self, size: u64) -> ForwardStatus {
        let state = self.state();
        ForwardStatus {
            to: self.to.to_owned(),
            forwarded: state.next,
            behind: size.saturating_sub(state.next),
            failing_since: state.failing.as_ref().map(|(since, _)| *since),
            error: state.failing.as_ref().map(|(_, error)| error.clone()),
            failures: state.failures,
            shortened: state.shortened,
        }
    }
}
