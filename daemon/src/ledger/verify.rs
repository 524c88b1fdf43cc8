//! Verification: one pass over the records, which names the first that is wrong and why.
//!
//! It makes every node of the tree again and compares those that are stored, and keeps the roots at the sizes that it is
//! asked for: what a checkpoint from outside is compared with comes from the records, never from stored nodes.

use std::collections::BTreeMap;

use countersign_proof::tree::STRIDE;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_verify::damage;
use countersign_verify::frontier::compare_frontier;
pub use countersign_verify::frontier::stored_frontier;
use countersign_verify::row;
use countersign_verify::survey::{Found, survey};
use rusqlite::{Connection, OptionalExtension, Row, Statement, Transaction, params};

use super::{Node, Tail};

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
    verify_from(connection, Tail::default(), &[])
}

/// The same from where an earlier pass of this process ended, which vouches for all before; keeps the root at each of the
/// sizes `wanted` that it comes by, its begin included.
pub fn verify_from(connection: &Connection, begin: Tail, wanted: &[u64]) -> rusqlite::Result<Verified> {
    let snapshot = Snapshot::of(connection)?;
    let before = begin.size();
    let (mut tail, mut roots) = (begin, BTreeMap::new());
    let mut wanted: Vec<u64> = wanted.iter().copied().filter(|size| *size >= tail.size()).collect();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    keep_root(&tail, &mut wanted, &mut roots);
    let mut damage = None;
    {
        let mut statement = connection.prepare(
            "SELECT seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id,
                    details, record FROM audit_events WHERE seq >= ?1 ORDER BY seq",
        )?;
        let mut stored = connection.prepare("SELECT hash FROM ledger_nodes WHERE level = ?1 AND idx = ?2")?;
        let mut rows = statement.query([tail.size()])?;
        let (mut expected, mut nodes) = (Vec::with_capacity(1024), Vec::new());
        while let Some(row) = rows.next()? {
            if let Err(found) = step(row, &mut tail, &mut expected, &mut nodes) {
                damage = Some(found);
                break;
            }
            for node in nodes.drain(..) {
                damage = damage.or(compare_node(&mut stored, &node, tail.size())?);
            }
            if damage.is_some() {
                break;
            }
            keep_root(&tail, &mut wanted, &mut roots);
        }
    }
    if damage.is_none() {
        let stored = stored_frontier(connection)?;
        damage = match &stored {
            // Fewer than were verified before: whatever the database says of itself.
            Some(stored) if stored.size() < before => {
                let text = format!("{before} records were verified before, {} are there", stored.size());
                Some(self::damage(Some(stored.size()), "truncated", text))
            }
            _ => compare_frontier(&stored, tail.frontier()),
        };
    }
    if damage.is_none() {
        damage = compare_count(connection, tail.size())?;
    }
    snapshot.end()?;
    Ok(Verified { tail, damage, roots })
}

/// The same where a pass has found damage: goes on behind damaged records with the leaf hashes that are recorded for them, and
/// names each; see [`countersign_verify::survey`]. The damage of the outcome is what it could not go past.
pub fn verify_past(connection: &Connection, begin: Tail, wanted: &[u64]) -> rusqlite::Result<(Verified, Vec<Found>)> {
    let snapshot = Snapshot::of(connection)?;
    let (mut tail, mut roots) = (begin, BTreeMap::new());
    let mut wanted: Vec<u64> = wanted.iter().copied().filter(|size| *size >= tail.size()).collect();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    keep_root(&tail, &mut wanted, &mut roots);
    let Some(stored) = stored_frontier(connection)?.filter(|stored| stored.size() >= tail.size()) else {
        let text = "the stored tree is malformed, or of fewer records than were verified before".to_owned();
        return Ok((Verified { tail, damage: Some(damage(None, "frontier", text)), roots }, Vec::new()));
    };
    let begin = (tail.size(), tail.prev());
    let survey = {
        let mut hashes = connection.prepare("SELECT hash FROM ledger_nodes WHERE level = ?1 AND idx = ?2")?;
        let mut nodes = Vec::new();
        survey(connection, begin, &stored, &mut |leaf| {
            tail.advance(leaf, |node| nodes.push(node));
            keep_root(&tail, &mut wanted, &mut roots);
            for node in nodes.drain(..) {
                if let Some(damage) = compare_node(&mut hashes, &node, tail.size())? {
                    return Ok(Some(damage));
                }
            }
            Ok(None)
        })?
    };
    let mut damage = survey.blocked;
    if damage.is_none() {
        damage = compare_frontier(&Some(stored), tail.frontier());
    }
    if damage.is_none() {
        damage = compare_count(connection, tail.size())?;
    }
    snapshot.end()?;
    Ok((Verified { tail, damage, roots }, survey.found))
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

/// `wanted` is in falling order.
fn keep_root(tail: &Tail, wanted: &mut Vec<u64>, roots: &mut BTreeMap<u64, Digest>) {
    while wanted.last() == Some(&tail.size()) {
        wanted.pop();
        roots.insert(tail.size(), tail.frontier().root());
    }
}

fn compare_node(stored: &mut Statement<'_>, node: &Node, size: u64) -> rusqlite::Result<Option<Damage>> {
    let Node { level, index, hash } = node;
    let found =
        stored.query_row(params![level, index], |row| Ok(row.get_ref(0)?.as_blob()? == hash.as_bytes())).optional()?;
    Ok(match found {
        Some(true) => None,
        Some(false) => {
            let text = format!("the stored node {index} of level {level} is not the {hash} that the records make");
            Some(damage(size.checked_sub(1), "nodes", text))
        }
        None => {
            let text = format!("the stored node {index} of level {level} is missing; the records make {hash}");
            Some(damage(size.checked_sub(1), "nodes", text))
        }
    })
}

/// Every node that the records make was found; so there are too many where the numbers differ.
fn compare_count(connection: &Connection, size: u64) -> rusqlite::Result<Option<Damage>> {
    let stored: u64 = connection.query_row("SELECT count(*) FROM ledger_nodes", [], |row| row.get(0))?;
    let expected: u64 = (STRIDE..64).step_by(STRIDE as usize).map(|level| size >> level).sum();
    Ok((stored != expected)
        .then(|| damage(None, "nodes", format!("{stored} nodes are stored; {size} records make {expected}"))))
}

fn step(row: &Row<'_>, tail: &mut Tail, expected: &mut Vec<u8>, nodes: &mut Vec<Node>) -> Result<(), Damage> {
    tail.advance(row::check(row, tail.size(), &tail.prev(), expected)?, |node| nodes.push(node));
    Ok(())
}
