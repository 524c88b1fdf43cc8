//! Verification: one pass over the records, which names the first that is wrong and why.
//!
//! It makes every node of the tree again and compares those that are stored, and keeps the roots at the sizes that it is
//! asked for: what a checkpoint from outside is compared with comes from the records, never from stored nodes. What does so
//! is [`countersign_verify`], which looks at a copy of the database on another host in the same way.

use std::collections::BTreeMap;

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
pub use countersign_verify::Progress;
use countersign_verify::damage;
use countersign_verify::frontier::compare_frontier;
pub use countersign_verify::frontier::stored_frontier;
use countersign_verify::nodes::compare_count;
use countersign_verify::pass::{Behind, Pass};
use countersign_verify::survey::Found;
use rusqlite::{Connection, Transaction};

use super::Tail;

/// The outcome of a pass: where the chain ends, and the first damage.
#[derive(Debug)]
pub struct Verified {
    /// The tail up to the last record that was right.
    pub tail: Tail,
    /// What was found wrong, if anything.
    pub damage: Option<Damage>,
    /// The roots that the pass was asked to keep, by size, as far as it came.
    pub roots: BTreeMap<u64, Digest>,
}

/// Verifies every record that `connection` sees, and the stored tree.
///
/// An error is a database that cannot be read: damage as well, and the caller says so.
pub fn verify(connection: &Connection) -> rusqlite::Result<Verified> {
    verify_from(connection, Tail::default(), &[], &mut |_, _| {})
}

/// The same from where an earlier pass of this process ended, which vouches for all before; keeps the root at each of the
/// sizes `wanted` that it comes by, its begin included, and says now and then how many of how many records it is past.
pub fn verify_from(
    connection: &Connection,
    begin: Tail,
    wanted: &[u64],
    progress: &mut Progress<'_>,
) -> rusqlite::Result<Verified> {
    let snapshot = Snapshot::of(connection)?;
    let before = begin.size();
    // SQLite's look at the file runs beside it, and decisions want a core as well.
    let mut pass = Pass::begin(begin.into(), wanted.iter().copied()).beside(2);
    pass.records(connection, true, Behind::Left, progress)?;
    let (chain, mut damage, roots) = pass.into_parts();
    if damage.is_none() {
        let stored = stored_frontier(connection)?;
        damage = match &stored {
            // Fewer than were verified before: whatever the database says of itself.
            Some(stored) if stored.size() < before => {
                let text = format!("{before} records were verified before, {} are there", stored.size());
                Some(countersign_verify::damage(Some(stored.size()), "truncated", text))
            }
            _ => compare_frontier(&stored, chain.frontier()),
        };
    }
    if damage.is_none() {
        damage = compare_count(connection, chain.size())?;
    }
    snapshot.end()?;
    Ok(Verified { tail: chain.into(), damage, roots })
}

/// The same where a pass has found damage: goes on behind damaged records with the leaf hashes that are recorded for them, and
/// names each; see [`countersign_verify::survey`]. The damage of the outcome is what it could not go past.
pub fn verify_past(connection: &Connection, begin: Tail, wanted: &[u64]) -> rusqlite::Result<(Verified, Vec<Found>)> {
    let snapshot = Snapshot::of(connection)?;
    let Some(stored) = stored_frontier(connection)?.filter(|stored| stored.size() >= begin.size()) else {
        let text = "the stored tree is malformed, or of fewer records than were verified before".to_owned();
        let damage = Some(damage(None, "frontier", text));
        return Ok((Verified { tail: begin, damage, roots: BTreeMap::new() }, Vec::new()));
    };
    let mut pass = Pass::begin(begin.into(), wanted.iter().copied());
    let survey = pass.past(connection, true, &stored)?;
    let (chain, _, roots) = pass.into_parts();
    let mut damage = survey.blocked.or_else(|| compare_frontier(&Some(stored), chain.frontier()));
    if damage.is_none() {
        damage = compare_count(connection, chain.size())?;
    }
    snapshot.end()?;
    Ok((Verified { tail: chain.into(), damage, roots }, survey.found))
}

/// One read transaction: the records and the tree are of one moment. The writer looks in a transaction of its own.
struct Snapshot<'c>(Option<Transaction<'c>>);

impl<'c> Snapshot<'c> {
    fn of(connection: &'c Connection) -> rusqlite::Result<Self> {
        let begun = !connection.is_autocommit();
        Ok(Self(if begun { None } else { Some(connection.unchecked_transaction()?) }))
    }

    fn end(self) -> rusqlite::Result<()> {
        self.0.map_or(Ok(()), Transaction::finish)
    }
}
