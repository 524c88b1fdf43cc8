//! `job.list`, `job.get`, `job.retry`.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::JobId;
use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::{Category, Job, JobIdParams, JobPage, ListJobsParams};
use countersign_shared::time::Span;

use super::actor::Actor;
use super::decide::{Matter, not_found};
use super::sight;
use super::submit::unattended::requested;
use super::{PolicyInForce, Service, refusal};
use crate::gate::recorded_tick;
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::policy::Policy;
use crate::store::rows::jobs::JobRow;
use crate::store::rows::page::Window;
use crate::store::rows::{jobs, requests, submissions};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// A page of what the caller may see.
pub async fn list(service: &Service, connection: &Connection, params: ListJobsParams) -> Result<JobPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    let sight = sight::of(&service.actor(connection)?, &service.policy.now())?;
    let page = move |connection: &rusqlite::Connection| {
        let (jobs, next_cursor) = jobs::page(connection, &params, window, &sight)?;
        Ok(JobPage { jobs, next_cursor })
    };
    service.readers.read_for(connection.peer.uid(), page).await
}

/// One job.
pub async fn get(service: &Service, connection: &Connection, params: JobIdParams) -> Result<Job, ApiError> {
    let sight = sight::of(&service.actor(connection)?, &service.policy.now())?;
    let uid = connection.peer.uid();
    service.readers.read_for(uid, move |connection| seen(connection, &params.id, &sight)).await
}

fn seen(connection: &rusqlite::Connection, id: &JobId, sight: &Sight) -> Result<Job, Failure> {
    let job = if jobs::visible(connection, id, sight)? { jobs::get(connection, id)? } else { None };
    Ok(job.ok_or_else(|| not_found(id))?.job)
}

/// A new job under the same approval in place of a failed one. It passes the gate like the first.
pub async fn retry(service: &Service, connection: &Connection, params: JobIdParams) -> Result<Job, ApiError> {
    let actor = service.actor_with_patience(connection)?;
    let (policy, asking) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &asking, "job.retry", ("job", params.id.as_str()), |transaction| {
                make(transaction, &policy, &asking, &params.id)
            })
        })
        .await?
}

/// Somebody with a vote, and under a request somebody else than the requester: a second try after an outcome
/// that is not known may make a second certificate.
fn may_retry(transaction: &Transaction<'_>, policy: &Policy, actor: &Actor, failed: &JobRow) -> Result<(), Failure> {
    let (connection, id, now) = (transaction.connection(), &failed.job.profile_id, transaction.now());
    let profile = submissions::profile(connection, failed.submission_id, policy, id)?;
    let mut has_vote = policy.counts_for(&profile, &actor.account, now);
    if let Some(request) = &failed.job.request_id {
        let request = requests::get(connection, request)?.ok_or_else(|| not_found(request))?;
        let matter = Matter::read(connection, policy, request)?;
        if matter.known.different(&matter.requester, &actor.party, &[]).is_err() {
            matter.known.different(&matter.requester, &actor.party, &matter.voters(policy, now))?;
        }
        has_vote = !matter.counts_for(policy, &actor.account, now).is_empty();
    }
    if !has_vote {
        let message = format!("{} may not retry jobs under profile {id}", actor.party.account);
        let error = ApiError::new(ErrorKind::Forbidden, message).hint("whoever has a vote under the profile may");
        return Err(error.rule("no_vote").into());
    }
    if profile.rules().require_login_session && actor.party.login_uid.is_none() {
        let error =
            ApiError::new(ErrorKind::Forbidden, format!("profile {id} takes retries from login sessions alone"));
        return Err(error
            .hint("log in (ssh, console); a service or container has no login")
            .rule("login_required")
            .into());
    }
    Ok(())
}

/// Only the newest job of a certificate is retried, once, and not long after it was agreed to: an old approval
/// never takes the place of what came later.
pub fn nothing_came_after(
    connection: &rusqlite::Connection,
    tick: i64,
    policy: &Policy,
    failed: &JobRow,
) -> Result<(), Failure> {
    let id = &failed.job.id;
    let in_the_way = |message: String| {
        let error = ApiError::new(ErrorKind::Conflict, message).hint("make a new request");
        Err(error.rule("retry_too_late").into())
    };
    if failed.job.state != JobState::Failed {
        return in_the_way(format!("{id} is {}; only a failed job is retried", failed.job.state));
    }
    match jobs::newest_for(connection, &failed.job.certificate_id)? {
        Some(newest) if newest != *id => {
            return in_the_way(format!("{newest} came after {id} for the same certificate"));
        }
        _ => {}
    }
    let Some(request) = &failed.job.request_id else { return Ok(()) };
    let request = requests::get(connection, request)?.ok_or_else(|| not_found(request))?;
    let profile = submissions::profile(connection, failed.submission_id, policy, &failed.job.profile_id)?;
    // By the time line, as the gate measures it: no change of the wall clock makes an approval older or younger.
    let agreed = match failed.record_seq {
        Some(seq) => recorded_tick(connection, seq, &request.id)?,
        None => None,
    };
    let agreed = agreed.ok_or_else(|| ApiError::internal(format!("the record that {id} names is missing")))?;
    let age = Span::from_millis(u64::try_from(tick.saturating_sub(agreed)).unwrap_or(0));
    let within = profile.rules().carry_out_within();
    if age > within {
        let message = format!(
            "{} was approved {} ago; its profile lets an approval be carried out within {within}",
            request.id,
            age.rough()
        );
        return in_the_way(message);
    }
    Ok(())
}

fn make(transaction: &mut Transaction<'_>, policy: &PolicyInForce, actor: &Actor, id: &JobId) -> Result<Job, Failure> {
    let policy = transaction.rules(policy);
    let actor = &*actor.under(&policy, transaction.now());
    own_session(&actor.party)?;
    sight::of(actor, &policy)?;
    let failed = jobs::get(transaction.connection(), id)?.ok_or_else(|| not_found(id))?;
    may_retry(transaction, &policy, actor, &failed)?;
    nothing_came_after(transaction.connection(), transaction.tick(), &policy, &failed)?;
    let new = again(transaction, &policy, actor, &failed)?;
    Ok(jobs::get(transaction.connection(), &new)?.ok_or_else(|| not_found(&new))?.job)
}

/// Makes the job that takes the place of one that failed.
pub fn again(
    transaction: &mut Transaction<'_>,
    policy: &Policy,
    actor: &Actor,
    failed: &JobRow,
) -> Result<JobId, Failure> {
    let id = &failed.job.id;
    let submission = submissions::get(transaction.connection(), failed.submission_id)?;
    let new = transaction.fresh_job()?;
    let profile = &failed.job.profile_id;
    let draft = actor
        .draft(requested(failed.job.kind), Category::CertLifecycle, "job", &new)
        .number("version", 1)
        .text("digest", submission.digest)
        .text("policy_sha256", policy.sha256())
        .text("profile", profile)
        .text("certificate", &failed.job.certificate_id)
        .text("retry_of", id)
        .text_if("request", failed.job.request_id.as_ref());
    let recorded = transaction.record(draft)?;
    // Under a request, what allows the signature is still the approval; unattended, it is this very record.
    let record_seq = if failed.job.request_id.is_some() { failed.record_seq } else { Some(recorded.seq) };
    jobs::insert(
        transaction.connection(),
        &jobs::NewJob {
            id: &new,
            kind: failed.job.kind,
            state: JobState::Pending,
            certificate_id: &failed.job.certificate_id,
            profile_id: profile,
            request_id: failed.job.request_id.as_ref(),
            submission_id: failed.submission_id,
            record_seq,
            retry_of: Some(id),
            requester: &failed.requester,
            created_at: transaction.now(),
        },
    )?;
    transaction.after_commit(Effect::JobReady);
    transaction.after_commit(Effect::Moved(id.to_string()));
    Ok(new)
}
