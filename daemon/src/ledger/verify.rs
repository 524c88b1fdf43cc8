//! Verification: one pass over the records, which names the first that is wrong and why.
//!
//! It makes every node of the tree again and compares those that are stored, and keeps the roots at the sizes that it is
//! asked for: what a checkpoint from outside is compared with comes from the records, never from stored nodes.

use std::collections::BTreeMap;

use countersign_proof::tree::{LEAF_PREFIX, STRIDE};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use super::record::Columns;
use super::{Frontier, Node, Tail};

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
    // One read transaction: the records and the tree are of one moment.
    let snapshot = connection.unchecked_transaction()?;
    let before = begin.size();
    let (mut tail, mut roots) = (begin, BTreeMap::new());
    let mut wanted: Vec<u64> = wanted.iter().copied().filter(|size| *size >= tail.size()).collect();
    wanted.sort_unstable_by(|a, b| b.cmp(a));
    keep_root(&tail, &mut wanted, &mut roots);
    let mut damage = None;
    {
        let mut statement = snapshot.prepare(
            "SELECT seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id,
                    details, record FROM audit_events WHERE seq >= ?1 ORDER BY seq",
        )?;
        let mut stored = snapshot.prepare("SELECT hash FROM ledger_nodes WHERE level = ?1 AND idx = ?2")?;
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
        let stored = stored_frontier(&snapshot)?;
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
        damage = compare_count(&snapshot, tail.size())?;
    }
    snapshot.finish()?;
    Ok(Verified { tail, damage, roots })
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

/// The frontier as the last commit left it.
pub fn stored_frontier(connection: &Connection) -> rusqlite::Result<Option<Frontier>> {
    let mut statement = connection.prepare_cached("SELECT size, peaks FROM ledger_frontier WHERE id = 1")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Some(Frontier::default())) };
    let size: u64 = row.get(0)?;
    let peaks = row.get_ref(1)?.as_blob()?.chunks_exact(32).map(|chunk| {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(chunk);
        Digest::from_bytes(bytes)
    });
    Ok(Frontier::from_parts(size, peaks.collect()))
}

fn step(row: &Row<'_>, tail: &mut Tail, expected: &mut Vec<u8>, nodes: &mut Vec<Node>) -> Result<(), Damage> {
    let at = tail.size();
    let unreadable = |error: rusqlite::Error| damage(Some(at), "columns", format!("unreadable: {error}"));
    let column =
        |index: usize| row.get_ref(index).and_then(|value| value.as_bytes().map_err(Into::into)).map_err(unreadable);
    let seq: u64 = row.get(0).map_err(unreadable)?;
    if seq != at {
        return Err(damage(Some(at), "missing", format!("the next record in order is {seq}")));
    }
    let columns = Columns {
        seq,
        event_id: column(1)?,
        created_at: column(2)?,
        actor: column(3)?,
        actor_type: column(4)?,
        action: column(5)?,
        category: column(6)?,
        resource_type: column(7)?,
        resource_id: column(8)?,
        details: column(9)?,
    };
    let record = row.get_ref(10).and_then(|value| value.as_blob().map_err(Into::into)).map_err(unreadable)?;
    // Made behind the prefix of a leaf, and so hashed in one piece.
    expected.clear();
    expected.push(LEAF_PREFIX);
    columns.write_record(&tail.prev(), expected);
    if *record != expected[1..] {
        return Err(explain(&columns, record, &tail.prev()));
    }
    tail.advance(Digest::of(&[expected]), |node| nodes.push(node));
    Ok(())
}

/// The slow path: which part of the record disagrees with what.
fn explain(columns: &Columns<'_>, record: &[u8], prev: &Digest) -> Damage {
    let at = Some(columns.seq);
    let Ok(read) = serde_json::from_slice::<serde_json::Value>(record) else {
        return damage(at, "edited", "the record's bytes are not JSON".into());
    };
    let pairs = [
        ("action", columns.action),
        ("actor", columns.actor),
        ("actor_type", columns.actor_type),
        ("at", columns.created_at),
        ("category", columns.category),
        ("event_id", columns.event_id),
        ("resource_id", columns.resource_id),
        ("resource_type", columns.resource_type),
    ];
    for (name, column) in pairs {
        let inside = read.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        if inside.as_bytes() != column {
            let column = Untrusted::new(String::from_utf8_lossy(column));
            let inside = Untrusted::from(inside);
            let text = format!("{name}: the record says \"{}\", the column \"{}\"", inside.safe(), column.safe());
            return damage(at, "columns", text);
        }
    }
    if read.get("details").map(ToString::to_string).is_none_or(|details| details.as_bytes() != columns.details) {
        return damage(at, "columns", "details: the column differs from the record".into());
    }
    let inside = read.get("prev").and_then(|value| value.as_str()).unwrap_or_default();
    if inside != prev.to_string() {
        let inside = Untrusted::from(inside);
        let text = format!(
            "it follows a record whose hash is {}; the record before it has {prev}: one of the two was edited, \
             dropped or moved",
            inside.safe()
        );
        return damage(at, "edited", text);
    }
    damage(at, "edited", "the bytes are not the canonical form of what they say".into())
}

fn compare_frontier(stored: &Option<Frontier>, computed: &Frontier) -> Option<Damage> {
    let Some(stored) = stored else {
        return Some(damage(None, "frontier", "the stored tree is malformed".into()));
    };
    let (have, expected) = (computed.size(), stored.size());
    if have < expected {
        let text = format!("{expected} records were committed, {have} are there: the end was cut off");
        return Some(damage(Some(have), "truncated", text));
    }
    if have > expected {
        let text = format!("{expected} records were committed, {have} are there");
        return Some(damage(Some(expected), "inserted", text));
    }
    (stored != computed).then(|| {
        let text = format!("the stored tree's root is {}, the records' is {}", stored.root(), computed.root());
        damage(None, "frontier", text)
    })
}

fn damage(seq: Option<u64>, rule: &str, text: String) -> Damage {
    Damage { seq, rule: rule.to_owned(), text }
}
