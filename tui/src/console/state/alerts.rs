//! Messages and what became of them: those that are loaded, and the one that is open.

use std::cmp::Reverse;

use countersign_shared::protocol::{Alert, AlertState};

use super::paged::{Paged, Row};

impl Row for Alert {
    type Key = u64;
    /// Newest first.
    type Order = Reverse<u64>;

    fn key(&self) -> u64 {
        self.id
    }

    fn order(&self) -> Self::Order {
        Reverse(self.id)
    }

    fn holds(&self, wanted: &str) -> bool {
        let has = |field: &str| field.to_ascii_lowercase().contains(wanted);
        wanted.is_empty()
            || has(&self.resource_id)
            || self.name.as_ref().is_some_and(|name| has(name.raw()))
            || has(self.detail.raw())
    }
}

/// The list.
#[derive(Clone, Debug, Default)]
pub struct Alerts {
    /// The rows.
    pub paged: Paged<Alert>,
    /// Only in this state; all where it is left out.
    pub state: Option<AlertState>,
}

impl Alerts {
    /// The state after this one in the cycle of the filter: what is dead comes first.
    pub fn next_state(&self) -> Option<AlertState> {
        const CYCLE: [Option<AlertState>; 6] = [
            None,
            Some(AlertState::Dead),
            Some(AlertState::Failed),
            Some(AlertState::Queued),
            Some(AlertState::Sent),
            Some(AlertState::Skipped),
        ];
        let at = CYCLE.iter().position(|one| *one == self.state).unwrap_or(0);
        CYCLE.get(at + 1).copied().flatten()
    }
}

/// The message that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAlert {
    /// What the list said of it last.
    pub seen: Alert,
    /// Lines above the window.
    pub scroll: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_filter_goes_through_every_state_once() {
        let mut alerts = Alerts::default();
        let mut seen = Vec::new();
        for _ in 0..=AlertState::ALL.len() {
            seen.push(alerts.state);
            alerts.state = alerts.next_state();
        }
        assert_eq!((alerts.state, seen[1]), (None, Some(AlertState::Dead)));
        assert_eq!(seen.iter().collect::<std::collections::HashSet<_>>().len(), AlertState::ALL.len() + 1);
    }
}
