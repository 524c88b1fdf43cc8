//! `ledger_nodes`: the nodes of the tree that a database keeps, read for proofs, and held against those that its records make.

use std::collections::BTreeMap;

use countersign_proof::tree::{MOST_AT_ONCE, Nodes, STRIDE, leaf_hash};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, Row, Rows, Statement, params};

use crate::chain::Node;
use crate::damage;

/// The tree of the ledger as `connection` sees it. What is made of it is verified before it is handed out.
pub struct StoredNodes<'a>(pub &'a Connection);

impl Nodes for StoredNodes<'_> {
    type Error = rusqlite::Error;

    fn read(&self, level: u32, first: u64, hashes: &mut [Digest]) -> rusqlite::Result<()> {
        debug_assert!(hashes.len() <= MOST_AT_ONCE);
        let end = first + hashes.len() as u64;
        let mut statement;
        let mut rows = if level == 0 {
            statement =
                self.0.prepare_cached("SELECT record FROM audit_events WHERE seq >= ?1 AND seq < ?2 ORDER BY seq")?;
            statement.query([first, end])?
        } else {
            statement = self.0.prepare_cached(
                "SELECT hash FROM ledger_nodes WHERE level = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx",
            )?;
            statement.query(params![level, first, end])?
        };
        // A damaged record counts with the hash that is recorded for it, also where it is gone.
        let recorded = if level == 0 { recorded_leaves(self.0, first, end)? } else { BTreeMap::new() };
        if !recorded.is_empty() {
            drop(rows);
            return read_past(self.0, first, hashes, &recorded);
        }
        for place in hashes {
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            *place = if level == 0 { leaf_hash(row.get_ref(0)?.as_blob()?) } else { digest(row, 0)? };
        }
        Ok(())
    }
}

/// The leaf hashes that are recorded for records whose damage people acknowledged, from `first` to before `end`.
fn recorded_leaves(connection: &Connection, first: u64, end: u64) -> rusqlite::Result<BTreeMap<u64, Digest>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, expected FROM acknowledged_damage
         WHERE seq >= ?1 AND seq < ?2 AND rule IN ('edited', 'columns', 'missing', 'reordered')",
    )?;
    let rows = statement.query_map([first, end], |row| {
        let leaf = row.get_ref(1)?.as_str()?.parse();
        Ok((row.get(0)?, leaf.map_err(|_| rusqlite::Error::from(FromSqlError::InvalidType))?))
    })?;
    rows.collect()
}

fn read_past(
    connection: &Connection,
    first: u64,
    hashes: &mut [Digest],
    recorded: &BTreeMap<u64, Digest>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("SELECT record FROM audit_events WHERE seq = ?1")?;
    for (seq, place) in (first..).zip(hashes) {
        *place = match recorded.get(&seq) {
            Some(leaf) => *leaf,
            None => statement.query_row([seq], |row| Ok(leaf_hash(row.get_ref(0)?.as_blob()?)))?,
        };
    }
    Ok(())
}

/// A column of 32 octets.
///
/// # Errors
/// It holds something else.
pub fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let octets = row.get_ref(column)?.as_blob()?;
    let wrong = |_| FromSqlError::InvalidBlobSize { expected_size: 32, blob_size: octets.len() };
    Ok(Digest::from_bytes(octets.try_into().map_err(wrong)?))
}

/// The queries of [`Beside`]: one for each level that is stored.
pub struct Levels<'c>(Vec<(u32, Statement<'c>)>);

impl<'c> Levels<'c> {
    /// Prepares them.
    ///
    /// # Errors
    /// There is no table of nodes.
    pub fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        const SQL: &str = "SELECT idx, hash FROM ledger_nodes WHERE level = ?1 AND idx >= ?2 ORDER BY idx";
        let levels = (STRIDE..u64::BITS).step_by(STRIDE as usize);
        levels.map(|level| Ok((level, connection.prepare(SQL)?))).collect::<rusqlite::Result<_>>().map(Self)
    }

    /// The nodes behind those of the first `size` records.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn behind(&mut self, size: u64) -> rusqlite::Result<Beside<'_>> {
        let rows = self.0.iter_mut().map(|(level, statement)| statement.query(params![*level, size >> *level]));
        rows.collect::<rusqlite::Result<_>>().map(Beside)
    }
}

/// The stored nodes beside a pass over the records: read level by level, in the order in which the records complete them.
pub struct Beside<'s>(Vec<Rows<'s>>);

/// What is stored in the place of a node: its index and its hash, where they are such.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    index: Option<u64>,
    hash: Option<Digest>,
}

impl Beside<'_> {
    /// The next of a level; `None` behind the last.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn next(&mut self, level: u32) -> rusqlite::Result<Option<Stored>> {
        let Some(rows) = self.0.get_mut((level / STRIDE) as usize - 1) else { return Ok(None) };
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Stored { index: row.get(0).ok(), hash: digest(row, 1).ok() }))
    }
}

/// The levels at which the first `size` records complete a node that is stored, lowest first.
pub fn completed(size: u64) -> impl Iterator<Item = u32> {
    (STRIDE..=size.trailing_zeros().min(u64::BITS - 1)).step_by(STRIDE as usize)
}

/// Compares what is stored in the place of `node`, which the first `size` records complete.
pub fn compare(node: &Node, stored: Option<Stored>, size: u64) -> Option<Damage> {
    let Node { level, index, hash } = node;
    let text = match stored.filter(|stored| stored.index == Some(*index)) {
        Some(stored) if stored.hash == Some(*hash) => return None,
        Some(_) => format!("the stored node {index} of level {level} is not the {hash} that the records make"),
        None => format!("the stored node {index} of level {level} is missing; the records make {hash}"),
    };
    Some(damage(size.checked_sub(1), "nodes", text))
}

/// Every node that the records make was found; so there are too many where the numbers differ.
///
/// # Errors
/// The database cannot be read.
pub fn compare_count(connection: &Connection, size: u64) -> rusqlite::Result<Option<Damage>> {
    let stored: u64 = connection.query_row("SELECT count(*) FROM ledger_nodes", [], |row| row.get(0))?;
    let expected: u64 = (STRIDE..u64::BITS).step_by(STRIDE as usize).map(|level| size >> level).sum();
    Ok((stored != expected)
        .then(|| damage(None, "nodes", format!("{stored} nodes are stored; {size} records make {expected}"))))
}
