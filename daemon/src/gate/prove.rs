//! From a claimed job to the proof: everything that led here is read back and held against the ledger records
//! that are said to allow it. Nothing is believed because a column says so.

use std::collections::BTreeSet;

use countersign_shared::content::Purpose;
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{JobKind, JobState, RequestKind, RequestState};
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::Approved;
use super::evidence::Evidence;
use super::two_person::{different_people, own_session};
use crate::ledger::frontier::leaf_hash;
use crate::policy::Policy;
use crate::store::Transaction;
use crate::store::rows::jobs::JobRow;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::submissions::Submission;
use crate::store::rows::{audit, jobs, requests, submissions};
use crate::store::transaction::Failure;

/// Why the gate stays shut.
#[derive(Debug)]
pub enum Shut {
    /// The state says something that the ledger does not: somebody changed the database.
    Tampered(String),
    /// All is in order, and the rules do not allow it; the job fails with this reason.
    Refused(String),
    /// The gate could not look.
    Unreadable(Failure),
}

impl From<rusqlite::Error> for Shut {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(error.into())
    }
}

/// Makes the proof for a job, or says why not.
pub fn prove(transaction: &Transaction<'_>, policy: &Policy, job: &JobRow) -> Result<Approved, Shut> {
    let connection = transaction.connection();
    let (id, state) = (&job.job.id, job.job.state);
    if !matches!(state, JobState::Pending | JobState::Running) {
        return Err(Shut::Tampered(format!("{id} is {state} and was claimed")));
    }
    let seq = job.record_seq.ok_or_else(|| Shut::Tampered(format!("{id} names no ledger record")))?;
    if seq >= transaction.durable_size() {
        return Err(Shut::Tampered(format!("{id} names ledger record {seq}, which is not committed")));
    }
    let bytes = audit::record(connection, seq)?;
    let bytes = bytes.ok_or_else(|| Shut::Tampered(format!("{id} names ledger record {seq}, which is missing")))?;
    let record = Evidence::read(&bytes)
        .ok_or_else(|| Shut::Tampered(format!("ledger record {seq}, named by {id}, allows no signature")))?;
    one_signature_a_record(connection, job, seq)?;
    let submission = submissions::get(connection, job.submission_id)?;
    content_is_what_was_agreed(job, &submission, &record)?;
    match &job.job.request_id {
        Some(request) => {
            let request = requests::get(connection, request)?
                .ok_or_else(|| Shut::Tampered(format!("{id} belongs to no request")))?;
            people_agreed(connection, &request, &submission, &record)?;
        }
        None => nobody_has_to_agree(job, &submission, &record)?,
    }
    rules_in_force_allow(policy, job, &submission)?;
    Ok(Approved::new(
        id.clone(),
        job.job.certificate_id.clone(),
        submission.content,
        submission.csr,
        seq,
        leaf_hash(&bytes),
    ))
}

/// A record allows one certificate. Jobs that failed under it used nothing up.
fn one_signature_a_record(connection: &Connection, job: &JobRow, seq: u64) -> Result<(), Shut> {
    match jobs::other_under_record(connection, seq, &job.job.id)? {
        None => Ok(()),
        Some(other) => Err(Shut::Tampered(format!("{other} uses ledger record {seq}, which {} names too", job.job.id))),
    }
}

/// The record names the digest, and the digest is that of what would be signed.
fn content_is_what_was_agreed(job: &JobRow, submission: &Submission, record: &Evidence) -> Result<(), Shut> {
    let id = &job.job.id;
    let purpose = Purpose {
        kind: request_kind(job),
        certificate_id: job.job.certificate_id.as_str(),
        csr_sha256: Digest::of(&[&submission.csr]),
        reason: submission.reason_sha256,
        ticket: submission.ticket.as_ref().map(Untrusted::raw),
    };
    let digest = submission.content.digest(&purpose).map_err(|error| Shut::Tampered(format!("{id}: {error}")))?;
    if digest != submission.digest || record.details.digest != digest.to_string() {
        return Err(Shut::Tampered(format!("the content of {id} is not what its ledger record allows")));
    }
    if submission.profile.digest() != submission.content.profile_digest {
        return Err(Shut::Tampered(format!("the rules of {id} are not those that its content was made under")));
    }
    Ok(())
}

fn request_kind(job: &JobRow) -> RequestKind {
    match job.job.kind {
        JobKind::Issue | JobKind::Deploy => RequestKind::CertIssuance,
        JobKind::Renew => RequestKind::CertRenewal,
        JobKind::Revoke => RequestKind::CertRevocation,
    }
}

/// By the ledger alone: enough different people, none of them the requester, approved exactly this version; or
/// the bypass did.
fn people_agreed(
    connection: &Connection,
    request: &RequestRow,
    submission: &Submission,
    record: &Evidence,
) -> Result<(), Shut> {
    let id = &request.id;
    let tampered = |what: &str| Shut::Tampered(format!("{id} {what}"));
    if request.state != RequestState::Approved || record.resource_id != id.as_str() {
        return Err(tampered("is not approved by the ledger record that its job names"));
    }
    if request.digest != submission.digest || record.details.version != request.version {
        return Err(tampered("was approved with other content"));
    }
    match record.action.as_str() {
        "approval_bypassed" => return Ok(()),
        "approval_approved" => {}
        _ => return Err(tampered("is approved by a record that approves nothing")),
    }
    let about = Evidence::about(connection, id.as_str())?;
    let requester = about
        .iter()
        .find(|evidence| evidence.seq == request.requested_seq && evidence.action == "approval_requested")
        .and_then(Evidence::party)
        .ok_or_else(|| tampered("was requested by nobody that the ledger knows"))?;
    if requester.uid != request.requester.uid || requester.account != request.requester.account {
        return Err(tampered("names another requester than the ledger"));
    }
    let mut voters = BTreeSet::new();
    for vote in about.iter().filter(|evidence| evidence.action == "approval_approved" && evidence.seq <= record.seq) {
        if vote.details.digest != record.details.digest || vote.details.version != request.version {
            continue;
        }
        let voter = vote.party().ok_or_else(|| tampered("has a vote of nobody"))?;
        own_session(&voter)
            .and_then(|()| different_people(&requester, &voter, &[]))
            .map_err(|error| Shut::Refused(format!("the vote in ledger record {}: {error}", vote.seq)))?;
        voters.insert(voter.voter());
    }
    let needed = submission.profile.votes_needed().max(1) as usize;
    if voters.len() < needed {
        return Err(tampered("has no quorum of different people over its exact content"));
    }
    Ok(())
}

/// The profile asks for nobody, and the record is that of this very job.
fn nobody_has_to_agree(job: &JobRow, submission: &Submission, record: &Evidence) -> Result<(), Shut> {
    let id = &job.job.id;
    if submission.profile.rules().requires_approval {
        return Err(Shut::Tampered(format!("{id} has no request, and its profile requires approval")));
    }
    if record.action != "issuance_requested" || record.resource_id != id.as_str() {
        return Err(Shut::Tampered(format!("{id} names a ledger record that does not ask for it")));
    }
    Ok(())
}

/// A profile that cannot be loaded means refusal, never the unattended path.
fn rules_in_force_allow(policy: &Policy, job: &JobRow, submission: &Submission) -> Result<(), Shut> {
    let profile = policy
        .profile(&job.job.profile_id)
        .ok_or_else(|| Shut::Refused(format!("profile {} is not in the policy in force", job.job.profile_id)))?;
    if job.job.request_id.is_none() && profile.rules().requires_approval {
        let id = profile.id();
        return Err(Shut::Refused(format!("profile {id} requires approval now; nobody has agreed to this job")));
    }
    if policy.issuer(&submission.content.issuer).is_none() {
        let issuer = &submission.content.issuer;
        return Err(Shut::Refused(format!("issuer {issuer} is not in the policy in force")));
    }
    Ok(())
}
