//! The right edge of the tree as the database keeps it, beside the one that the records make.

use countersign_proof::tree::Frontier;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use rusqlite::Connection;

use crate::damage;

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

/// What the stored frontier says that the records do not.
pub fn compare_frontier(stored: &Option<Frontier>, computed: &Frontier) -> Option<Damage> {
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
