//! `certificates` and `certificate_versions`: what is managed, and what has been issued for it.

use countersign_shared::content::CertificateContent;
use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, JobId};
use countersign_shared::protocol::{
    Certificate, CertificateVersion, ListCertificatesParams, PersonRef, Revoked, VersionState,
};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::page::{Conditions, TEXT_STRETCH, Window, contains, cut};
use super::{json, parsed, parsed_if, to_json};
use crate::store::sight::Sight;

/// A version that is stored now.
pub struct NewVersion<'a> {
    /// Of which certificate.
    pub certificate_id: &'a CertificateId,
    /// In force, or quarantined.
    pub state: VersionState,
    /// The issuer's id in the policy.
    pub issuer: &'a str,
    /// Hexadecimal.
    pub serial: &'a str,
    /// SHA-256 of the DER.
    pub sha256: Digest,
    /// SHA-256 of the SubjectPublicKeyInfo in it.
    pub spki_sha256: Digest,
    /// What was approved.
    pub content: &'a CertificateContent,
    /// notBefore.
    pub not_before: Timestamp,
    /// notAfter.
    pub not_after: Timestamp,
    /// PEM, leaf first.
    pub chain_pem: &'a str,
    /// Made by which job.
    pub job_id: &'a JobId,
    /// Its ledger record.
    pub seq: u64,
}

/// The certificate that a profile and a primary name stand for.
pub fn find(connection: &Connection, profile: &str, primary_name: &Untrusted) -> rusqlite::Result<Option<Certificate>> {
    let found = connection
        .prepare_cached("SELECT * FROM certificates c WHERE profile_id = ?1 AND primary_name = ?2")?
        .query_row(params![profile, primary_name.raw()], read)
        .optional()?;
    with_current(connection, found)
}

/// One by its id, where the caller may see it.
pub fn get(connection: &Connection, id: &CertificateId, sight: &Sight) -> rusqlite::Result<Option<Certificate>> {
    let mut conditions = Conditions::default();
    conditions.and("c.id = ?", id.as_str().to_owned());
    sight.limit_certificates(&mut conditions);
    let sql = format!("SELECT c.* FROM certificates c{}", conditions.sql());
    let found = connection.prepare_cached(&sql)?.query_row(conditions.values().as_slice(), read).optional()?;
    with_current(connection, found)
}

/// Stores a new one, without a version.
pub fn insert(connection: &Connection, certificate: &Certificate) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO certificates (id, profile_id, environment, primary_name, owner_uid, owner_account, owner_person,
                 created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            certificate.id.as_str(),
            certificate.profile_id,
            certificate.environment,
            certificate.primary_name.raw(),
            certificate.owner.uid,
            certificate.owner.account,
            certificate.owner.person,
            certificate.created_at.to_string(),
        ])?;
    Ok(())
}

/// Stores a version; one in force takes the place of the one before.
pub fn insert_version(connection: &Connection, new: &NewVersion<'_>) -> rusqlite::Result<u32> {
    if new.state == VersionState::Active {
        connection
            .prepare_cached(
                "UPDATE certificate_versions SET state = 'superseded' WHERE certificate_id = ?1 AND state = 'active'",
            )?
            .execute([new.certificate_id.as_str()])?;
    }
    let version: u32 = connection
        .prepare_cached("SELECT coalesce(max(version), 0) + 1 FROM certificate_versions WHERE certificate_id = ?1")?
        .query_row([new.certificate_id.as_str()], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO certificate_versions (certificate_id, version, state, issuer, serial, sha256, spki_sha256,
                 content, not_before, not_after, chain_pem, job_id, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            new.certificate_id.as_str(),
            version,
            new.state.as_str(),
            new.issuer,
            new.serial,
            new.sha256.to_string(),
            new.spki_sha256.to_string(),
            to_json(new.content)?,
            new.not_before.to_string(),
            new.not_after.to_string(),
            new.chain_pem,
            new.job_id.as_str(),
            new.seq,
        ])?;
    Ok(version)
}

/// The newest versions, newest first.
pub fn versions(connection: &Connection, id: &CertificateId, limit: u32) -> rusqlite::Result<Vec<CertificateVersion>> {
    let mut statement = connection.prepare_cached(
        "SELECT v.*, e.revoked_at, e.reason FROM certificate_versions v
         LEFT JOIN crl_entries e ON e.certificate_id = v.certificate_id AND e.version = v.version
         WHERE v.certificate_id = ?1 ORDER BY v.version DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![id.as_str(), limit], |row| {
        Ok(CertificateVersion { revoked: revoked(row)?, ..read_version(row)? })
    })?;
    rows.collect()
}

/// What was approved for the version in force.
pub fn content_in_force(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<CertificateContent>> {
    connection
        .prepare_cached("SELECT content FROM certificate_versions WHERE certificate_id = ?1 AND state = 'active'")?
        .query_row([id.as_str()], |row| json(row, "content"))
        .optional()
}

/// The job that made the version in force.
pub fn job_in_force(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<JobId>> {
    connection
        .prepare_cached("SELECT job_id FROM certificate_versions WHERE certificate_id = ?1 AND state = 'active'")?
        .query_row([id.as_str()], |row| parsed(row, "job_id"))
        .optional()
}

/// The job that made the first version with the key of the version in force.
pub fn first_job_for_key_in_force(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<JobId>> {
    connection
        .prepare_cached(
            "SELECT v.job_id FROM certificate_versions v
             JOIN certificate_versions f ON f.certificate_id = v.certificate_id AND f.spki_sha256 = v.spki_sha256
             WHERE v.certificate_id = ?1 AND v.state <> 'quarantined' AND f.state = 'active'
             ORDER BY v.version LIMIT 1",
        )?
        .query_row([id.as_str()], |row| parsed(row, "job_id"))
        .optional()
}

/// The chain of the version in force, PEM, and the ledger record of its issuing.
pub fn chain_and_record(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<(String, u64)>> {
    connection
        .prepare_cached(
            "SELECT chain_pem, seq FROM certificate_versions WHERE certificate_id = ?1 AND state = 'active'",
        )?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The chain of the version in force, PEM.
pub fn chain_in_force(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT chain_pem FROM certificate_versions WHERE certificate_id = ?1 AND state = 'active'")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

/// The chain that a job made, unless it is quarantined or revoked.
pub fn chain_of_job(connection: &Connection, id: &JobId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT chain_pem FROM certificate_versions WHERE job_id = ?1 AND state IN ('active', 'superseded')",
        )?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()
}

/// A page, newest first.
pub fn page(
    connection: &Connection,
    filter: &ListCertificatesParams,
    window: Window,
    sight: &Sight,
    now: Timestamp,
) -> rusqlite::Result<(Vec<Certificate>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("c.row < ?", window.before);
    conditions.and_if("c.profile_id = ?", filter.profile.clone());
    conditions.and_if("c.environment = ?", filter.environment.clone());
    conditions.and_if(
        "c.id IN (SELECT v.certificate_id FROM certificate_versions v WHERE v.state = 'active' AND v.not_after <= ?)",
        filter.expires_within.map(|days| super::found::ends_by(now, days)),
    );
    sight.limit_certificates(&mut conditions);
    let mut stretch_end = None;
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        let newest: i64 =
            connection.query_row("SELECT coalesce(max(row), 0) FROM certificates", [], |row| row.get(0))?;
        let low = newest.saturating_add(1).min(window.before) - TEXT_STRETCH;
        conditions.and("c.row >= ?", low);
        conditions.any(vec![contains("c.id", text), contains("c.primary_name", text)]);
        stretch_end = (low > 0).then(|| low.to_string());
    }
    let sql =
        format!("SELECT c.* FROM certificates c{} ORDER BY c.row DESC LIMIT {}", conditions.sql(), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| Ok((row.get("row")?, read(row)?)))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, Certificate)>>>()?;
    let next = cut(&mut rows, window.limit).or(stretch_end);
    let mut certificates = Vec::with_capacity(rows.len());
    for (_, certificate) in rows {
        certificates.extend(with_current(connection, Some(certificate))?);
    }
    Ok((certificates, next))
}

pub(super) fn with_current(
    connection: &Connection,
    found: Option<Certificate>,
) -> rusqlite::Result<Option<Certificate>> {
    let Some(mut certificate) = found else { return Ok(None) };
    certificate.current = connection
        .prepare_cached("SELECT * FROM certificate_versions WHERE certificate_id = ?1 AND state = 'active'")?
        .query_row([certificate.id.as_str()], read_version)
        .optional()?;
    if certificate.current.is_none() {
        certificate.revoked = last_end(connection, &certificate.id)?;
    }
    if let Some(owner) = first_holder(connection, &certificate.id)? {
        certificate.owner = owner;
    }
    Ok(Some(certificate))
}

/// The end of the newest version that was ever in force, where it was revoked.
fn last_end(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<Revoked>> {
    let last = connection
        .prepare_cached(
            "SELECT e.revoked_at, e.reason FROM certificate_versions v
             LEFT JOIN crl_entries e ON e.certificate_id = v.certificate_id AND e.version = v.version
             WHERE v.certificate_id = ?1 AND v.state <> 'quarantined' ORDER BY v.version DESC LIMIT 1",
        )?
        .query_row([id.as_str()], revoked)
        .optional()?;
    Ok(last.flatten())
}

fn revoked(row: &Row<'_>) -> rusqlite::Result<Option<Revoked>> {
    let end = parsed_if(row, "revoked_at")?.zip(parsed_if(row, "reason")?);
    Ok(end.map(|(at, reason)| Revoked { at, reason }))
}

/// Who asked for the first version that was issued: the owner. Until there is one, the owner is whoever asked first;
/// asking alone makes a name nobody's for good.
fn first_holder(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<PersonRef>> {
    connection
        .prepare_cached(
            "SELECT j.requester_account, j.requester_person, j.requester_uid FROM certificate_versions v
             JOIN jobs j ON j.id = v.job_id WHERE v.certificate_id = ?1 AND v.state <> 'quarantined'
             ORDER BY v.version LIMIT 1",
        )?
        .query_row([id.as_str()], |row| Ok(PersonRef { account: row.get(0)?, person: row.get(1)?, uid: row.get(2)? }))
        .optional()
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Certificate> {
    Ok(Certificate {
        id: parsed(row, "id")?,
        profile_id: row.get("profile_id")?,
        environment: row.get("environment")?,
        primary_name: row.get::<_, String>("primary_name")?.into(),
        owner: PersonRef {
            account: row.get("owner_account")?,
            person: row.get("owner_person")?,
            uid: row.get("owner_uid")?,
        },
        created_at: parsed(row, "created_at")?,
        current: None,
        days_left: None,
        revoked: None,
        places: Vec::new(),
        places_total: 0,
    })
}

fn read_version(row: &Row<'_>) -> rusqlite::Result<CertificateVersion> {
    let content: CertificateContent = json(row, "content")?;
    Ok(CertificateVersion {
        version: row.get("version")?,
        state: parsed(row, "state")?,
        serial: row.get("serial")?,
        sha256: parsed(row, "sha256")?,
        spki_sha256: parsed(row, "spki_sha256")?,
        key: content.key,
        sans: content.sans,
        not_before: parsed(row, "not_before")?,
        not_after: parsed(row, "not_after")?,
        job_id: parsed(row, "job_id")?,
        revoked: None,
    })
}
