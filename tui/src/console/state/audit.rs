//! The ledger's records that are loaded, newest first.

use std::collections::BTreeMap;

use countersign_shared::protocol::{AuditEvent, AuditRecord, VerifyResult};

use super::{Field, List, Query};
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
    /// What is typed.
    pub filter: Field,
    /// True while the filter is typed.
    pub filtering: bool,
    /// What is asked for.
    pub query: Query,
    /// Why what is typed cannot be asked for.
    pub wrong: Option<String>,
    /// How many records the query has, where the daemon counted them.
    pub count: Option<u64>,
    /// True until the first page of the query is here: what is shown is chosen from what was loaded before.
    pub anew: bool,
    /// Pages that were read one after the other without anybody going on.
    pub looked: u32,
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
    /// The record that is open.
    pub open: Option<OpenRecord>,
}

/// One record in full.
#[derive(Clone, Debug)]
pub struct OpenRecord {
    /// As the list had it.
    pub row: AuditEvent,
    /// With its octets.
    pub seen: Option<Box<AuditRecord>>,
    /// Why there is nothing.
    pub refused: Option<Refusal>,
    /// Lines above the window.
    pub scroll: usize,
}

impl Audit {
    /// The selected record.
    pub fn selected(&self) -> Option<&AuditEvent> {
        self.rows.get(self.list.selected()?)
    }

    /// Chooses and orders the rows again.
    pub fn arrange(&mut self, height: usize) {
        let shown = self.rows.values().rev().filter(|row| !self.anew || self.query.holds(row));
        let order = shown.map(|row| row.seq).collect();
        let follows_newest = self.list.position() == Some(0);
        self.list.set_order(order, height);
        if follows_newest {
            self.list.move_to(0, height);
        }
    }

    /// True while a verification that was asked for here is under way.
    pub fn is_verifying(&self) -> bool {
        matches!(self.verification, Some(Verification::Running))
    }

    /// The damage that the last verification of this session found.
    pub fn found_damage(&self) -> Option<&VerifyResult> {
        match &self.verification {
            Some(Verification::Done(found)) if !found.intact => Some(found),
            _ => None,
        }
    }
}
