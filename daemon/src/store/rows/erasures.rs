//! `erasures`, `erasure_reasons`: free texts that people had erased, and why.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::ErasableText;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension, params};

/// Where texts stand: the table, its text, its salt, and how a row is found by the record `?1` or the digest `?2`.
const PLACES: &[(ErasableText, &str, &str, &str, &str)] = &[
    (ErasableText::Note, "decisions", "note", "note_salt", "seq = ?1 AND ?2 IS NOT NULL"),
    (ErasableText::Comment, "remarks", "text", "text_salt", "seq = ?1 AND kind = 'comment' AND ?2 IS NOT NULL"),
    (ErasableText::Reason, "remarks", "text", "text_salt", "seq = ?1 AND kind <> 'comment' AND ?2 IS NOT NULL"),
    (ErasableText::Reason, "delegations", "reason", "reason_salt", "seq = ?1 AND ?2 IS NOT NULL"),
    // Versions of a request share a reason with its salt and digest.
    (ErasableText::Reason, "submissions", "reason", "reason_salt", "reason_sha256 = ?2 AND ?1 IS NOT NULL"),
    (ErasableText::Reason, "proposals", "reason", "reason_salt", "reason_sha256 = ?2 AND ?1 IS NOT NULL"),
];

/// Keeps why somebody asked.
pub fn keep_reason(connection: &Connection, seq: u64, reason: &Untrusted, salt: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO erasure_reasons (seq, reason, reason_salt) VALUES (?1, ?2, ?3)")?
        .execute(params![seq, reason.raw(), salt])?;
    Ok(())
}

/// The records by which texts of the record `seq` were erased.
pub fn of_record(connection: &Connection, seq: u64) -> rusqlite::Result<Vec<u64>> {
    let mut statement = connection.prepare_cached("SELECT by_seq FROM erasures WHERE seq = ?1 ORDER BY by_seq")?;
    statement.query_map([seq], |row| row.get(0))?.collect()
}

/// Whether a text is there; `None` where nothing could hold one.
pub fn standing(
    connection: &Connection,
    (seq, what): (u64, ErasableText),
    sha256: &Digest,
) -> rusqlite::Result<Option<bool>> {
    let mut found = None;
    for (_, table, text, _, condition) in PLACES.iter().filter(|place| place.0 == what) {
        let there: Option<bool> = connection
            .prepare_cached(&format!("SELECT max({text} <> '') FROM {table} WHERE {condition}"))?
            .query_row(params![seq, sha256.to_string()], |row| row.get(0))
            .optional()?
            .flatten();
        found = found.max(there);
    }
    Ok(found)
}

/// Whether the note in the record `seq` is part of what somebody signed for a request that is open, or whose job has not ended:
/// without it the decision would count for nothing there.
pub fn holds_up(connection: &Connection, seq: u64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM decision_signatures s JOIN decisions d ON d.seq = s.seq
             JOIN approval_requests r ON r.id = d.request_id
             WHERE s.seq = ?1 AND (r.state = 'pending' OR EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = r.id
                AND j.state NOT IN ('completed', 'failed', 'cancelled'))))",
        )?
        .query_row([seq], |row| row.get(0))
}

/// Erases it everywhere, under the record `by`; says how many rows held it.
pub fn erase(
    connection: &Connection,
    (seq, what): (u64, ErasableText),
    sha256: &Digest,
    by: u64,
) -> rusqlite::Result<usize> {
    let digest = sha256.to_string();
    connection
        .prepare_cached("INSERT INTO erasures (seq, what, sha256, by_seq) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seq, what.as_str(), digest, by])?;
    let mut erased = 0;
    for (_, table, text, salt, condition) in PLACES.iter().filter(|place| place.0 == what) {
        erased += connection
            .prepare_cached(&format!("UPDATE {table} SET {text} = '', {salt} = x'' WHERE {condition}"))?
            .execute(params![seq, digest])?;
    }
    // A job that was cancelled repeats why.
    connection
        .prepare_cached(
            "UPDATE jobs SET error = 'erased' WHERE state = 'cancelled'
             AND request_id IN (SELECT id FROM approval_requests WHERE seq = ?1)",
        )?
        .execute([seq])?;
    // What was submitted under a key is known by a digest without a salt: whoever guesses the text could try it.
    connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE job_id IN (SELECT j.id FROM jobs j JOIN submissions s ON s.id = j.submission_id
             WHERE s.reason_sha256 = ?1)",
        )?
        .execute([digest])?;
    Ok(erased)
}
