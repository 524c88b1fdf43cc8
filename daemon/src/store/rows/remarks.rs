//! `remarks`: texts that people left with a request: comments, and the reasons of its end.

use countersign_shared::id::RequestId;
use countersign_shared::protocol::{PersonRef, Remark, RemarkKind};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{free_text, parsed};

/// A remark that is made now.
pub struct NewRemark<'a> {
    /// On which request.
    pub request_id: &'a RequestId,
    /// The version that it has.
    pub version: u32,
    /// What the remark comes with.
    pub kind: RemarkKind,
    /// Who.
    pub by: &'a PersonRef,
    /// The text.
    pub text: &'a str,
    /// The salt under which the record holds the text.
    pub text_salt: &'a [u8],
    /// Now.
    pub at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
}

/// Stores one.
pub fn insert(connection: &Connection, new: &NewRemark<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO remarks (request_id, version, kind, uid, account, person, text, text_salt, at, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            new.request_id.as_str(),
            new.version,
            new.kind.as_str(),
            new.by.uid,
            new.by.account,
            new.by.person,
            new.text,
            new.text_salt,
            new.at.to_string(),
            new.seq,
        ])?;
    Ok(())
}

/// The newest of a request, at most `limit`, oldest first.
pub fn of(connection: &Connection, request: &RequestId, limit: u32) -> rusqlite::Result<Vec<Remark>> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM (SELECT * FROM remarks WHERE request_id = ?1 ORDER BY id DESC LIMIT ?2) ORDER BY id",
    )?;
    let rows = statement.query_map(params![request.as_str(), limit], read)?;
    rows.collect()
}

/// Why a request was voided or withdrawn.
pub fn ending(connection: &Connection, request: &RequestId) -> rusqlite::Result<Option<Untrusted>> {
    connection
        .prepare_cached(
            "SELECT text, text_salt FROM remarks WHERE request_id = ?1 AND kind <> 'comment' ORDER BY id DESC LIMIT 1",
        )?
        .query_row([request.as_str()], |row| free_text(row, "text", "text_salt"))
        .optional()
}

/// How many there are on a request, up to `limit`.
pub fn count(connection: &Connection, request: &RequestId, limit: u32) -> rusqlite::Result<u32> {
    connection
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM remarks WHERE request_id = ?1 LIMIT ?2)")?
        .query_row(params![request.as_str(), limit], |row| row.get(0))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Remark> {
    Ok(Remark {
        kind: parsed(row, "kind")?,
        by: PersonRef { account: row.get("account")?, person: row.get("person")?, uid: row.get("uid")? },
        text: free_text(row, "text", "text_salt")?,
        version: row.get("version")?,
        at: parsed(row, "at")?,
        seq: row.get("seq")?,
    })
}
