//! What the person at the console can do with a request, and from when it holds.

use countersign_shared::protocol::{RequestDetail, RequestSummary, Verb};

use super::cells::shown;
use super::page::{Entry, entry};
use super::words;
use crate::console::state::State;
use crate::console::theme::Role;

/// `with alice's say`, where the say of somebody else would be used.
pub fn with_whose_say(seen: &RequestDetail) -> Option<String> {
    seen.you.delegated_by.as_ref().map(|person| format!("with {}'s say", shown(person)))
}

/// What can be done besides deciding, each with its key.
pub fn verbs(all: &[Verb]) -> String {
    let named = |verb: &Verb| match verb {
        Verb::Withdraw => "withdraw it (w)",
        Verb::Amend => "amend it (e tells how)",
        Verb::Void => "void it (x)",
        Verb::Comment => "leave a remark (c)",
    };
    all.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// When it may be carried out at the earliest, and what it was asked for together with.
pub fn schedule(state: &State, row: &RequestSummary) -> Vec<Entry> {
    let mut entries = Vec::new();
    if let Some(at) = row.not_before {
        entries.push(entry("not before", Role::Warn, words::coming(state.now, at)));
    }
    if let Some(batch) = &row.batch {
        entries.push(entry("batch", Role::Plain, shown(batch)));
    }
    entries
}
