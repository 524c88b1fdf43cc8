//! `policies`: every document that has been in force.

use std::sync::Arc;

use countersign_shared::digest::Digest;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::parsed;
use crate::policy::{Policy, past};

/// A policy as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// 1, 2, …
    pub version: u32,
    /// SHA-256 of the document.
    pub sha256: Digest,
    /// TOML.
    pub document: String,
    /// When it took force.
    pub in_force_since: Timestamp,
}

/// The policy in force: the newest.
pub fn in_force(connection: &Connection) -> rusqlite::Result<Option<PolicyRow>> {
    connection
        .prepare_cached("SELECT version, sha256, document, in_force_since FROM policies ORDER BY version DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(PolicyRow {
                version: row.get("version")?,
                sha256: parsed(row, "sha256")?,
                document: row.get("document")?,
                in_force_since: parsed(row, "in_force_since")?,
            })
        })
        .optional()
}

/// A policy that was in force, by its digest; none where it is not there, or cannot be read any more.
pub fn past(connection: &Connection, sha256: &str) -> rusqlite::Result<Option<Arc<Policy>>> {
    // A document has up to half a mebibyte, and each decision under a policy of the past would read it.
    if let Some(known) = past::known(sha256) {
        return Ok(Some(known));
    }
    let document: Option<(Digest, String)> = connection
        .prepare_cached("SELECT sha256, document FROM policies WHERE sha256 = ?1 ORDER BY version DESC LIMIT 1")?
        .query_row([sha256], |row| Ok((parsed(row, "sha256")?, row.get("document")?)))
        .optional()?;
    Ok(document.and_then(|(sha256, document)| past::past(sha256, &document)))
}

/// Adds one.
pub fn insert(connection: &Connection, row: &PolicyRow, seq: u64) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO policies (version, sha256, document, in_force_since, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![row.version, row.sha256.to_string(), row.document, row.in_force_since.to_string(), seq],
    )?;
    Ok(())
}
