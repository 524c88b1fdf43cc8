//! `ledger_nodes`: the nodes of the tree that proofs are made from.

use countersign_shared::digest::Digest;
pub use countersign_verify::nodes::StoredNodes;
pub(super) use countersign_verify::nodes::digest;
use rusqlite::{Connection, OptionalExtension, params};

use crate::ledger::{Node, Tail, leaf_hash};
use crate::store::rows::meta;

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
        .query_row(params![level, index], |row| digest(row, 0))
        .optional()
}

/// How many nodes are stored.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM ledger_nodes", [], |row| row.get(0))
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
