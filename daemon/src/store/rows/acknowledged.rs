//! `acknowledged_damage`: damage that a quorum of people acknowledged, as the records say.

use countersign_shared::digest::Digest;
use countersign_shared::id::{JobId, RequestId};
use countersign_verify::acknowledged::Entry;
use rusqlite::{Connection, OptionalExtension, params};

/// The rules by which a record itself is damaged.
const OF_RECORDS: &str = "rule IN ('edited', 'columns', 'missing', 'reordered')";

/// Keeps what the record `by` says, in its order.
pub fn insert(connection: &Connection, by: u64, entries: &[Entry]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO acknowledged_damage (by_seq, idx, seq, rule, expected, found) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (idx, entry) in entries.iter().enumerate() {
        let digest = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
        statement.execute(params![by, idx, entry.seq, entry.rule, digest(&entry.expected), digest(&entry.found)])?;
    }
    Ok(())
}

/// How many pieces of damage are acknowledged.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT count(*) FROM acknowledged_damage")?.query_row([], |row| row.get(0))
}

/// The record that acknowledges that this record is damaged, where one does.
pub fn of_record(connection: &Connection, seq: u64) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached(&format!("SELECT by_seq FROM acknowledged_damage WHERE seq = ?1 AND {OF_RECORDS} LIMIT 1"))?
        .query_row([seq], |row| row.get(0))
        .optional()
}

/// The leaf hash that is recorded for this record, where it is acknowledged that it is damaged.
pub fn recorded(connection: &Connection, seq: u64) -> rusqlite::Result<Option<Digest>> {
    let expected: Option<String> = connection
        .prepare_cached(&format!(
            "SELECT expected FROM acknowledged_damage WHERE seq = ?1 AND {OF_RECORDS} ORDER BY by_seq DESC LIMIT 1"
        ))?
        .query_row([seq], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(expected.and_then(|digest| digest.parse().ok()))
}

/// True where the anchor that this record brought is known to disagree.
pub fn of_anchor(connection: &Connection, note_sha256: &Digest) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM acknowledged_damage WHERE rule = 'anchor' AND expected = ?1)")?
        .query_row([note_sha256.to_string()], |row| row.get(0))
}

/// A damaged record that a request or its job rests on.
pub fn beneath(
    connection: &Connection,
    request: Option<&RequestId>,
    job: Option<&JobId>,
) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached(&format!(
            "SELECT seq FROM acknowledged_damage WHERE {OF_RECORDS} AND seq IN (
                SELECT seq FROM approval_requests WHERE id = ?1
                UNION ALL SELECT requested_seq FROM approval_requests WHERE id = ?1
                UNION ALL SELECT seq FROM decisions WHERE request_id = ?1
                UNION ALL SELECT seq FROM request_terms WHERE request_id = ?1
                UNION ALL SELECT done_seq FROM request_timers WHERE request_id = ?1
                UNION ALL SELECT record_seq FROM jobs WHERE id = ?2 OR request_id = ?1) LIMIT 1"
        ))?
        .query_row(params![request.map(RequestId::as_str), job.map(JobId::as_str)], |row| row.get(0))
        .optional()
}
