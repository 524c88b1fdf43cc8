//! What was signed: jobs, the content that they were made for, and the certificates that came of them.

use std::collections::BTreeSet;

use countersign_shared::content::{CertificateContent, Purpose, San};
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::revocation::{Grounds, Revocation};
use rusqlite::Connection;

/// A job with what bears on its certificate.
pub struct Job {
    pub id: String,
    pub state: String,
    pub kind: String,
    pub certificate: String,
    pub profile: String,
    pub request: Option<String>,
    pub record_seq: Option<i64>,
    pub submission: i64,
    /// Whoever was given the first certificate; before there is one, whoever asks.
    pub owner: u32,
}

/// Every job, the oldest first.
pub fn jobs(db: &Connection) -> Vec<Job> {
    let mut statement = db
        .prepare(
            "SELECT j.id, j.state, j.kind, j.certificate_id, j.profile_id, j.request_id, j.record_seq, j.submission_id,
                 coalesce((SELECT f.requester_uid FROM jobs f WHERE f.certificate_id = j.certificate_id
                     AND f.state = 'completed' AND f.row < j.row ORDER BY f.row LIMIT 1), j.requester_uid)
             FROM jobs j JOIN certificates c ON c.id = j.certificate_id ORDER BY j.row",
        )
        .unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Job {
            id: row.get(0)?,
            state: row.get(1)?,
            kind: row.get(2)?,
            certificate: row.get(3)?,
            profile: row.get(4)?,
            request: row.get(5)?,
            record_seq: row.get(6)?,
            submission: row.get(7)?,
            owner: row.get(8)?,
        })
    };
    statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The digest of what a job signs, made anew from all that goes into it.
pub fn digest(db: &Connection, job: &Job, not_before: Option<&str>) -> Result<String, String> {
    type Row = (String, Vec<u8>, Option<String>, Option<String>);
    let (content, csr, reason, ticket): Row = db
        .query_row(
            "SELECT content, csr, reason_sha256, ticket FROM submissions WHERE id = ?1",
            [job.submission],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .map_err(|error| error.to_string())?;
    let content: CertificateContent = serde_json::from_str(&content).map_err(|error| error.to_string())?;
    if job.kind == "revoke" {
        return end_digest(db, job, &content, reason.as_deref());
    }
    let purpose = Purpose {
        kind: if job.kind == "renew" { RequestKind::CertRenewal } else { RequestKind::CertIssuance },
        certificate_id: &job.certificate,
        csr_sha256: Digest::of(&[&csr]),
        reason: reason.map(|digest| digest.parse().unwrap()),
        ticket: ticket.as_deref(),
        not_before: not_before.map(|at| at.parse().unwrap()),
    };
    let digest = content.digest(&purpose).map_err(|error| error.to_string())?;
    Ok(digest.to_string())
}

/// The same of what a job revokes.
fn end_digest(db: &Connection, job: &Job, content: &CertificateContent, note: Option<&str>) -> Result<String, String> {
    let sql = "SELECT r.version, r.issuer, r.serial, r.sha256, r.reason FROM revocations r
         JOIN certificate_versions v USING (certificate_id, version, issuer, serial, sha256)
         WHERE r.submission_id = ?1 AND r.certificate_id = ?2";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Revocation {
            certificate_id: job.certificate.parse().unwrap(),
            version: row.get(0)?,
            issuer: row.get(1)?,
            serial: row.get(2)?,
            sha256: row.get::<_, String>(3)?.parse().unwrap(),
            reason: row.get::<_, String>(4)?.parse().unwrap(),
        })
    };
    let named = db.query_row(sql, rusqlite::params![job.submission, job.certificate], read);
    let named = named.map_err(|error| format!("names no version that there is: {error}"))?;
    let grounds = Grounds {
        profile_id: &job.profile,
        profile_digest: content.profile_digest,
        note: note.map(|digest| digest.parse().unwrap()),
        ticket: None,
    };
    named.digest(&grounds).map(|digest| digest.to_string()).map_err(|error| error.to_string())
}

/// The certificate's key and names are those of the content.
pub fn certificate_is_the_content(db: &Connection, job: &Job, chain: &str) -> Result<(), String> {
    let text: String = db
        .query_row("SELECT content FROM submissions WHERE id = ?1", [job.submission], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    let content: CertificateContent = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(chain.as_bytes()).map_err(|error| error.to_string())?;
    let leaf = pem.parse_x509().map_err(|error| error.to_string())?;
    if Digest::of(&[leaf.public_key().raw]) != content.spki_sha256 {
        return Err("its key is not the one that was agreed to".to_owned());
    }
    let names = leaf.subject_alternative_name().map_err(|error| error.to_string())?.ok_or("it has no names")?;
    let names: BTreeSet<San> = names.value.general_names.iter().map(san).collect::<Result<_, _>>()?;
    if names != content.sans.iter().cloned().collect() {
        return Err(format!("its names are not those that were agreed to: {names:?}"));
    }
    Ok(())
}

fn san(name: &x509_parser::extensions::GeneralName<'_>) -> Result<San, String> {
    match name {
        x509_parser::extensions::GeneralName::DNSName(name) => Ok(San::Dns((*name).into())),
        other => Err(format!("a name of a kind that nobody asked for: {other:?}")),
    }
}
