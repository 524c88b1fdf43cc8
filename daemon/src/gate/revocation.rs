//! The proof that a certificate may be revoked: the same questions as before a signature, about another content, and an
//! answer that is good for nothing else.

use countersign_shared::digest::Digest;
use countersign_shared::id::JobId;
use countersign_shared::lifecycle::JobKind;
use countersign_shared::protocol::VersionState;
use countersign_shared::revocation::Revocation;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::evidence::Evidence;
use super::prove::{Shut, agreed, committed};
use crate::ledger::leaf_hash;
use crate::policy::{IssuerKind, Policy};
use crate::store::Transaction;
use crate::store::rows::jobs::JobRow;
use crate::store::rows::submissions::Submission;
use crate::store::rows::{revocations, submissions};

/// The proof that a committed ledger record allows exactly this certificate to be revoked, once.
///
/// Its fields are private and it is neither `Clone` nor `Copy`; it is no [`super::Approved`], and none is one of it.
#[derive(Debug)]
pub struct ApprovedRevocation {
    job: JobId,
    revocation: Revocation,
    not_after: Timestamp,
    record_seq: u64,
    record: Digest,
}

impl ApprovedRevocation {
    /// The job that is carried out.
    pub fn job(&self) -> &JobId {
        &self.job
    }

    /// Exactly what was agreed to.
    pub fn revocation(&self) -> &Revocation {
        &self.revocation
    }

    /// When the certificate would have ended.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The sequence number of the ledger record that allows it.
    pub fn record_seq(&self) -> u64 {
        self.record_seq
    }

    /// The hash of that record.
    pub fn record(&self) -> Digest {
        self.record
    }
}

/// Makes the proof for a job that revokes, or says why not.
pub fn prove_revocation(
    transaction: &Transaction<'_>,
    policy: &Policy,
    job: &JobRow,
) -> Result<ApprovedRevocation, Shut> {
    let (connection, id) = (transaction.connection(), &job.job.id);
    if job.job.kind != JobKind::Revoke {
        return Err(Shut::Tampered(format!("{id} is to {}, and was claimed to revoke", job.job.kind)));
    }
    let (record, bytes) = committed(transaction, job)?;
    let submission = submissions::get(connection, job.submission_id)?;
    let revocation = what_was_agreed(connection, job, &submission, &record)?;
    agreed(transaction, policy, job, &submission, &record)?;
    let not_after = can_end(connection, policy, job, &revocation)?;
    Ok(ApprovedRevocation { job: id.clone(), revocation, not_after, record_seq: record.seq, record: leaf_hash(&bytes) })
}

/// The record names the digest, and the digest is that of what would end.
fn what_was_agreed(
    connection: &Connection,
    job: &JobRow,
    submission: &Submission,
    record: &Evidence,
) -> Result<Revocation, Shut> {
    let id = &job.job.id;
    let revocation = revocations::get(connection, job.submission_id)?
        .ok_or_else(|| Shut::Tampered(format!("{id} names nothing that it would revoke")))?;
    let digest = submission.revocation_digest(&revocation);
    let digest = digest.map_err(|error| Shut::Tampered(format!("{id}: {error}")))?;
    if digest != submission.digest || record.details.digest != digest.to_string() {
        return Err(Shut::Tampered(format!("what {id} would revoke is not what its ledger record allows")));
    }
    if submission.profile.digest() != submission.content.profile_digest {
        return Err(Shut::Tampered(format!("the rules of {id} are not those that it was made under")));
    }
    if revocation.certificate_id != job.job.certificate_id {
        return Err(Shut::Tampered(format!("{id} would revoke the certificate of another job")));
    }
    Ok(revocation)
}

/// The version is there as it was named, has not ended, and its issuer keeps a list here.
fn can_end(connection: &Connection, policy: &Policy, job: &JobRow, named: &Revocation) -> Result<Timestamp, Shut> {
    let (id, number) = (&job.job.id, named.version);
    let version = revocations::version(connection, &named.certificate_id, number)?;
    let version = version.filter(|version| {
        version.issuer == named.issuer && version.serial == named.serial && version.sha256 == named.sha256
    });
    let version = version.ok_or_else(|| {
        Shut::Tampered(format!("version {number} of {} is not the one that {id} would revoke", named.certificate_id))
    })?;
    match version.state {
        VersionState::Active | VersionState::Superseded => {}
        VersionState::Revoked | VersionState::Quarantined => {
            let certificate = &named.certificate_id;
            return Err(Shut::Refused(format!("version {number} of {certificate} is {}", version.state)));
        }
    }
    let issuer = policy.issuer(&named.issuer);
    if !issuer.is_some_and(|issuer| issuer.kind == IssuerKind::LocalCa) {
        return Err(Shut::Refused(format!("issuer {} keeps no list of what was revoked here", named.issuer)));
    }
    Ok(version.not_after)
}
