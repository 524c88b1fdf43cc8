//! `request_terms`: what each version of a request was made under.

use countersign_shared::digest::Digest;
use countersign_shared::id::RequestId;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{InOrder, to_json};
use crate::policy::Terms;

/// The terms of one version.
#[derive(Clone, Debug)]
pub struct TermsRow {
    /// The version: 1, and one more with each amendment.
    pub version: u32,
    /// Its content digest.
    pub digest: Digest,
    /// Its submission; none for a change of the policy.
    pub submission_id: Option<i64>,
    /// Who has to agree.
    pub terms: Terms,
    /// Not to be carried out before this moment.
    pub not_before: Option<Scheduled>,
    /// The name that requests of one batch share.
    pub batch: Option<String>,
    /// When the version was made.
    pub created_at: Timestamp,
    /// The ledger record that says the same.
    pub seq: u64,
}

/// A scheduled start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// By the wall clock, as it was asked for: part of the content that is agreed to.
    pub at: Timestamp,
    /// On the daemon's time line, which no change of the wall clock moves.
    pub tick: i64,
}

/// Stores those of a version.
pub fn insert(connection: &Connection, request: &RequestId, row: &TermsRow) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO request_terms (request_id, version, digest, submission_id, terms, not_before,
                 not_before_tick, batch, created_at, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            request.as_str(),
            row.version,
            row.digest.to_string(),
            row.submission_id,
            to_json(&row.terms)?,
            row.not_before.map(|start| start.at.to_string()),
            row.not_before.map(|start| start.tick),
            row.batch,
            row.created_at.to_string(),
            row.seq,
        ])?;
    Ok(())
}

/// Those of one version; none for a request from before there were terms of their own.
pub fn get(connection: &Connection, request: &RequestId, version: u32) -> rusqlite::Result<Option<TermsRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM request_terms WHERE request_id = ?1 AND version = ?2"))?
        .query_row(params![request.as_str(), version], read)
        .optional()
}

/// Those of every version, oldest first.
pub fn all(connection: &Connection, request: &RequestId) -> rusqlite::Result<Vec<TermsRow>> {
    let sql = format!("SELECT {COLUMNS} FROM request_terms WHERE request_id = ?1 ORDER BY version");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([request.as_str()], read)?;
    rows.collect()
}

/// In the order in which [`read`] takes them.
const COLUMNS: &str = "version, digest, submission_id, terms, not_before, not_before_tick, batch, created_at, seq";

fn read(row: &Row<'_>) -> rusqlite::Result<TermsRow> {
    let mut row = InOrder::of(row);
    Ok(TermsRow {
        version: row.get()?,
        digest: row.parsed()?,
        submission_id: row.get()?,
        terms: row.json()?,
        not_before: read_start(&mut row)?,
        batch: row.get()?,
        created_at: row.parsed()?,
        seq: row.get()?,
    })
}

fn read_start(row: &mut InOrder<'_, '_>) -> rusqlite::Result<Option<Scheduled>> {
    let (at, tick) = (row.parsed_if()?, row.get::<Option<i64>>()?);
    Ok(at.zip(tick).map(|(at, tick)| Scheduled { at, tick }))
}
