//! A profile that asks for nobody: a job that can be picked up at once, and no request.

use countersign_shared::lifecycle::{JobKind, JobState};
use countersign_shared::protocol::{AuditAction, Category};

use super::step::Stored;
use crate::store::rows::jobs;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// What a record says of a job that nobody has to agree to: it allows work of that kind, and of no other.
pub const fn requested(kind: JobKind) -> AuditAction {
    match kind {
        JobKind::Revoke => AuditAction::RevocationRequested,
        JobKind::Issue | JobKind::Renew | JobKind::Deploy => AuditAction::IssuanceRequested,
    }
}

/// Makes it.
pub fn make(transaction: &mut Transaction<'_>, stored: &Stored<'_>) -> Result<(), Failure> {
    let action = requested(stored.job_kind());
    let draft = stored.actor.draft(action, Category::CertLifecycle, "job", stored.job);
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
    transaction.tell_nobody(action, stored.job.as_str(), "nobody has to agree to it", recorded)?;
    transaction.after_commit(Effect::JobReady);
    Ok(())
}
