//! A profile that requires approval: a request that waits for people, and the job that it blocks.

use countersign_shared::error::ApiError;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{JobState, RequestEvent};
use countersign_shared::protocol::{AuditAction, Category};

use super::clock::{self, Moment};
use super::step::Stored;
use crate::policy::Terms;
use crate::service::actor::{BYPASS, system_draft};
use crate::service::conclude::{End, conclude};
use crate::service::decide::under;
use crate::store::rows::requests::{NewRequest, Work};
use crate::store::rows::terms::TermsRow;
use crate::store::rows::{jobs, requests, terms};
use crate::store::transaction::{Failure, Recorded};
use crate::store::{Effect, Transaction};

/// Makes it; on a development host with the bypass on, approves it in the same transaction.
pub fn make(transaction: &mut Transaction<'_>, stored: &Stored<'_>) -> Result<(), Failure> {
    let id = transaction.fresh_request()?;
    let terms = stored.terms();
    let draft = stored.actor.draft(AuditAction::ApprovalRequested, Category::CertLifecycle, "request", &id);
    let (now, profile) = (Moment::of(transaction), &stored.submission.profile);
    let deadline = clock::after(profile, now, profile.approval_timeout(stored.facts.approval_timeout));
    let timers = clock::timers(profile, now, stored.kind);
    let draft = stored.described(draft).text("job", stored.job).number("votes_needed", terms.places());
    let draft = clock::dated(under(draft, &terms), deadline, &timers);
    let recorded = transaction.record(draft)?;
    jobs::insert(
        transaction.connection(),
        &jobs::NewJob {
            id: stored.job,
            kind: stored.job_kind(),
            state: JobState::AwaitingApproval,
            certificate_id: &stored.certificate.id,
            profile_id: stored.submission.profile.id(),
            request_id: Some(&id),
            submission_id: stored.submission_id,
            record_seq: None,
            retry_of: None,
            requester: &stored.actor.person_ref(),
            created_at: transaction.now(),
        },
    )?;
    insert(transaction, stored, &id, &terms, deadline, recorded)?;
    clock::set(transaction, &id, &timers)?;
    transaction.tell(AuditAction::ApprovalRequested, id.as_str(), recorded)?;
    if stored.facts.bypass {
        return bypass(transaction, stored, &id);
    }
    transaction.after_commit(Effect::Pending);
    Ok(())
}

fn insert(
    transaction: &Transaction<'_>,
    stored: &Stored<'_>,
    id: &RequestId,
    terms: &Terms,
    deadline: Moment,
    recorded: Recorded,
) -> Result<(), Failure> {
    let (connection, profile) = (transaction.connection(), &stored.submission.profile);
    let work = Work {
        certificate_id: stored.certificate.id.clone(),
        job_id: stored.job.clone(),
        submission_id: stored.submission_id,
    };
    requests::insert(
        connection,
        &NewRequest {
            id,
            kind: stored.kind,
            work: Some(&work),
            digest: stored.submission.digest,
            profile_id: profile.id(),
            environment: &profile.rules().environment,
            requester: &stored.actor.person_ref(),
            requester_login: &stored.actor.login(),
            requester_session: stored.actor.session,
            primary_name: &stored.certificate.primary_name,
            sans: &stored.submission.content.sans,
            risks: stored.risks,
            votes_needed: terms.places(),
            created_at: transaction.now(),
            expires_at: deadline.at,
            created_tick: transaction.tick(),
            deadline_tick: deadline.tick,
            seq: recorded.seq,
        },
    )?;
    let row = TermsRow {
        version: 1,
        digest: stored.submission.digest,
        submission_id: Some(stored.submission_id),
        terms: terms.clone(),
        not_before: stored.not_before,
        batch: stored.batch.map(str::to_owned),
        created_at: transaction.now(),
        seq: recorded.seq,
    };
    terms::insert(connection, id, &row)?;
    Ok(())
}

/// The daemon itself takes the place of people, and says so under its own name.
fn bypass(transaction: &mut Transaction<'_>, stored: &Stored<'_>, id: &RequestId) -> Result<(), Failure> {
    let draft = system_draft(BYPASS, AuditAction::ApprovalBypassed, Category::CertLifecycle, "request", id);
    let recorded = transaction.record(stored.described(draft).text("job", stored.job))?;
    let request = requests::get(transaction.connection(), id)?;
    let request = request.ok_or_else(|| ApiError::internal("the request that was made is missing"))?;
    let end = End { event: RequestEvent::Bypass, by: BYPASS, why: "", action: AuditAction::ApprovalBypassed };
    conclude(transaction, &request, &end, recorded).map(drop)
}
