//! A profile that asks for nobody: a job that can be picked up at once, and no request.

use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::{AuditAction, Category};

use super::step::Stored;
use crate::store::rows::{jobs, notifications};
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// Makes it.
pub fn make(transaction: &mut Transaction<'_>, stored: &Stored<'_>) -> Result<(), Failure> {
    let draft = stored.actor.draft(AuditAction::IssuanceRequested, Category::CertLifecycle, "job", stored.job);
    let recorded = transaction.record(stored.described(draft))?;
    let (connection, now) = (transaction.connection(), transaction.now());
    jobs::insert(
        connection,
        &jobs::NewJob {
            id: stored.job,
            kind: stored.job_kind(),
            state: JobState::Pending,
            certificate_id: &stored.certificate.id,
            profile_id: stored.submission.profile.id(),
            request_id: None,
            submission_id: stored.submission_id,
            record_seq: Some(recorded.seq),
            retry_of: None,
            requester: &stored.actor.person_ref(),
            created_at: now,
        },
    )?;
    notifications::insert(connection, "issuance_requested", stored.job.as_str(), now, recorded.seq)?;
    transaction.after_commit(Effect::JobReady);
    Ok(())
}
