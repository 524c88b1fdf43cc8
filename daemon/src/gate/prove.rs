//! From a claimed job to the proof: everything that led here is read back and held against the ledger records
//! that are said to allow it. Nothing is believed because a column says so.

use countersign_shared::content::Purpose;
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::{JobKind, JobState, RequestKind, RequestState, Verdict};
use countersign_shared::protocol::SignatureDemand;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::evidence::{Cast, Evidence};
use super::passing::{self, Predecessor};
use super::quorum::Tally;
use super::roll::Known;
use super::signed;
use super::two_person::{Party, own_session};
use super::{Approved, Delegated};
use crate::identity::directory::Account;
use crate::ledger::leaf_hash;
use crate::policy::{Policy, Terms};
use crate::store::Transaction;
use crate::store::rows::jobs::JobRow;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::submissions::Submission;
use crate::store::rows::{
    acknowledged, audit, jobs, policies, requests, revocations, submissions, terms as rows_terms,
};
use crate::store::transaction::Failure;

/// Who approves by the passing of time.
const SCHEDULER: &str = "system-scheduler";

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
    let (connection, id) = (transaction.connection(), &job.job.id);
    if job.job.kind == JobKind::Revoke {
        return Err(Shut::Tampered(format!("{id} is to revoke, and was claimed to sign")));
    }
    let (record, bytes) = committed(transaction, job)?;
    let submission = submissions::get(connection, job.submission_id)?;
    content_is_what_was_agreed(connection, job, &submission, &record)?;
    agreed(transaction, policy, job, &submission, &record)?;
    key_is_not_compromised(connection, &submission)?;
    Ok(Approved::new(
        id.clone(),
        job.job.certificate_id.clone(),
        submission.content,
        submission.csr,
        record.seq,
        leaf_hash(&bytes),
    ))
}

/// The ledger record that is said to allow a job, with its bytes: committed, and used by no other job.
pub(super) fn committed(transaction: &Transaction<'_>, job: &JobRow) -> Result<(Evidence, Vec<u8>), Shut> {
    let connection = transaction.connection();
    let (id, state) = (&job.job.id, job.job.state);
    if !matches!(state, JobState::Pending | JobState::Running) {
        return Err(Shut::Tampered(format!("{id} is {state} and was claimed")));
    }
    undamaged(connection, job)?;
    let seq = job.record_seq.ok_or_else(|| Shut::Tampered(format!("{id} names no ledger record")))?;
    if seq >= transaction.durable_size() {
        return Err(Shut::Tampered(format!("{id} names ledger record {seq}, which is not committed")));
    }
    let bytes = audit::record(connection, seq)?;
    let bytes = bytes.ok_or_else(|| Shut::Tampered(format!("{id} names ledger record {seq}, which is missing")))?;
    let record = Evidence::read(&bytes)
        .ok_or_else(|| Shut::Tampered(format!("ledger record {seq}, named by {id}, allows no signature")))?;
    if record.seq != seq {
        return Err(Shut::Tampered(format!("ledger record {seq}, named by {id}, says that it is {}", record.seq)));
    }
    one_signature_a_record(connection, job, seq)?;
    Ok((record, bytes))
}

/// What rests on a record that is known to be damaged is carried out by nobody: an acknowledgement says that the damage is
/// known, and not that the record was true.
fn undamaged(connection: &Connection, job: &JobRow) -> Result<(), Shut> {
    match acknowledged::beneath(connection, job.job.request_id.as_ref(), Some(&job.job.id))? {
        None => Ok(()),
        Some(seq) => Err(Shut::Refused(format!(
            "{} rests on ledger record {seq}, which is damaged: ask for it anew",
            job.job.id
        ))),
    }
}

/// Whoever has to agree has agreed, by the ledger, in time, to what this job does; and the rules in force allow it.
pub(super) fn agreed(
    transaction: &Transaction<'_>,
    policy: &Policy,
    job: &JobRow,
    submission: &Submission,
    record: &Evidence,
) -> Result<(), Shut> {
    let id = &job.job.id;
    match &job.job.request_id {
        Some(request) => {
            let request = requests::get(transaction.connection(), request)?
                .ok_or_else(|| Shut::Tampered(format!("{id} belongs to no request")))?;
            if request.kind != request_kind(job) {
                return Err(Shut::Tampered(format!("{id} does another thing than its request asks for")));
            }
            people_agreed(transaction, policy, &request, submission, record)?;
            in_its_time(transaction, policy, &request, submission, record)?;
        }
        None => nobody_has_to_agree(job, submission, record)?,
    }
    rules_in_force_allow(policy, job, submission)
}

/// Whoever has a key that was given away could use a certificate for it: it gets none any more, whoever agrees.
fn key_is_not_compromised(connection: &Connection, submission: &Submission) -> Result<(), Shut> {
    match revocations::of_compromised_key(connection, submission.content.spki_sha256)? {
        None => Ok(()),
        Some((certificate, version)) => Err(Shut::Refused(format!(
            "its key is that of version {version} of {certificate}, which was revoked because the key is compromised"
        ))),
    }
}

/// A record allows one certificate. Jobs that failed under it used nothing up.
fn one_signature_a_record(connection: &Connection, job: &JobRow, seq: u64) -> Result<(), Shut> {
    match jobs::other_under_record(connection, seq, &job.job.id)? {
        None => Ok(()),
        Some(other) => Err(Shut::Tampered(format!("{other} uses ledger record {seq}, which {} names too", job.job.id))),
    }
}

/// The record names the digest, and the digest is that of what would be signed.
fn content_is_what_was_agreed(
    connection: &Connection,
    job: &JobRow,
    submission: &Submission,
    record: &Evidence,
) -> Result<(), Shut> {
    let id = &job.job.id;
    let terms = match &job.job.request_id {
        Some(request) => rows_terms::get(connection, request, record.details.version)?,
        None => None,
    };
    let purpose = Purpose {
        kind: request_kind(job),
        certificate_id: job.job.certificate_id.as_str(),
        csr_sha256: Digest::of(&[&submission.csr]),
        reason: submission.reason_sha256,
        ticket: submission.ticket.as_ref().map(Untrusted::raw),
        not_before: terms.and_then(|terms| terms.not_before).map(|start| start.at),
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

/// By the ledger alone: enough different people, none of them the requester, approved exactly this version; or the
/// bypass did; or the profile lets a renewal that changes nothing pass.
fn people_agreed(
    transaction: &Transaction<'_>,
    policy: &Policy,
    request: &RequestRow,
    submission: &Submission,
    record: &Evidence,
) -> Result<(), Shut> {
    let (connection, id) = (transaction.connection(), &request.id);
    let tampered = |what: &str| Shut::Tampered(format!("{id} {what}"));
    if request.state != RequestState::Approved || record.resource_id != id.as_str() {
        return Err(tampered("is not approved by the ledger record that its job names"));
    }
    if request.digest != submission.digest || record.details.version != request.version {
        return Err(tampered("was approved with other content"));
    }
    let asked = asked(connection, request, "approval_requested")?;
    if asked.details.deadline_tick.is_some_and(|deadline| record.details.tick >= deadline) {
        return Err(tampered("was approved after its deadline"));
    }
    match record.action.as_str() {
        "approval_bypassed" => return Ok(()),
        "approval_approved" if record.details.auto_approved => {
            return may_pass_by_time(connection, policy, request, submission, &asked, record);
        }
        "approval_approved" => {}
        _ => return Err(tampered("is approved by a record that approves nothing")),
    }
    let judged = terms(connection, policy, request, submission, &asked, record)?;
    let demand = signed::demanded(policy, Some(&submission.profile), request);
    // Whoever put the current version in place of another asks for it too, by whichever account.
    let amender =
        version_record(connection, request)?.filter(|made| made.seq != asked.seq).and_then(|made| made.party());
    different_people_agreed(connection, policy, request, (&asked, amender), record, (&judged.0, &judged.1, demand))
}

/// The votes up to `record`, read from the ledger: they fill the terms that it names, which ask for as much as those
/// that the request was made under, and none is of somebody who asked, as everybody was known then and as they are now.
pub(super) fn different_people_agreed(
    connection: &Connection,
    policy: &Policy,
    request: &RequestRow,
    (asked, amender): (&Evidence, Option<Party>),
    record: &Evidence,
    (made_under, judged_by, demand): (&Terms, &Terms, Option<SignatureDemand>),
) -> Result<(), Shut> {
    let id = &request.id;
    let tampered = |what: &str| Shut::Tampered(format!("{id} {what}"));
    if !judged_by.asks_for_as_much_as(made_under) {
        return Err(tampered("was approved under other terms than it was made under"));
    }
    let known = known(connection, policy, asked)?;
    let requester = asked.party().unwrap_or_else(|| Party::system(&asked.actor));
    let mut votes = Vec::new();
    for cast in Cast::on(connection, id, request.version, &record.details.digest, made_under)? {
        if cast.seq > record.seq {
            continue;
        }
        let refuse = |error| Shut::Refused(format!("the vote in ledger record {}: {error}", cast.seq));
        own_session(&cast.by).map_err(refuse)?;
        // Nobody hands over what they say of the policy itself.
        let by_another = cast.giver.is_some();
        if by_another && (request.work.is_none() || !Delegated::allowed(connection, cast.seq, &request.profile_id)?) {
            return Err(tampered("has a vote by a say that nobody had handed over"));
        }
        for human in std::iter::once(&cast.by).chain(&cast.giver) {
            for asking in std::iter::once(&requester).chain(&amender) {
                known.different(asking, human, &[]).map_err(refuse)?;
            }
        }
        votes.push(cast);
    }
    let unsigned = Tally::of(judged_by, &Known::as_recorded().ballots(&votes));
    if let Some(wrong) = signed::only_signed(connection, policy, demand, &mut votes)?.into_iter().next() {
        return Err(Shut::Tampered(format!("{id}: {wrong}")));
    }
    let tally = Tally::of(judged_by, &Known::as_recorded().ballots(&votes));
    if unsigned.is_complete() && !tally.is_complete() {
        let why = "decisions have to be signed, and those that are signed by keys of the policy make no quorum";
        return Err(Shut::Refused(format!("{id}: {why}")));
    }
    if !tally.is_complete() {
        return Err(tampered("has no quorum of different people over its exact content"));
    }
    // What enough people have rejected has ended, whatever its row says.
    if tally.rejections >= judged_by.reject_threshold.min(made_under.reject_threshold) {
        return Err(tampered("was rejected by as many as end it"));
    }
    if !Tally::of(judged_by, &known.ballots(&votes)).is_complete() {
        let why = "the policy in force knows people who voted for it as one person: it has no quorum any more";
        return Err(Shut::Refused(format!("{id}: {why}")));
    }
    Ok(())
}

/// The record of the request itself, where the row says the same of who asked and for what.
pub(super) fn asked(connection: &Connection, request: &RequestRow, action: &str) -> Result<Evidence, Shut> {
    let id = &request.id;
    let tampered = |what: &str| Shut::Tampered(format!("{id} {what}"));
    let asked = Evidence::at(connection, request.requested_seq, id.as_str())?
        .filter(|asked| asked.action == action)
        .ok_or_else(|| tampered("was requested by nobody that the ledger knows"))?;
    let requester = asked.party().unwrap_or_else(|| Party::system(&asked.actor));
    if requester.uid != request.requester.uid
        || requester.account != request.requester.account
        || requester.person != request.requester.person
    {
        return Err(tampered("names another requester than the ledger"));
    }
    if asked.details.kind.is_some_and(|kind| kind != request.kind) {
        return Err(tampered("asks for another thing than the ledger says"));
    }
    Ok(asked)
}

/// By which policies humans are told apart: the one in force, and the one that the request was made under.
fn known<'p>(connection: &Connection, policy: &'p Policy, asked: &Evidence) -> Result<Known<'p>, Shut> {
    let sha256 = asked.details.policy_sha256.as_str();
    if sha256.is_empty() || sha256 == policy.sha256().to_string() {
        return Ok(Known::by(policy, None));
    }
    let then = policies::past(connection, sha256)?.ok_or_else(|| {
        Shut::Refused(format!("policy {sha256}, which {} was made under, cannot be read", asked.resource_id))
    })?;
    Ok(Known::by(policy, Some(then)))
}

/// The terms that the version was made under, and those that it was judged by when the quorum was complete. Records
/// from before they said so name none: a quorum had one step then, that of the profile.
fn terms(
    connection: &Connection,
    policy: &Policy,
    request: &RequestRow,
    submission: &Submission,
    asked: &Evidence,
    record: &Evidence,
) -> Result<(Terms, Terms), Shut> {
    let id = &request.id;
    let tampered = |what: &str| Shut::Tampered(format!("{id} {what}"));
    let made_under = match request.version {
        1 => asked.terms(),
        _ => {
            let amended =
                version_record(connection, request)?.filter(|amended| amended.details.digest == record.details.digest);
            amended.ok_or_else(|| tampered("has a version that the ledger does not know"))?.terms()
        }
    };
    let profile = &submission.profile;
    let of_the_profile = || {
        let owner = Account { uid: request.requester.uid, name: None, unix_groups: Vec::new() };
        policy.terms(profile, &owner, false)
    };
    let made_under = made_under.unwrap_or_else(of_the_profile);
    let judged_by = record.terms().unwrap_or_else(|| made_under.clone());
    Ok((made_under, judged_by))
}

/// The record that made the current version.
fn version_record(connection: &Connection, request: &RequestRow) -> Result<Option<Evidence>, Shut> {
    let (seq, action) = match request.version {
        1 => (Some(request.requested_seq), "approval_requested"),
        version => (rows_terms::get(connection, &request.id, version)?.map(|terms| terms.seq), "approval_amended"),
    };
    let Some(seq) = seq else { return Ok(None) };
    let made = Evidence::at(connection, seq, request.id.as_str())?;
    Ok(made.filter(|made| made.action == action && made.details.version == request.version))
}

/// A renewal that changes neither names nor the kind of key, after the time that the rules it was made under and
/// those in force both give people to object in, while nobody did.
fn may_pass_by_time(
    connection: &Connection,
    policy: &Policy,
    request: &RequestRow,
    submission: &Submission,
    asked: &Evidence,
    record: &Evidence,
) -> Result<(), Shut> {
    let id = &request.id;
    let refuse = |what: &str| Shut::Refused(format!("{id} was approved by the passing of time, and {what}"));
    if record.actor != SCHEDULER {
        return Err(Shut::Tampered(format!("{id} was approved by the passing of time, in the name of a person")));
    }
    let in_force = policy.profile(&request.profile_id);
    let before = Predecessor::read(connection, request).map_err(Shut::Unreadable)?;
    let wait = passing::wait(request, submission, in_force, before.as_ref()).map_err(refuse)?;
    let waited = record.details.tick.saturating_sub(asked.details.tick);
    if waited < i64::try_from(wait.millis()).unwrap_or(i64::MAX) {
        return Err(refuse("its time was not over"));
    }
    let terms = policy.terms(&submission.profile, &Account { uid: 0, name: None, unix_groups: Vec::new() }, false);
    let cast = Cast::on(connection, id, request.version, &record.details.digest, &terms)?;
    if cast.iter().any(|cast| cast.verdict == Verdict::Reject && cast.seq < record.seq) {
        return Err(refuse("somebody objected"));
    }
    Ok(())
}

/// An approval that was not used in time is none any more, and a scheduled one is none yet. Both by the time line,
/// which no change of the wall clock moves.
fn in_its_time(
    transaction: &Transaction<'_>,
    policy: &Policy,
    request: &RequestRow,
    submission: &Submission,
    record: &Evidence,
) -> Result<(), Shut> {
    let start = version_record(transaction.connection(), request)?.and_then(|made| made.details.not_before_tick);
    let start = start.unwrap_or(i64::MIN);
    if transaction.tick() < start {
        return Err(Shut::Refused(format!("{} is not to be carried out yet", request.id)));
    }
    let made_under = submission.profile.rules().carry_out_within();
    let now = policy.profile(&request.profile_id).map(|profile| profile.rules().carry_out_within());
    let within = now.map_or(made_under, |now| now.min(made_under));
    let last = record.details.tick.max(start).saturating_add(i64::try_from(within.millis()).unwrap_or(i64::MAX));
    if transaction.tick() > last {
        let id = &request.id;
        return Err(Shut::Refused(format!("the approval of {id} lapsed: it was not carried out within {within}")));
    }
    Ok(())
}

/// The profile asks for nobody, and the record is that of this very job.
fn nobody_has_to_agree(job: &JobRow, submission: &Submission, record: &Evidence) -> Result<(), Shut> {
    let id = &job.job.id;
    if submission.profile.rules().requires_approval {
        return Err(Shut::Tampered(format!("{id} has no request, and its profile requires approval")));
    }
    let asks = if job.job.kind == JobKind::Revoke { "revocation_requested" } else { "issuance_requested" };
    if record.action != asks || record.resource_id != id.as_str() {
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
