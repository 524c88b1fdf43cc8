//! `deliveries`: what has to be written where the policy says; for each certificate the version issued last.

use countersign_shared::digest::Digest;
use countersign_shared::id::CertificateId;
use rusqlite::{Connection, params};

use super::{parsed, submissions};

/// A chain on its way.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Of which certificate.
    pub certificate_id: CertificateId,
    /// Which of its versions.
    pub version: u32,
    /// The profile, whose rule says where.
    pub profile_id: String,
    /// PEM, leaf first.
    pub chain_pem: String,
    /// The key that it is for.
    pub spki_sha256: Digest,
    /// Whether the daemon made that key.
    pub made_key: bool,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// False where another version has taken its place, or it was revoked.
    pub in_force: bool,
}

/// Notes that a version is to be delivered; what was still to be delivered of the certificate is not any more.
pub fn add(connection: &Connection, certificate: &CertificateId, version: u32) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO deliveries (certificate_id, version, state, attempts) VALUES (?1, ?2, 'pending', 0)
             ON CONFLICT (certificate_id) DO UPDATE
                 SET version = excluded.version, state = 'pending', attempts = 0, error = NULL",
        )?
        .execute(params![certificate.as_str(), version])?;
    Ok(())
}

/// The certificates with something to deliver, each with the version, in the order of issuance.
pub fn open(connection: &Connection) -> rusqlite::Result<Vec<(String, u32)>> {
    let mut statement = connection.prepare_cached(
        "SELECT d.certificate_id, d.version FROM deliveries d JOIN certificate_versions v USING (certificate_id, version)
         WHERE d.state IN ('pending', 'failed') ORDER BY v.seq",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// Reads one.
pub fn get(connection: &Connection, certificate: &str) -> rusqlite::Result<Parcel> {
    connection
        .prepare_cached(
            "SELECT d.*, c.profile_id, v.chain_pem, v.spki_sha256, v.state = 'active' AS in_force, j.submission_id
             FROM deliveries d JOIN certificates c ON c.id = d.certificate_id
             JOIN certificate_versions v USING (certificate_id, version) JOIN jobs j ON j.id = v.job_id
             WHERE d.certificate_id = ?1",
        )?
        .query_row([certificate], |row| {
            Ok(Parcel {
                certificate_id: parsed(row, "certificate_id")?,
                version: row.get("version")?,
                profile_id: row.get("profile_id")?,
                chain_pem: row.get("chain_pem")?,
                spki_sha256: parsed(row, "spki_sha256")?,
                made_key: submissions::key_is_made(connection, row.get("submission_id")?)?,
                attempts: row.get("attempts")?,
                in_force: row.get("in_force")?,
            })
        })
}

/// Whether the version in force has this key and is still to be delivered.
pub fn waits_with_key(
    connection: &Connection,
    certificate: &CertificateId,
    spki_sha256: Digest,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM deliveries d JOIN certificate_versions v USING (certificate_id, version)
                 WHERE d.certificate_id = ?1 AND d.state IN ('pending', 'failed') AND v.state = 'active' AND v.spki_sha256 = ?2)",
        )?
        .query_row(params![certificate.as_str(), spki_sha256.to_string()], |row| row.get(0))
}

/// Drops what is still to be delivered of a version that was revoked.
pub fn drop_revoked(connection: &Connection, certificate: &CertificateId, version: u32) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = 'dropped', error = 'it was revoked'
             WHERE certificate_id = ?1 AND version = ?2 AND state IN ('pending', 'failed')",
        )?
        .execute(params![certificate.as_str(), version])?;
    Ok(())
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in its place.
    Done,
    /// It is not, for this reason; it is tried again.
    Failed(String),
    /// It will not be tried any more, for this reason.
    Dropped(&'static str),
}

/// Notes what became of it, unless a newer version has taken its place meanwhile.
pub fn note(connection: &Connection, certificate: &CertificateId, version: u32, fate: &Fate) -> rusqlite::Result<()> {
    let (state, error) = match fate {
        Fate::Done => ("done", None),
        Fate::Failed(why) => ("failed", Some(why.as_str())),
        Fate::Dropped(why) => ("dropped", Some(*why)),
    };
    connection
        .prepare_cached(
            "UPDATE deliveries SET state = ?3, error = ?4, attempts = attempts + 1
             WHERE certificate_id = ?1 AND version = ?2",
        )?
        .execute(params![certificate.as_str(), version, state, error])?;
    Ok(())
}
