//! A pending request goes on to other content: the request, and the job that follows it.

use countersign_shared::content::San;
use countersign_shared::digest::Digest;
use countersign_shared::id::RequestId;
use countersign_shared::protocol::Risk;
use rusqlite::{Connection, params};

use super::requests::{Work, shown};
use super::{one, to_json};

/// The version that takes the place of the one before.
pub struct NewVersion<'a> {
    /// Of which request.
    pub id: &'a RequestId,
    /// One more than it had.
    pub version: u32,
    /// The content digest.
    pub digest: Digest,
    /// The work that it blocks, with the new submission.
    pub work: &'a Work,
    /// Every SAN.
    pub sans: &'a [San],
    /// What deserves a second look.
    pub risks: &'a [Risk],
    /// People that have to agree.
    pub votes_needed: u32,
    /// Its ledger record.
    pub seq: u64,
}

/// Puts it in place. The request goes first: a job only ever follows what its request holds.
pub fn apply(connection: &Connection, new: &NewVersion<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE approval_requests SET version = ?2, digest = ?3, submission_id = ?4, names = ?5, names_total = ?6,
                 risks = ?7, votes_needed = ?8, seq = ?9 WHERE id = ?1 AND state = 'pending' AND version = ?2 - 1",
        )?
        .execute(params![
            new.id.as_str(),
            new.version,
            new.digest.to_string(),
            new.work.submission_id,
            shown(new.sans)?,
            new.sans.len(),
            to_json(&new.risks)?,
            new.votes_needed,
            new.seq,
        ])
        .and_then(one)?;
    connection
        .prepare_cached("UPDATE jobs SET submission_id = ?2 WHERE id = ?1 AND state = 'awaiting_approval'")?
        .execute(params![new.work.job_id.as_str(), new.work.submission_id])
        .and_then(one)
}
