//! The versions that a request had before: each with what the next said otherwise, and the decisions that count no more.

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::protocol::Amendment;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::differences::{Version, of_versions};
use crate::policy::{Policy, Terms};
use crate::service::decide::{Matter, account_of};
use crate::store::rows::submissions::{self, Submission};
use crate::store::rows::terms::{self, TermsRow};
use crate::store::rows::{audit, decisions};
use crate::store::transaction::Failure;

/// One version as it was made.
struct Made {
    version: u32,
    digest: Digest,
    submission: Option<Submission>,
    terms: Terms,
    not_before: Option<Timestamp>,
}

/// The versions before the current one, oldest first.
pub(super) fn of(connection: &Connection, policy: &Policy, matter: &Matter<'_>) -> Result<Vec<Amendment>, Failure> {
    let request = &matter.request;
    if request.version == 1 {
        return Ok(Vec::new());
    }
    let rows = terms::all(connection, &request.id)?;
    let mut before = first_without_terms(connection, policy, matter, rows.first())?;
    let mut amendments = Vec::new();
    for row in rows {
        let after = made(connection, &row)?;
        if let Some(before) = &before {
            let given = decisions::of(connection, &request.id, before.version)?;
            amendments.push(Amendment {
                version: before.version,
                digest: before.digest,
                at: row.created_at,
                seq: row.seq,
                differences: before
                    .version_of()
                    .zip(after.version_of())
                    .map(|(a, b)| of_versions(&a, &b))
                    .unwrap_or_default(),
                decisions: given.into_iter().map(|row| row.decision).collect(),
            });
        }
        before = Some(after);
    }
    Ok(amendments)
}

impl Made {
    /// None for a change of the policy, which is never amended.
    fn version_of(&self) -> Option<Version<'_>> {
        let (terms, not_before) = (&self.terms, self.not_before);
        self.submission.as_ref().map(|submission| Version { submission, terms, not_before })
    }
}

fn made(connection: &Connection, row: &TermsRow) -> Result<Made, Failure> {
    let submission = row.submission_id.map(|id| submissions::get(connection, id)).transpose()?;
    Ok(Made {
        version: row.version,
        digest: row.digest,
        submission,
        terms: row.terms.clone(),
        not_before: row.not_before.map(|start| start.at),
    })
}

/// The first version of a request from before versions had terms of their own: its record says which content it was.
fn first_without_terms(
    connection: &Connection,
    policy: &Policy,
    matter: &Matter<'_>,
    oldest: Option<&TermsRow>,
) -> Result<Option<Made>, Failure> {
    let Some(TermsRow { version: 2, submission_id: Some(next), .. }) = oldest else { return Ok(None) };
    let record = audit::record(connection, matter.request.requested_seq)?;
    let digest = record.as_deref().and_then(digest_in);
    let digest = digest.ok_or_else(|| ApiError::internal(format!("the record of {} is missing", matter.request.id)))?;
    let Some(submission) = submissions::before(connection, *next, digest)? else { return Ok(None) };
    let requester = account_of(&matter.request.requester.account, 0);
    let terms = policy.terms(&submission.profile, &requester, false);
    Ok(Some(Made { version: 1, digest, submission: Some(submission), terms, not_before: None }))
}

fn digest_in(record: &[u8]) -> Option<Digest> {
    let record: serde_json::Value = serde_json::from_slice(record).ok()?;
    record.pointer("/details/digest")?.as_str()?.parse().ok()
}
