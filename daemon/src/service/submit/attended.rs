//! A profile that requires approval: a request that waits for people, and the job that it blocks.

use countersign_shared::error::ApiError;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{JobState, RequestEvent, RequestState, request_transition};
use countersign_shared::protocol::{AuditAction, Category};
use countersign_shared::time::Timestamp;

use super::step::Stored;
use crate::service::actor::{BYPASS, system_draft};
use crate::store::rows::metrics::Outcome;
use crate::store::rows::{jobs, notifications, requests};
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// Makes it; on a development host with the bypass on, approves it in the same transaction.
pub fn make(transaction: &mut Transaction<'_>, stored: &Stored<'_>) -> Result<(), Failure> {
    let (id, profile) = (transaction.fresh_request()?, &stored.submission.profile);
    let votes_needed = profile.votes_needed().max(1);
    let draft = stored.actor.draft(AuditAction::ApprovalRequested, Category::CertLifecycle, "request", &id);
    let draft = stored.described(draft).text("job", stored.job).number("votes_needed", votes_needed);
    let recorded = transaction.record(draft)?;
    let (connection, now) = (transaction.connection(), transaction.now());
    let requester = stored.actor.person_ref();
    jobs::insert(
        connection,
        &jobs::NewJob {
            id: stored.job,
            kind: stored.job_kind(),
            state: JobState::AwaitingApproval,
            certificate_id: &stored.certificate.id,
            profile_id: profile.id(),
            request_id: Some(&id),
            submission_id: stored.submission_id,
            record_seq: None,
            retry_of: None,
            requester: &requester,
            created_at: now,
        },
    )?;
    let timeout = profile.approval_timeout(stored.facts.approval_timeout).millis();
    let timeout = i64::try_from(timeout).unwrap_or(i64::MAX);
    let deadline_tick = transaction.tick().saturating_add(timeout);
    requests::insert(
        connection,
        &requests::NewRequest {
            id: &id,
            kind: stored.kind,
            certificate_id: &stored.certificate.id,
            job_id: stored.job,
            submission_id: stored.submission_id,
            digest: stored.submission.digest,
            profile_id: profile.id(),
            environment: &profile.rules().environment,
            requester: &requester,
            requester_login: &stored.actor.login(),
            requester_session: stored.actor.session,
            primary_name: &stored.certificate.primary_name,
            sans: &stored.submission.content.sans,
            risks: stored.risks,
            votes_needed,
            created_at: now,
            expires_at: Timestamp::from_unix_millis(now.unix_millis().saturating_add(timeout)).unwrap_or(now),
            created_tick: transaction.tick(),
            deadline_tick,
            seq: recorded.seq,
        },
    )?;
    notifications::insert(connection, "approval_requested", id.as_str(), now, recorded.seq)?;
    if stored.facts.bypass {
        return bypass(transaction, stored, &id);
    }
    transaction.after_commit(Effect::Pending { deadline_tick });
    Ok(())
}

/// The daemon itself takes the place of people, and says so under its own name.
fn bypass(transaction: &mut Transaction<'_>, stored: &Stored<'_>, id: &RequestId) -> Result<(), Failure> {
    let next = request_transition(RequestState::Pending, RequestEvent::Bypass)
        .ok_or_else(|| ApiError::internal("a new request is pending"))?;
    let draft = system_draft(BYPASS, AuditAction::ApprovalBypassed, Category::CertLifecycle, "request", id);
    let recorded = transaction.record(stored.described(draft).text("job", stored.job))?;
    let (connection, now) = (transaction.connection(), transaction.now());
    requests::end(connection, id, next.request, now, BYPASS, recorded.seq)?;
    jobs::free(connection, stored.job, recorded.seq)?;
    notifications::insert(connection, "approval_bypassed", id.as_str(), now, recorded.seq)?;
    let profile_id = stored.submission.profile.id().to_owned();
    transaction.after_commit(Effect::Decided { outcome: Outcome::Bypassed, profile_id, age_millis: 0 });
    transaction.after_commit(Effect::JobReady);
    Ok(())
}
