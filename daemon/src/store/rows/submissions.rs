//! `submissions`: what was asked for, checked and will be signed.

use std::borrow::Cow;

use countersign_shared::canonical::CanonicalError;
use countersign_shared::content::{CertificateContent, San};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Change, Check};
use countersign_shared::revocation::{Grounds, Revocation};
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{InOrder, json, parsed, parsed_if, to_json};
use crate::policy::{Policy, Profile};

/// The rule of the check by which people, and the daemon itself, know a key that the daemon made.
pub const MADE_KEY: &str = "renew_key";

/// A submission as it is kept.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The content digest.
    pub digest: Digest,
    /// What will be signed.
    pub content: CertificateContent,
    /// The CSR's DER.
    pub csr: Vec<u8>,
    /// The subject as the CSR writes it.
    pub csr_subject: Untrusted,
    /// The profile as it was then: a request keeps the rules it was made under.
    pub profile: Profile,
    /// The policy that the profile comes from.
    pub policy_sha256: Digest,
    /// What the profile changed.
    pub changes: Vec<Change>,
    /// Its rules, applied.
    pub checks: Vec<Check>,
    /// The justification; empty where there is none.
    pub reason: Untrusted,
    /// The salt under which contents and records hold the reason.
    pub reason_salt: Vec<u8>,
    /// The salted digest itself; stands when the reason has been erased.
    pub reason_sha256: Option<Digest>,
    /// The change ticket.
    pub ticket: Option<Untrusted>,
}

impl Submission {
    /// The digest of the revocation that it asks for.
    pub fn revocation_digest(&self, revocation: &Revocation) -> Result<Digest, CanonicalError> {
        revocation.digest(&Grounds {
            profile_id: &self.content.profile_id,
            profile_digest: self.content.profile_digest,
            note: self.reason_sha256,
            ticket: self.ticket.as_ref().map(Untrusted::raw),
        })
    }
}

/// Stores one; returns its row.
pub fn insert(connection: &Connection, submission: &Submission) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO submissions (digest, content, csr, csr_subject, profile, policy_sha256, changes, checks,
                 reason, reason_salt, reason_sha256, ticket)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            submission.digest.to_string(),
            to_json(&submission.content)?,
            submission.csr,
            submission.csr_subject.raw(),
            to_json(&submission.profile)?,
            submission.policy_sha256.to_string(),
            to_json(&submission.changes)?,
            to_json(&submission.checks)?,
            submission.reason.raw(),
            submission.reason_salt,
            submission.reason_sha256.map(|digest| digest.to_string()),
            submission.ticket.as_ref().map(Untrusted::raw),
        ])?;
    Ok(connection.last_insert_rowid())
}

/// Reads one.
pub fn get(connection: &Connection, id: i64) -> rusqlite::Result<Submission> {
    connection.prepare_cached("SELECT * FROM submissions WHERE id = ?1")?.query_row([id], read)
}

/// Whether it is for a key that the daemon made.
pub fn key_is_made(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM submissions s, json_each(s.checks) c
                            WHERE s.id = ?1 AND c.value ->> '$.rule' = ?2)",
        )?
        .query_row(params![id, MADE_KEY], |row| row.get(0))
}

/// The names alone.
pub fn sans(connection: &Connection, id: i64) -> rusqlite::Result<Vec<San>> {
    connection
        .prepare_cached("SELECT content -> '$.sans' AS sans FROM submissions WHERE id = ?1")?
        .query_row([id], |row| json(row, "sans"))
}

/// The newest before `id` with this digest: what a request held before it was amended, where nothing else says so.
pub fn before(connection: &Connection, id: i64, digest: Digest) -> rusqlite::Result<Option<Submission>> {
    connection
        .prepare_cached("SELECT * FROM submissions WHERE id < ?1 AND digest = ?2 ORDER BY id DESC LIMIT 1")?
        .query_row(params![id, digest.to_string()], read)
        .optional()
}

/// The profile alone: all that a decision needs. Where it comes from the very policy in force, or the content names
/// the very rules that are in force, they are not read a second time.
pub fn profile<'p>(
    connection: &Connection,
    id: i64,
    policy: &'p Policy,
    profile_id: &str,
) -> rusqlite::Result<Cow<'p, Profile>> {
    let in_force = policy.profile(profile_id);
    let made_under: Digest = connection
        .prepare_cached("SELECT policy_sha256 FROM submissions WHERE id = ?1")?
        .query_row([id], |row| InOrder::of(row).parsed())?;
    if let Some(profile) = in_force.filter(|_| made_under == policy.sha256()) {
        return Ok(Cow::Borrowed(profile));
    }
    connection
        .prepare_cached(
            "SELECT profile, content ->> '$.profile_digest' AS profile_digest FROM submissions WHERE id = ?1",
        )?
        .query_row([id], |row| {
            let digest: Digest = parsed(row, "profile_digest")?;
            match in_force.filter(|profile| profile.digest() == digest) {
                Some(profile) => Ok(Cow::Borrowed(profile)),
                None => json(row, "profile").map(Cow::Owned),
            }
        })
}

/// The digest of the policy that it was made under.
pub fn policy_of(connection: &Connection, id: i64) -> rusqlite::Result<Digest> {
    connection
        .prepare_cached("SELECT policy_sha256 FROM submissions WHERE id = ?1")?
        .query_row([id], |row| parsed(row, "policy_sha256"))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Submission> {
    Ok(Submission {
        digest: parsed(row, "digest")?,
        content: json(row, "content")?,
        csr: row.get("csr")?,
        csr_subject: row.get::<_, String>("csr_subject")?.into(),
        profile: json(row, "profile")?,
        policy_sha256: parsed(row, "policy_sha256")?,
        changes: json(row, "changes")?,
        checks: json(row, "checks")?,
        reason: row.get::<_, String>("reason")?.into(),
        reason_salt: row.get("reason_salt")?,
        reason_sha256: parsed_if(row, "reason_sha256")?,
        ticket: row.get::<_, Option<String>>("ticket")?.map(Untrusted::new),
    })
}
