//! `crl_entries` and `crls`: what has ended before its time, and the newest list of each issuer.

use countersign_shared::digest::Digest;
use countersign_shared::id::JobId;
use countersign_shared::revocation::{Revocation, RevocationReason};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{one, parsed};

/// A certificate that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Hexadecimal, lower case.
    pub serial: String,
    /// Why.
    pub reason: RevocationReason,
    /// When.
    pub revoked_at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
}

/// The newest list of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// 1, and one more with each list.
    pub number: u64,
    /// When it was signed.
    pub this_update: Timestamp,
    /// When the next one is there at the latest.
    pub next_update: Timestamp,
    /// When the next one is to be signed, on the time line.
    pub due_tick: i64,
    /// The entries that there were when it was signed.
    pub entries: u64,
    /// SHA-256 of the list, as it was recorded.
    pub sha256: Digest,
    /// The list.
    pub der: Vec<u8>,
}

/// Ends a version: its entry, and its state.
pub fn revoke(
    connection: &Connection,
    revocation: &Revocation,
    job: &JobId,
    at: Timestamp,
    not_after: Timestamp,
    seq: u64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO crl_entries (issuer, serial, certificate_id, version, reason, revoked_at, not_after, job_id, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            revocation.issuer,
            revocation.serial,
            revocation.certificate_id.as_str(),
            revocation.version,
            revocation.reason.as_str(),
            at.to_string(),
            not_after.to_string(),
            job.as_str(),
            seq,
        ])?;
    connection
        .prepare_cached(
            "UPDATE certificate_versions SET state = 'revoked' WHERE certificate_id = ?1 AND version = ?2
                 AND issuer = ?3 AND serial = ?4",
        )?
        .execute(params![revocation.certificate_id.as_str(), revocation.version, revocation.issuer, revocation.serial])
        .and_then(one)
}

/// How many entries an issuer has, those of certificates long expired among them: the number only grows.
pub fn count(connection: &Connection, issuer: &str) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM crl_entries WHERE issuer = ?1")?
        .query_row([issuer], |row| row.get(0))
}

/// The entries of certificates that end at `since` or later, in the order of the ledger.
pub fn entries(connection: &Connection, issuer: &str, since: Timestamp) -> rusqlite::Result<Vec<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT serial, reason, revoked_at, seq FROM crl_entries WHERE issuer = ?1 AND not_after >= ?2 ORDER BY seq",
    )?;
    let rows = statement.query_map(params![issuer, since.to_string()], |row| {
        Ok(Entry {
            serial: row.get("serial")?,
            reason: parsed(row, "reason")?,
            revoked_at: parsed(row, "revoked_at")?,
            seq: row.get("seq")?,
        })
    })?;
    rows.collect()
}

/// The newest list of an issuer.
pub fn newest(connection: &Connection, issuer: &str) -> rusqlite::Result<Option<List>> {
    connection
        .prepare_cached("SELECT * FROM crls WHERE issuer = ?1")?
        .query_row([issuer], |row| {
            Ok(List {
                number: row.get("number")?,
                this_update: parsed(row, "this_update")?,
                next_update: parsed(row, "next_update")?,
                due_tick: row.get("due_tick")?,
                entries: row.get("entries")?,
                sha256: parsed(row, "sha256")?,
                der: row.get("der")?,
            })
        })
        .optional()
}

/// Puts a list in the place of the one before it. The database takes the next number alone.
pub fn replace(connection: &Connection, issuer: &str, list: &List, seq: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO crls (issuer, number, this_update, next_update, due_tick, entries, sha256, der, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (issuer) DO UPDATE SET number = excluded.number, this_update = excluded.this_update,
                 next_update = excluded.next_update, due_tick = excluded.due_tick, entries = excluded.entries,
                 sha256 = excluded.sha256, der = excluded.der, seq = excluded.seq",
        )?
        .execute(params![
            issuer,
            list.number,
            list.this_update.to_string(),
            list.next_update.to_string(),
            list.due_tick,
            list.entries,
            list.sha256.to_string(),
            list.der,
            seq,
        ])
        .and_then(one)
}

/// An entry that no ledger record explains, or a record whose entry is not there, in words.
pub fn unexplained(connection: &Connection, issuer: &str) -> rusqlite::Result<Option<String>> {
    let added: Option<String> = connection
        .prepare_cached(
            "SELECT e.serial FROM crl_entries e LEFT JOIN audit_events a ON a.seq = e.seq
             WHERE e.issuer = ?1 AND (a.action IS NOT 'certificate_revoked' OR a.details ->> '$.issuer' IS NOT e.issuer
                OR a.details ->> '$.serial' IS NOT e.serial OR a.details ->> '$.reason' IS NOT e.reason) LIMIT 1",
        )?
        .query_row([issuer], |row| row.get(0))
        .optional()?;
    if let Some(serial) = added {
        let serial = Untrusted::new(serial);
        return Ok(Some(format!("no ledger record says that {:.64} was revoked as its entry says", serial.safe())));
    }
    connection
        .prepare_cached(
            "SELECT a.seq FROM audit_events a WHERE a.action = 'certificate_revoked' AND a.details ->> '$.issuer' = ?1
                AND NOT EXISTS (SELECT 1 FROM crl_entries e WHERE e.seq = a.seq) LIMIT 1",
        )?
        .query_row([issuer], |row| {
            Ok(format!("the entry of what ledger record {} revoked is not there", row.get::<_, u64>(0)?))
        })
        .optional()
}
