//! What somebody can do to a database who may write every file of the host and knows the program as well as we do.

use std::path::Path;

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::{Signer, VerifierKey};
use countersign_shared::digest::Digest;
use countersignd::ledger::{Tail, leaf_hash};
use rusqlite::{Connection, params};

use crate::support::ledger::{Columned, peaks, records, sealed_with};

/// Takes the triggers away, acts, and puts them back, so that the schema shows nothing. Whole or not at all, so that a daemon
/// that runs sees either.
pub fn unguarded(db: &Connection, act: impl FnOnce(&Connection)) {
    db.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE").unwrap();
    let triggers: Vec<(String, String)> = db
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!triggers.is_empty());
    triggers.iter().for_each(|(name, _)| db.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    act(db);
    triggers.iter().for_each(|(_, sql)| db.execute_batch(sql).unwrap());
    db.execute_batch("COMMIT").unwrap();
}

/// The same for one statement after the other.
pub fn sql(db: &Connection, script: &str) {
    unguarded(db, |db| db.execute_batch(script).unwrap_or_else(|error| panic!("{script}: {error}")));
}

/// Makes the first `size` records anew as the daemon would have written them, and drops the others: `change` is applied to the
/// columns of each by number, then every hash, every hash that another record repeats, the tree and its nodes are computed.
///
/// To be called [`unguarded`].
pub fn rehash(db: &Connection, size: u64, change: impl Fn(u64, &mut Columned)) {
    let mut rows = records(db, "main");
    rows.truncate(usize::try_from(size).unwrap());
    db.execute_batch("DELETE FROM ledger_nodes").unwrap();
    db.execute("DELETE FROM audit_events WHERE seq >= ?1", [size]).unwrap();
    let (mut tail, mut hashes) = (Tail::default(), Vec::<Digest>::new());
    for (seq, row) in rows.iter_mut().enumerate() {
        change(seq as u64, row);
        let mut details: serde_json::Value = serde_json::from_str(&row[8]).unwrap();
        if let Some(allowed_by) = details.get("allowed_by_seq").and_then(serde_json::Value::as_u64) {
            details["allowed_by_sha256"] = hashes[usize::try_from(allowed_by).unwrap()].to_string().into();
            row[8] = details.to_string();
        }
        let mut nodes = Vec::new();
        let record = sealed_with(&mut tail, row, |node| nodes.push(node));
        hashes.push(leaf_hash(&record));
        db.execute(
            "UPDATE audit_events SET details = ?2, actor = ?3, created_at = ?4, record = ?5 WHERE seq = ?1",
            params![seq, row[8], row[2], row[1], record],
        )
        .unwrap();
        for node in nodes {
            let values = params![node.level, node.index, node.hash.as_bytes()];
            db.execute("INSERT INTO ledger_nodes VALUES (?1, ?2, ?3)", values).unwrap();
        }
    }
    db.execute("UPDATE ledger_frontier SET size = ?1, peaks = ?2", params![tail.size(), peaks(&tail)]).unwrap();
}

/// Signs every checkpoint that the host kept anew with the real key, over the records that are there now, the one in the file
/// beside the database included; forgets those of more.
///
/// To be called [`unguarded`].
pub fn sign_again(db: &Connection, state: &Path) {
    let vkey: String = db.query_row("SELECT vkey FROM checkpoint_keys WHERE id = 1", [], |row| row.get(0)).unwrap();
    let vkey: VerifierKey = vkey.parse().unwrap();
    let octets = std::fs::read(state.join("checkpoint.key")).unwrap();
    let signer = Signer::from_private_key(vkey.name().clone(), &octets).unwrap();
    assert_eq!(*signer.key(), vkey);
    let (mut tail, mut roots) = (Tail::default(), Vec::new());
    let mut statement = db.prepare("SELECT record FROM audit_events ORDER BY seq").unwrap();
    for record in statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap() {
        roots.push(tail.frontier().root());
        tail.advance(leaf_hash(&record.unwrap()), |_| {});
    }
    roots.push(tail.frontier().root());
    db.execute_batch("DELETE FROM checkpoint_signatures").unwrap();
    db.execute("DELETE FROM checkpoints WHERE size > ?1", [tail.size()]).unwrap();
    let sizes: Vec<u64> = db
        .prepare("SELECT size FROM checkpoints")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(!sizes.is_empty());
    let mut newest = (0, String::new());
    for size in sizes {
        let root = roots[usize::try_from(size).unwrap()];
        let note = SignedCheckpoint::sign(&signer, size, root).unwrap().to_string();
        db.execute("UPDATE checkpoints SET root = ?2, note = ?3 WHERE size = ?1", params![size, root.as_bytes(), note])
            .unwrap();
        newest = newest.max((size, note));
    }
    std::fs::write(state.join("checkpoint.signed"), newest.1).unwrap();
}

/// Takes every request away that no record is left of, with all that belongs to it.
///
/// To be called [`unguarded`], with the records cut off already.
pub fn forget_requests(db: &Connection) {
    db.execute_batch(
        "CREATE TEMP TABLE gone AS SELECT id, certificate_id, job_id, submission_id FROM approval_requests
             WHERE requested_seq >= (SELECT size FROM ledger_frontier);
         DELETE FROM request_terms WHERE request_id IN (SELECT id FROM gone);
         DELETE FROM request_timers WHERE request_id IN (SELECT id FROM gone);
         DELETE FROM notification_events WHERE resource_id IN (SELECT id FROM gone);
         DELETE FROM approval_requests WHERE id IN (SELECT id FROM gone);
         DELETE FROM jobs WHERE id IN (SELECT job_id FROM gone);
         DELETE FROM submissions WHERE id IN (SELECT submission_id FROM gone);
         DELETE FROM certificates WHERE id IN (SELECT certificate_id FROM gone);
         DROP TABLE gone",
    )
    .unwrap();
}
