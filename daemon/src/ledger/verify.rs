//! Verification: one pass over the records, which names the first that is wrong and why.

use countersign_shared::protocol::Damage;
use countersign_verify::frontier::compare_frontier;
pub use countersign_verify::frontier::stored_frontier;
use countersign_verify::row;
use rusqlite::{Connection, Row};

use super::Tail;

/// The outcome of a pass: where the chain ends, and the first damage.
#[derive(Debug)]
pub struct Verified {
    /// The tail up to the last record that was right.
    pub tail: Tail,
    /// What was found wrong, if anything.
    pub damage: Option<Damage>,
}

/// Verifies every record that `connection` sees, and the stored frontier.
///
/// An error is a database that cannot be read: damage as well, and the caller says so.
pub fn verify(connection: &Connection) -> rusqlite::Result<Verified> {
    // One read transaction: the records and the frontier are of one moment.
    let snapshot = connection.unchecked_transaction()?;
    let mut tail = Tail::default();
    let mut damage = None;
    {
        let mut statement = snapshot.prepare(
            "SELECT seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id,
                    details, record FROM audit_events ORDER BY seq",
        )?;
        let mut rows = statement.query([])?;
        let mut expected = Vec::with_capacity(1024);
        while let Some(row) = rows.next()? {
            if let Err(found) = step(row, &mut tail, &mut expected) {
                damage = Some(found);
                break;
            }
        }
    }
    if damage.is_none() {
        damage = compare_frontier(&stored_frontier(&snapshot)?, tail.frontier());
    }
    snapshot.finish()?;
    Ok(Verified { tail, damage })
}

fn step(row: &Row<'_>, tail: &mut Tail, expected: &mut Vec<u8>) -> Result<(), Damage> {
    tail.advance(row::check(row, tail.size(), &tail.prev(), expected)?);
    Ok(())
}
