//! `decisions`: one person's say on one version, for good.

use countersign_shared::digest::Digest;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{Decision, PersonRef};
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{free_text, parsed};

/// A decision as the gate counts it.
#[derive(Clone, Debug)]
pub struct DecisionRow {
    /// What callers see of it.
    pub decision: Decision,
    /// The person, or `uid:N`.
    pub voter: String,
    /// Who had logged in.
    pub login_uid: Option<u32>,
}

/// A decision that is given now.
pub struct NewDecision<'a> {
    /// On which request.
    pub request_id: &'a RequestId,
    /// On which version of it.
    pub version: u32,
    /// On which content.
    pub digest: Digest,
    /// Yes or no.
    pub verdict: Verdict,
    /// The person, or `uid:N`.
    pub voter: &'a str,
    /// Who.
    pub by: &'a PersonRef,
    /// Who has logged in.
    pub login_uid: Option<u32>,
    /// The login session.
    pub session: Option<u32>,
    /// The note.
    pub note: &'a str,
    /// The salt under which the record holds the note.
    pub note_salt: &'a [u8],
    /// Now.
    pub at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
}

/// Stores one.
pub fn insert(connection: &Connection, new: &NewDecision<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO decisions (request_id, version, digest, verdict, voter, uid, account, person, login_uid,
                 session, note, note_salt, decided_at, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            new.request_id.as_str(),
            new.version,
            new.digest.to_string(),
            new.verdict.as_str(),
            new.voter,
            new.by.uid,
            new.by.account,
            new.by.person,
            new.login_uid,
            new.session,
            new.note,
            new.note_salt,
            new.at.to_string(),
            new.seq,
        ])?;
    Ok(())
}

/// The ledger records of the decisions on one version, in their order.
pub fn records(connection: &Connection, id: &RequestId, version: u32) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached(
        "SELECT a.record FROM decisions d JOIN audit_events a ON a.seq = d.seq
         WHERE d.request_id = ?1 AND d.version = ?2 ORDER BY d.seq",
    )?;
    let rows = statement.query_map(params![id.as_str(), version], |row| row.get(0))?;
    rows.collect()
}

/// Decisions on one version, in the order of the ledger.
pub fn of(connection: &Connection, id: &RequestId, version: u32) -> rusqlite::Result<Vec<DecisionRow>> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM decisions WHERE request_id = ?1 AND version = ?2 ORDER BY seq")?;
    let rows = statement.query_map(params![id.as_str(), version], read)?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<DecisionRow> {
    Ok(DecisionRow {
        decision: Decision {
            by: PersonRef { account: row.get("account")?, person: row.get("person")?, uid: row.get("uid")? },
            verdict: parsed(row, "verdict")?,
            note: free_text(row, "note", "note_salt")?,
            version: row.get("version")?,
            digest: parsed(row, "digest")?,
            at: parsed(row, "decided_at")?,
            seq: row.get("seq")?,
            // Only the record says these: see `gate::Cast`.
            counts_for: Vec::new(),
            delegated_by: None,
            signed: None,
        },
        voter: row.get("voter")?,
        login_uid: row.get("login_uid")?,
    })
}
