//! `job.list`, `job.get`, `job.retry`.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::JobId;
use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::{AuditAction, Category, Job, JobIdParams, JobPage, ListJobsParams};

use super::actor::Actor;
use super::decide::not_found;
use super::sight::Sight;
use super::{PolicyInForce, Service, permissions_now, refusal};
use crate::ipc::Connection;
use crate::policy::Permission;
use crate::store::rows::page::Window;
use crate::store::rows::{jobs, submissions};
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// A page of what the caller may see.
pub async fn list(service: &Service, connection: &Connection, params: ListJobsParams) -> Result<JobPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    let sight = Sight::of(&service.actor(connection)?, &service.policy.now())?;
    let page = move |connection: &rusqlite::Connection| {
        let (jobs, next_cursor) = jobs::page(connection, &params, window, &sight)?;
        Ok(JobPage { jobs, next_cursor })
    };
    service.readers.read(page).await
}

/// One job.
pub async fn get(service: &Service, connection: &Connection, params: JobIdParams) -> Result<Job, ApiError> {
    let sight = Sight::of(&service.actor(connection)?, &service.policy.now())?;
    service.readers.read(move |connection| seen(connection, &params.id, &sight)).await
}

fn seen(connection: &rusqlite::Connection, id: &JobId, sight: &Sight) -> Result<Job, Failure> {
    let job = if jobs::visible(connection, id, sight)? { jobs::get(connection, id)? } else { None };
    Ok(job.ok_or_else(|| not_found(id))?.job)
}

/// A new job under the same approval in place of a failed one. It passes the gate like the first.
pub async fn retry(service: &Service, connection: &Connection, params: JobIdParams) -> Result<Job, ApiError> {
    let actor = service.actor_with_patience(connection)?;
    let (policy, asking) = (service.policy.clone(), actor.clone());
    let result = service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &asking, "job.retry", ("job", params.id.as_str()), |transaction| {
                make(transaction, &policy, &asking, &params.id)
            })
        })
        .await?;
    service.after_attempt(&actor, result)
}

fn make(transaction: &mut Transaction<'_>, policy: &PolicyInForce, actor: &Actor, id: &JobId) -> Result<Job, Failure> {
    let policy = policy.now();
    let failed = jobs::get(transaction.connection(), id)?.ok_or_else(|| not_found(id))?;
    let permissions = permissions_now(&policy, actor, transaction.now());
    let profile = &failed.job.profile_id;
    crate::gate::two_person::own_session(&actor.party)?;
    if !permissions.allows(Permission::Decide(profile)) {
        let message = format!("{} may not retry jobs under profile {profile}", actor.party.account);
        return Err(ApiError::new(ErrorKind::Forbidden, message)
            .hint("an operator of the profile may")
            .rule("no_vote")
            .into());
    }
    if failed.job.state != JobState::Failed {
        let message = format!("{id} is {}; only a failed job is retried", failed.job.state);
        return Err(ApiError::new(ErrorKind::Conflict, message).into());
    }
    // One approval, one certificate: what a retry came to is tried again from that retry.
    if let Some(newest) = jobs::newest_retry(transaction.connection(), id)?.filter(|newest| newest.job.id != *id) {
        let newest = newest.job.id;
        return Err(ApiError::new(ErrorKind::Conflict, format!("{newest} was made in place of {id} already"))
            .hint(format!("countersign wait {newest}"))
            .into());
    }
    if let Some(open) = jobs::open_for(transaction.connection(), &failed.job.certificate_id)? {
        let message = format!("{open} is under way for the same certificate");
        return Err(ApiError::new(ErrorKind::Conflict, message).hint(format!("countersign wait {open}")).into());
    }
    let submission = submissions::get(transaction.connection(), failed.submission_id)?;
    let new = transaction.fresh_job()?;
    let draft = actor
        .draft(AuditAction::IssuanceRequested, Category::CertLifecycle, "job", &new)
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
    transaction.after_commit(Effect::Moved(id.clone()));
    Ok(jobs::get(transaction.connection(), &new)?.ok_or_else(|| not_found(&new))?.job)
}
