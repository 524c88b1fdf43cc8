//! Checkpoints that came back from elsewhere: those that are loaded, and the one that is open.

use std::cmp::Reverse;

use countersign_shared::protocol::AnchorRow;

use super::paged::Row;

impl Row for AnchorRow {
    /// The record of it.
    type Key = u64;
    /// Newest first.
    type Order = Reverse<u64>;

    fn key(&self) -> u64 {
        self.seq
    }

    fn order(&self) -> Self::Order {
        Reverse(self.seq)
    }

    fn holds(&self, wanted: &str) -> bool {
        let has = |field: &str| field.to_lowercase().contains(wanted);
        wanted.is_empty() || has(self.verdict.as_str()) || has(&self.added_by) || has(&self.note)
    }
}

/// The anchor that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAnchor {
    /// What the list said of it last.
    pub seen: AnchorRow,
    /// Lines above the window.
    pub scroll: usize,
}
