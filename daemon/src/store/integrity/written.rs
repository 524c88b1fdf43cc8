//! What this process knows of the ledger without the database: where it left it.
//!
//! Whoever rewrites the database under a daemon does not rewrite what the daemon remembers. Until it ends, that is as good as an
//! anchor.

use countersign_proof::tree::root_at;
use countersign_shared::protocol::Damage;
use rusqlite::Connection;

use super::stored_frontier;
use crate::ledger::Tail;
use crate::store::rows::nodes::StoredNodes;

/// Compares the ledger that `connection` sees, of `size` records that were verified with their nodes, with its end as this
/// process knew it before.
pub fn compare(connection: &Connection, size: u64, written: &Tail) -> rusqlite::Result<Option<Damage>> {
    let wrote = written.size();
    if size < wrote {
        let text =
            format!("this daemon knows of {wrote} records, {size} are there: an older state was put in their place");
        return Ok(Some(Damage { seq: Some(size), rule: "truncated".into(), text }));
    }
    let (known, found) = (written.frontier().root(), root_at(&StoredNodes(connection), wrote)?);
    Ok((known != found).then(|| {
        let text = format!(
            "this daemon knows {wrote} records with the root {known}; those that are there have {found}: they were \
             rewritten under it"
        );
        Damage { seq: None, rule: "rewritten".into(), text }
    }))
}

/// Before anything is written behind it: the stored end of the ledger is the one that this process left.
pub fn compare_end(connection: &Connection, written: &Tail) -> rusqlite::Result<Option<Damage>> {
    let stored = stored_frontier(connection)?;
    if stored.as_ref() == Some(written.frontier()) {
        return Ok(None);
    }
    let stored = match stored {
        Some(stored) => format!("{} with the root {} are stored", stored.size(), stored.root()),
        None => "what is stored is no tree".to_owned(),
    };
    let text = format!(
        "this daemon left {} records with the root {}, {stored}: somebody else wrote to the ledger",
        written.size(),
        written.frontier().root()
    );
    Ok(Some(Damage { seq: None, rule: "rewritten".into(), text }))
}

/// The record number `seq` could not be added because of what stands there already; nobody but this process adds any.
pub fn in_the_way(seq: u64, error: &rusqlite::Error) -> Damage {
    let text = format!("record {seq} cannot follow those that are there, somebody else wrote to the ledger: {error}");
    Damage { seq: Some(seq), rule: "rewritten".into(), text }
}
