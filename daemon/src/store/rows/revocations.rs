//! `revocations`: which version of a certificate is to end, and why; and what is known of a version for that.

use countersign_shared::content::CertificateContent;
use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId};
use countersign_shared::protocol::VersionState;
use countersign_shared::revocation::Revocation;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{json, parsed};

/// A version as its end needs it.
#[derive(Clone, Debug)]
pub struct Version {
    /// Of which certificate.
    pub certificate_id: CertificateId,
    /// 1, 2, …
    pub version: u32,
    /// Where it stands.
    pub state: VersionState,
    /// The issuer's id in the policy.
    pub issuer: String,
    /// Hexadecimal, lower case.
    pub serial: String,
    /// SHA-256 of the DER.
    pub sha256: Digest,
    /// What was approved.
    pub content: CertificateContent,
    /// notAfter.
    pub not_after: Timestamp,
    /// The job that made it.
    pub job_id: JobId,
}

/// Stores what a submission names.
pub fn insert(connection: &Connection, submission_id: i64, revocation: &Revocation) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO revocations (submission_id, certificate_id, version, issuer, serial, sha256, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            submission_id,
            revocation.certificate_id.as_str(),
            revocation.version,
            revocation.issuer,
            revocation.serial,
            revocation.sha256.to_string(),
            revocation.reason.as_str(),
        ])?;
    Ok(())
}

/// What a submission names; none for one that asks for a certificate.
pub fn get(connection: &Connection, submission_id: i64) -> rusqlite::Result<Option<Revocation>> {
    connection
        .prepare_cached("SELECT * FROM revocations WHERE submission_id = ?1")?
        .query_row([submission_id], |row| {
            Ok(Revocation {
                certificate_id: parsed(row, "certificate_id")?,
                version: row.get("version")?,
                issuer: row.get("issuer")?,
                serial: row.get("serial")?,
                sha256: parsed(row, "sha256")?,
                reason: parsed(row, "reason")?,
            })
        })
        .optional()
}

/// The job that is to revoke a version, waiting or under way.
pub fn open_for(connection: &Connection, id: &CertificateId, version: u32) -> rusqlite::Result<Option<JobId>> {
    connection
        .prepare_cached(
            "SELECT j.id FROM jobs j JOIN revocations r ON r.submission_id = j.submission_id
             WHERE j.certificate_id = ?1 AND r.version = ?2 AND j.state IN ('awaiting_approval', 'pending', 'running')",
        )?
        .query_row(params![id.as_str(), version], |row| parsed(row, "id"))
        .optional()
}

/// One version.
pub fn version(connection: &Connection, id: &CertificateId, version: u32) -> rusqlite::Result<Option<Version>> {
    connection
        .prepare_cached("SELECT * FROM certificate_versions WHERE certificate_id = ?1 AND version = ?2")?
        .query_row(params![id.as_str(), version], read)
        .optional()
}

/// The version in force.
pub fn version_in_force(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<Version>> {
    connection
        .prepare_cached("SELECT * FROM certificate_versions WHERE certificate_id = ?1 AND state = 'active'")?
        .query_row([id.as_str()], read)
        .optional()
}

/// Versions under a serial number: more than one where several issuers gave it out. At most `limit`.
pub fn versions_by_serial(connection: &Connection, serial: &str, limit: u32) -> rusqlite::Result<Vec<Version>> {
    let mut statement = connection.prepare_cached(
        "SELECT v.* FROM (SELECT DISTINCT issuer FROM certificate_versions INDEXED BY versions_by_serial
             WHERE state <> 'quarantined') i
         JOIN certificate_versions v INDEXED BY versions_by_serial ON v.issuer = i.issuer AND v.serial = ?1
         WHERE v.state <> 'quarantined' LIMIT ?2",
    )?;
    let rows = statement.query_map(params![serial, limit], read)?;
    rows.collect()
}

/// A version with this key that was revoked because somebody else may have it.
pub fn of_compromised_key(
    connection: &Connection,
    spki_sha256: Digest,
) -> rusqlite::Result<Option<(CertificateId, u32)>> {
    connection
        .prepare_cached(
            "SELECT v.certificate_id, v.version FROM certificate_versions v
             JOIN crl_entries e ON e.certificate_id = v.certificate_id AND e.version = v.version
             WHERE v.spki_sha256 = ?1 AND v.state = 'revoked' AND e.reason = 'key_compromise' LIMIT 1",
        )?
        .query_row([spki_sha256.to_string()], |row| Ok((parsed(row, "certificate_id")?, row.get("version")?)))
        .optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version {
        certificate_id: parsed(row, "certificate_id")?,
        version: row.get("version")?,
        state: parsed(row, "state")?,
        issuer: row.get("issuer")?,
        serial: row.get("serial")?,
        sha256: parsed(row, "sha256")?,
        content: json(row, "content")?,
        not_after: parsed(row, "not_after")?,
        job_id: parsed(row, "job_id")?,
    })
}
