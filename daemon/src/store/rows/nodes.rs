//! `ledger_nodes`: the nodes of the tree that proofs are made from.

use std::collections::BTreeMap;

use countersign_proof::tree::{MOST_AT_ONCE, Nodes};
use countersign_shared::digest::Digest;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::ledger::{Node, Tail, leaf_hash};
use crate::store::rows::{acknowledged, audit, meta};

/// Records whose nodes one transaction of [`fill`] adds.
const BATCH: u64 = 65_536;
/// The key of `meta` that says that every record has its nodes.
const FILLED: &str = "ledger_nodes";

/// Adds a node.
pub fn insert(connection: &Connection, node: &Node) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO ledger_nodes (level, idx, hash) VALUES (?1, ?2, ?3)")?.execute(params![
        node.level,
        node.index,
        node.hash.as_bytes()
    ])?;
    Ok(())
}

/// One node, where it is stored.
pub fn get(connection: &Connection, level: u32, index: u64) -> rusqlite::Result<Option<Digest>> {
    connection
        .prepare_cached("SELECT hash FROM ledger_nodes WHERE level = ?1 AND idx = ?2")?
        .query_row(params![level, index], hash)
        .optional()
}

/// How many nodes are stored.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM ledger_nodes", [], |row| row.get(0))
}

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
        let recorded = if level == 0 { acknowledged::leaves(self.0, first, end)? } else { Vec::new() };
        if !recorded.is_empty() {
            drop(rows);
            return read_past(self.0, first, hashes, recorded);
        }
        for place in hashes {
            let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            *place = if level == 0 { leaf_hash(row.get_ref(0)?.as_blob()?) } else { hash(row)? };
        }
        Ok(())
    }
}

fn read_past(
    connection: &Connection,
    first: u64,
    hashes: &mut [Digest],
    recorded: Vec<(u64, Digest)>,
) -> rusqlite::Result<()> {
    let recorded: BTreeMap<u64, Digest> = recorded.into_iter().collect();
    for (seq, place) in (first..).zip(hashes) {
        *place = match recorded.get(&seq) {
            Some(leaf) => *leaf,
            None => {
                let record = audit::record(connection, seq)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                leaf_hash(&record)
            }
        };
    }
    Ok(())
}

/// Adds the nodes of a ledger that was written before there were any, a bounded number in one transaction; goes on
/// where it was interrupted. Once all are there, a node that is missing is damage, and nothing is added here any more.
///
/// It stops without a word where the records have a gap: the verification that follows names it.
pub fn fill(connection: &mut Connection) -> rusqlite::Result<()> {
    if meta::get(connection, FILLED)?.is_some() {
        return Ok(());
    }
    // From the first record on, for the frontier; nodes that an earlier start left are there already.
    let mut tail = Tail::default();
    loop {
        let (begin, mut gap) = (tail.size(), false);
        let transaction = connection.transaction()?;
        {
            let mut records = transaction
                .prepare_cached("SELECT seq, record FROM audit_events WHERE seq >= ?1 ORDER BY seq LIMIT ?2")?;
            let mut rows = records.query([begin, BATCH])?;
            while let Some(row) = rows.next()? {
                if row.get::<_, u64>(0)? != tail.size() {
                    gap = true;
                    break;
                }
                let mut complete = Vec::new();
                tail.advance(leaf_hash(row.get_ref(1)?.as_blob()?), |node| complete.push(node));
                for node in complete {
                    if get(&transaction, node.level, node.index)?.is_none() {
                        insert(&transaction, &node)?;
                    }
                }
            }
        }
        let last = tail.size() - begin < BATCH;
        if last && !gap {
            meta::set(&transaction, FILLED, "complete")?;
        }
        transaction.commit()?;
        if last {
            return Ok(());
        }
    }
}

fn hash(row: &Row<'_>) -> rusqlite::Result<Digest> {
    digest(row, 0)
}

/// A column of 32 octets.
pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    let octets = row.get_ref(column)?.as_blob()?;
    let wrong = |_| FromSqlError::InvalidBlobSize { expected_size: 32, blob_size: octets.len() };
    Ok(Digest::from_bytes(octets.try_into().map_err(wrong)?))
}

#[cfg(test)]
mod tests {
    use countersign_proof::tree::root_at;

    use super::*;
    use crate::store::migrations::{migrate, newest};

    fn ledger(size: u64) -> (Connection, Vec<Digest>) {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        let (mut tail, mut roots) = (Tail::default(), vec![tail_root(&Tail::default())]);
        for seq in 0..size {
            let record = format!("record {seq}").into_bytes();
            connection
                .execute(
                    "INSERT INTO audit_events VALUES (?1, ?1, 't', 'a', 'User', 'x', 'auth', 'r', 'i', '{}', ?2)",
                    params![seq, record],
                )
                .unwrap();
            tail.advance(leaf_hash(&record), |_| {});
            roots.push(tail_root(&tail));
        }
        (connection, roots)
    }

    fn tail_root(tail: &Tail) -> Digest {
        tail.frontier().root()
    }

    #[test]
    fn an_old_ledger_gets_its_nodes_once_and_an_interrupted_filling_goes_on() {
        let (mut connection, roots) = ledger(600);
        insert_first(&connection, 7);
        fill(&mut connection).unwrap();
        assert_eq!(count(&connection).unwrap(), 600 / 16 + 600 / 256);
        for (size, root) in roots.iter().enumerate() {
            assert_eq!(root_at(&StoredNodes(&connection), size as u64).unwrap(), *root, "{size}");
        }
        assert!(root_at(&StoredNodes(&connection), 601).is_err());
        // One that is lost afterwards is not put back.
        connection
            .execute_batch("DROP TRIGGER ledger_nodes_no_delete; DELETE FROM ledger_nodes WHERE level = 8")
            .unwrap();
        fill(&mut connection).unwrap();
        assert_eq!(count(&connection).unwrap(), 600 / 16);
    }

    /// What a start left that was killed on the way.
    fn insert_first(connection: &Connection, nodes: u64) {
        let mut tail = Tail::default();
        for seq in 0..nodes * 16 {
            let mut complete = Vec::new();
            tail.advance(leaf_hash(format!("record {seq}").as_bytes()), |node| complete.push(node));
            complete.iter().for_each(|node| insert(connection, node).unwrap());
        }
        assert_eq!(count(connection).unwrap(), nodes);
    }

    #[test]
    fn a_gap_ends_the_filling_and_is_left_to_the_verification() {
        let (mut connection, _) = ledger(40);
        connection
            .execute_batch("DROP TRIGGER audit_events_no_delete; DELETE FROM audit_events WHERE seq = 20")
            .unwrap();
        fill(&mut connection).unwrap();
        assert_eq!(meta::get(&connection, FILLED).unwrap(), None);
    }
}
