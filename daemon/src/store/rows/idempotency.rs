//! `idempotency`: a resubmission under the same key is the same request.

use countersign_shared::digest::Digest;
use countersign_shared::id::JobId;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::parsed;

/// What was made under a caller's key: the fingerprint of the parameters, and the job.
pub fn get(connection: &Connection, uid: u32, key: &str) -> rusqlite::Result<Option<(Digest, JobId)>> {
    connection
        .prepare_cached("SELECT fingerprint, job_id FROM idempotency WHERE uid = ?1 AND key = ?2")?
        .query_row(params![uid, key], |row| Ok((parsed(row, "fingerprint")?, parsed(row, "job_id")?)))
        .optional()
}

/// Keeps it.
pub fn insert(
    connection: &Connection,
    uid: u32,
    key: &str,
    fingerprint: Digest,
    job: &JobId,
    at: Timestamp,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO idempotency (uid, key, fingerprint, job_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![uid, key, fingerprint.to_string(), job.as_str(), at.to_string()])?;
    Ok(())
}
