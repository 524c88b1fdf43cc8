//! `proposals`: the policy that a request of kind `policy_change` would put in force.

use countersign_shared::canonical::{CanonicalError, Object};
use countersign_shared::digest::Digest;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::{Finding, PolicyChange, PolicyDifference};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::parsed;

/// A proposal as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The version that it is based on.
    pub base_version: u32,
    /// That version's digest.
    pub base_sha256: Digest,
    /// SHA-256 of the proposed document.
    pub sha256: Digest,
    /// TOML.
    pub document: String,
    /// What it changes, as the JSON that is agreed to.
    pub differences: String,
    /// What was proved of it, as the JSON that is agreed to.
    pub findings: String,
    /// Why, in the proposer's words.
    pub reason: String,
    /// The salt under which content and record hold the reason.
    pub reason_salt: Vec<u8>,
    /// The salted digest itself; stands when the reason has been erased.
    pub reason_sha256: Digest,
}

impl Proposal {
    /// The content digest of the request: what a decision names. It covers the document with what it is based on, why
    /// it is wanted, and the differences and findings that were shown.
    pub fn digest(&self) -> Result<Digest, CanonicalError> {
        let bytes = Object::new()
            .string("base_sha256", &self.base_sha256.to_string())
            .integer("base_version", i64::from(self.base_version))
            .string("differences_sha256", &self.differences_sha256().to_string())
            .string("findings_sha256", &self.findings_sha256().to_string())
            .string("kind", RequestKind::PolicyChange.as_str())
            .string("reason_sha256", &self.reason_sha256.to_string())
            .string("sha256", &self.sha256.to_string())
            .finish()?;
        Ok(Digest::of(&[b"countersign-policy-change-v1\0", bytes.as_bytes()]))
    }

    /// Of the differences as they are kept.
    pub fn differences_sha256(&self) -> Digest {
        Digest::of(&[self.differences.as_bytes()])
    }

    /// Of the findings as they are kept.
    pub fn findings_sha256(&self) -> Digest {
        Digest::of(&[self.findings.as_bytes()])
    }

    /// True where all of it is what the digest of the request was taken over.
    pub fn is_what_was_agreed(&self, digest: &Digest) -> bool {
        Digest::of(&[self.document.as_bytes()]) == self.sha256 && self.digest().is_ok_and(|own| own == *digest)
    }

    /// As the protocol shows it.
    pub fn to_view(&self) -> Result<PolicyChange, serde_json::Error> {
        let differences: Vec<PolicyDifference> = serde_json::from_str(&self.differences)?;
        let findings: Vec<Finding> = serde_json::from_str(&self.findings)?;
        Ok(PolicyChange {
            base_version: self.base_version,
            base_sha256: self.base_sha256,
            sha256: self.sha256,
            differences,
            findings,
            document: self.document.clone(),
        })
    }
}

/// Stores one.
pub fn insert(connection: &Connection, request: &RequestId, new: &Proposal) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO proposals (request_id, base_version, base_sha256, sha256, document, differences, findings,
                 reason, reason_salt, reason_sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            request.as_str(),
            new.base_version,
            new.base_sha256.to_string(),
            new.sha256.to_string(),
            new.document,
            new.differences,
            new.findings,
            new.reason,
            new.reason_salt,
            new.reason_sha256.to_string(),
        ])?;
    Ok(())
}

/// That of a request.
pub fn get(connection: &Connection, request: &RequestId) -> rusqlite::Result<Option<Proposal>> {
    connection
        .prepare_cached("SELECT * FROM proposals WHERE request_id = ?1")?
        .query_row([request.as_str()], read)
        .optional()
}

/// Calls `each` for every proposal, with its request's id and digest, until it gives something.
pub fn find<T>(
    connection: &Connection,
    mut each: impl FnMut(String, Digest, Proposal) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let mut statement = connection.prepare(
        "SELECT p.*, r.digest FROM proposals p JOIN approval_requests r ON r.id = p.request_id ORDER BY r.row",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found = each(row.get("request_id")?, parsed(row, "digest")?, read(row)?);
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Proposal> {
    Ok(Proposal {
        base_version: row.get("base_version")?,
        base_sha256: parsed(row, "base_sha256")?,
        sha256: parsed(row, "sha256")?,
        document: row.get("document")?,
        differences: row.get("differences")?,
        findings: row.get("findings")?,
        reason: row.get("reason")?,
        reason_salt: row.get("reason_salt")?,
        reason_sha256: parsed(row, "reason_sha256")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal() -> Proposal {
        Proposal {
            base_version: 1,
            base_sha256: Digest::of(&[b"base"]),
            sha256: Digest::of(&[b"version = 1\n"]),
            document: "version = 1\n".into(),
            differences: "[]".into(),
            findings: "[]".into(),
            reason: "because".into(),
            reason_salt: vec![7; 16],
            reason_sha256: Digest::of(&[b"salted"]),
        }
    }

    #[test]
    fn whatever_is_agreed_to_is_in_the_digest() {
        let made = proposal();
        let digest = made.digest().unwrap();
        assert!(made.is_what_was_agreed(&digest));
        let edits: [fn(&mut Proposal); 7] = [
            |p| p.base_version = 2,
            |p| p.base_sha256 = Digest::of(&[b"other"]),
            |p| p.sha256 = Digest::of(&[b"other"]),
            |p| p.document.push('#'),
            |p| p.differences = "[ ]".into(),
            |p| p.findings = "[ ]".into(),
            |p| p.reason_sha256 = Digest::of(&[b"other"]),
        ];
        for (at, edit) in edits.into_iter().enumerate() {
            let mut edited = made.clone();
            edit(&mut edited);
            assert!(!edited.is_what_was_agreed(&digest), "{at}");
        }
        // The text can be erased: what stands for it is its salted digest.
        let erased = Proposal { reason: String::new(), reason_salt: Vec::new(), ..made };
        assert!(erased.is_what_was_agreed(&digest));
    }
}
