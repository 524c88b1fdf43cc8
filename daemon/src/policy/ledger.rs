//! `[ledger]`: how much of the ledger may be anchored nowhere off the host.

use countersign_shared::time::Span;

use super::document::LedgerTable;
use super::read::Entry;
use super::report::Report;

const SHORTEST: Span = Span::from_secs(60);
const LONGEST: Span = Span::from_secs(365 * 86_400);

/// The limits past which it is an alarm; none where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerRules {
    /// How old the oldest record without an anchor may be.
    pub max_age: Option<Span>,
    /// How many records without an anchor there may be.
    pub max_records: Option<u64>,
}

/// Reads the table.
pub(super) fn ledger(entry: Option<&Entry<LedgerTable>>, report: &mut Report) -> LedgerRules {
    let Some(Entry { place, value }) = entry else { return LedgerRules::default() };
    let LedgerTable { max_unanchored, max_unanchored_records } = value;
    if max_unanchored.is_some_and(|age| age < SHORTEST || age > LONGEST) {
        report.error(place, "max_unanchored", format!("is {SHORTEST} to {LONGEST}"));
    }
    if *max_unanchored_records == Some(0) {
        report.error(place, "max_unanchored_records", "is 1 at least: the record of an anchor itself is not anchored");
    }
    LedgerRules { max_age: *max_unanchored, max_records: *max_unanchored_records }
}
