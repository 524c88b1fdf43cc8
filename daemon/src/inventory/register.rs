//! What a store has to do with a scan, and in which order.

use super::{Changes, Later, Scan, Seen, compare};

/// The tables of the inventory within one transaction.
pub trait Register {
    /// What went wrong with the store.
    type Error;

    /// What is `present` or `unknown`, within what a scan covered: other places are none of its business.
    fn known(&self, scan: &Scan) -> Result<Vec<Seen>, Self::Error>;

    /// Stores a scan: certificates that are new, sightings, what changed, and the findings in place of the former ones
    /// of the places that were covered.
    fn record(&mut self, scan: &Scan, changes: &Changes) -> Result<(), Self::Error>;
}

/// Compares a scan with what is known and stores both; what changed is for the ledger and for alerts.
pub fn take_in<R: Register>(register: &mut R, scan: &Scan) -> Result<Changes, R::Error> {
    let known = register.known(scan)?;
    let changes = compare(&known, Later { seen: &scan.seen(), covered: &scan.covered, unseen: &scan.unseen });
    register.record(scan, &changes)?;
    Ok(changes)
}
