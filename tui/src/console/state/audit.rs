//! The ledger's records that are loaded, newest first.

use std::collections::BTreeMap;

use countersign_shared::protocol::{AuditEvent, VerifyResult};

use super::{Field, List};
use crate::console::action::Refusal;

/// What a verification found.
#[derive(Clone, Debug)]
pub enum Verification {
    /// Under way.
    Running,
    /// The daemon's finding.
    Done(Box<VerifyResult>),
    /// It could not be made.
    Refused(Refusal),
}

/// The audit history.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// What is loaded.
    pub rows: BTreeMap<u64, AuditEvent>,
    /// What is shown, in order.
    pub list: List<u64>,
    /// Only with this text; matched on what is loaded.
    pub filter: Field,
    /// True while the filter is typed.
    pub filtering: bool,
    /// Where the next page begins.
    pub cursor: Option<String>,
    /// True where the answer that is waited for continues the list, false where it begins at the newest.
    pub continuing: bool,
    /// True where records came after the newest page was asked for.
    pub stale: bool,
    /// True once a page has arrived.
    pub loaded: bool,
    /// Why this person may not read it.
    pub refused: Option<Refusal>,
    /// The last verification of this session.
    pub verification: Option<Verification>,
}

impl Audit {
    /// The selected record.
    pub fn selected(&self) -> Option<&AuditEvent> {
        self.rows.get(self.list.selected()?)
    }

    /// Chooses and orders the rows again.
    pub fn arrange(&mut self, height: usize) {
        let wanted = self.filter.text().to_ascii_lowercase();
        let order = self.rows.values().rev().filter(|row| holds(row, &wanted)).map(|row| row.seq).collect();
        let follows_newest = self.list.position() == Some(0);
        self.list.set_order(order, height);
        if follows_newest {
            self.list.move_to(0, height);
        }
    }
}

fn holds(row: &AuditEvent, wanted: &str) -> bool {
    let has = |field: &str| field.to_ascii_lowercase().contains(wanted);
    wanted.is_empty()
        || has(&row.actor)
        || has(row.action.as_str())
        || has(&row.resource_id)
        || has(row.event_id.as_str())
        || row.text.as_ref().is_some_and(|text| has(text.raw()))
        || has(&row.details.to_string())
}
