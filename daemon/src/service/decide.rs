//! `request.approve`, `request.reject`: one person's say on exactly the content seen.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestEvent, RequestState, Verdict, request_transition};
use countersign_shared::protocol::{AuditAction, Category, DecideParams, DecideResult, MAX_TEXT};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::actor::Actor;
use super::sight;
use super::{PolicyInForce, Service, permissions_now, refusal};
use crate::gate::judge::{Case, Judgement, judge};
use crate::gate::two_person::{Party, own_session};
use crate::identity::directory::Account;
use crate::ipc::Connection;
use crate::policy::{Policy, Profile};
use crate::store::rows::metrics::Outcome;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::{decisions, jobs, notifications, requests, submissions};
use crate::store::transaction::{Failure, fresh_salt, salted};
use crate::store::{Effect, Transaction};

/// Decides.
pub async fn decide(
    service: &Service,
    connection: &Connection,
    params: DecideParams,
    verdict: Verdict,
) -> Result<DecideResult, ApiError> {
    let note = check_note(params.note.as_ref(), verdict)?;
    let actor = service.actor_with_patience(connection)?;
    let (policy, deciding) = (service.policy.clone(), actor.clone());
    let verb = match verdict {
        Verdict::Approve => "request.approve",
        Verdict::Reject => "request.reject",
    };
    let result = service
        .writer
        .write(move |transaction| {
            let resource = ("request", params.id.as_str());
            refusal::or_record(transaction, &deciding, verb, resource, |transaction| {
                carry_out(transaction, &policy, &deciding, &params, verdict, &note)
            })
        })
        .await?;
    service.after_attempt(&actor, result)
}

fn check_note(note: Option<&Untrusted>, verdict: Verdict) -> Result<Untrusted, ApiError> {
    let note = note.cloned().unwrap_or_default();
    if note.raw().len() > MAX_TEXT {
        return Err(ApiError::invalid(format!(
            "`note` has {} octets; at most {MAX_TEXT} are allowed",
            note.raw().len()
        )));
    }
    if verdict == Verdict::Reject && note.is_blank() {
        return Err(ApiError::invalid("`note` is missing: a rejection tells the requester why"));
    }
    Ok(note)
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    params: &DecideParams,
    verdict: Verdict,
    note: &Untrusted,
) -> Result<DecideResult, Failure> {
    let policy = policy.now();
    // Whose vote a session is, and whether it has any role, before anything is told of the request.
    own_session(&actor.party)?;
    sight::of(actor, &policy)?;
    let request = requests::get(transaction.connection(), &params.id)?.ok_or_else(|| not_found(&params.id))?;
    let in_force = policy.profile(&request.profile_id);
    let profile = submissions::profile(transaction.connection(), request.submission_id, in_force)?;
    let votes = decisions::of(transaction.connection(), &request.id, request.version)?;
    let requester = requester_now(&policy, &request);
    let mut case = Case {
        request: &request,
        requester: &requester,
        decider: &actor.party,
        has_vote: has_vote(&policy, &profile, actor, transaction),
        needs_login: profile.rules().require_login_session,
        votes: &votes,
        others: &[],
        tick: transaction.tick(),
    };
    let mut judged = judge(&case, verdict, &params.digest);
    let others;
    if judged.is_err() {
        // Who else could decide is a question to the whole policy; only a refusal has to answer it.
        others = self::others(&policy, &profile, &requester, transaction.now());
        case.others = &others;
        judged = judge(&case, verdict, &params.digest);
    }
    let Judgement { event, votes } = judged?;
    let next = request_transition(request.state, event)
        .ok_or_else(|| ApiError::new(ErrorKind::AlreadyDecided, format!("{} has ended", request.id)))?;

    let salt = fresh_salt()?;
    let action = match verdict {
        Verdict::Approve => AuditAction::ApprovalApproved,
        Verdict::Reject => AuditAction::ApprovalRejected,
    };
    let draft = actor
        .draft(action, Category::CertLifecycle, "request", &request.id)
        .number("version", request.version)
        .text("digest", request.digest)
        .text("policy_sha256", policy.sha256())
        .text("profile", &request.profile_id)
        .text("certificate", &request.certificate_id)
        .text("job", &request.job_id)
        .text("note_sha256", salted(&salt, note.raw()))
        .number("votes_given", votes.given)
        .number("votes_needed", votes.needed)
        .text("state", next.request);
    let recorded = transaction.record(draft)?;
    let connection = transaction.connection();
    let now = transaction.now();
    decisions::insert(
        connection,
        &decisions::NewDecision {
            request_id: &request.id,
            version: request.version,
            digest: request.digest,
            verdict,
            voter: &actor.party.voter(),
            by: &actor.person_ref(),
            login_uid: actor.party.login_uid,
            session: actor.session,
            note: note.raw(),
            note_salt: &salt,
            at: now,
            seq: recorded.seq,
        },
    )?;
    match event {
        RequestEvent::QuorumReached => {
            requests::end(connection, &request.id, next.request, now, &actor.party.account, recorded.seq)?;
            jobs::free(connection, &request.job_id, recorded.seq)?;
        }
        RequestEvent::Reject => {
            requests::end(connection, &request.id, next.request, now, &actor.party.account, recorded.seq)?;
            jobs::cancel(connection, &request.job_id, now, &format!("rejected: {}", note.raw()))?;
        }
        _ => requests::touch(connection, &request.id, recorded.seq)?,
    }
    notifications::insert(connection, action.as_str(), request.id.as_str(), now, recorded.seq)?;
    let job = jobs::get(connection, &request.job_id)?.ok_or_else(|| ApiError::internal("the request has no job"))?.job;
    after_commit(transaction, &request, next.request);
    Ok(DecideResult {
        id: request.id,
        state: next.request,
        job,
        seq: recorded.seq,
        record_sha256: recorded.hash,
        votes,
    })
}

fn after_commit(transaction: &mut Transaction<'_>, request: &RequestRow, state: RequestState) {
    if let Some(outcome) = Outcome::of(state, false) {
        let age_millis = transaction.tick() - request.created_tick;
        let profile_id = request.profile_id.clone();
        transaction.after_commit(Effect::Decided { outcome, profile_id, age_millis });
        transaction.after_commit(Effect::Moved(request.job_id.clone()));
        if state == RequestState::Approved {
            transaction.after_commit(Effect::JobReady);
        }
    }
}

/// No request of this id, or none that the caller may see.
pub fn not_found(id: &impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("there is no {id} that you may see"))
        .hint("countersign ls shows what there is")
}

/// The requester as attested when the request was made, and resolved under the policy in force now: accounts
/// that were folded into one person since then are one person.
pub fn requester_now(policy: &Policy, request: &RequestRow) -> Party {
    let named = |uid: u32, name: Option<&str>| Account {
        uid,
        name: name.map(|name| name.trim_end_matches(" (DEMO)").to_owned()),
        unix_groups: Vec::new(),
    };
    let account = named(request.requester.uid, Some(&request.requester.account));
    let login = &request.requester_login;
    let login_account = login.uid.map(|uid| named(uid, login.account.as_deref()));
    let login_person = login_account.and_then(|login| policy.person_of(&login).map(str::to_owned));
    Party {
        account: request.requester.account.clone(),
        uid: request.requester.uid,
        login_uid: login.uid,
        person: policy.person_of(&account).map(str::to_owned).or(request.requester.person.clone()),
        login_person: login_person.or(login.person.clone()),
    }
}

/// Who could decide instead of the requester and of whoever had logged in to the requester's session.
pub fn others(policy: &Policy, profile: &Profile, requester: &Party, now: Timestamp) -> Vec<String> {
    let mut others = policy.deciders(profile, &account_of(requester), now);
    others.retain(|name| requester.login_person.as_deref() != Some(name));
    others
}

/// The requester as an account to look up.
fn account_of(party: &Party) -> Account {
    let name = Some(party.account.trim_end_matches(" (DEMO)").to_owned());
    Account { uid: party.uid, name, unix_groups: Vec::new() }
}

/// Whether the policy in force, and the rules that the request was made under, both give a vote.
pub fn has_vote(policy: &Policy, snapshot: &Profile, actor: &Actor, transaction: &Transaction<'_>) -> bool {
    let now = transaction.now();
    let decides = permissions_now(policy, actor, now).allows(crate::policy::Permission::Decide(snapshot.id()));
    decides && policy.counts_for(snapshot, &actor.account, now)
}
