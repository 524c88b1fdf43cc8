//! Carries out a revocation: claimed, proved, recorded and done in one transaction.

use countersign_shared::error::ApiError;
use countersign_shared::id::JobId;
use countersign_shared::lifecycle::{JobEvent, JobState, job_transition};
use countersign_shared::protocol::{AuditAction, Category};

use super::outcome::fail;
use crate::gate::{ApprovedRevocation, Shut, prove_revocation};
use crate::service::PolicyInForce;
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::rows::jobs::JobRow;
use crate::store::rows::{crls, deliveries, jobs};
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// What became of it.
#[derive(Debug)]
pub enum Ended {
    /// The certificate is revoked.
    Done,
    /// The job is not there to be carried out.
    Gone,
    /// The rules do not allow it; the job failed with this reason.
    Refused(String),
    /// The state says something that the ledger does not.
    Tampered(String),
}

/// Carries out the job, or fails it with the gate's reason.
pub fn revoke(transaction: &mut Transaction<'_>, policy: &PolicyInForce, id: &JobId) -> Result<Ended, Failure> {
    let Some(job) = jobs::get(transaction.connection(), id)? else { return Ok(Ended::Gone) };
    let fresh = job_transition(job.job.state, JobEvent::Claim) == Some(JobState::Running);
    if !fresh && job.job.state != JobState::Running {
        return Ok(Ended::Gone);
    }
    let rules = transaction.rules(policy);
    let proof = prove_revocation(transaction, &rules, &job);
    if fresh && !matches!(proof, Err(Shut::Tampered(_) | Shut::Unreadable(_))) {
        jobs::claim(transaction.connection(), id, transaction.now(), None)?;
    }
    match proof {
        Ok(approved) => {
            carry_out(transaction, &job, &approved)?;
            Ok(Ended::Done)
        }
        Err(Shut::Refused(why)) => {
            fail(transaction, &job, &why, None)?;
            Ok(Ended::Refused(why))
        }
        Err(Shut::Tampered(text)) => Ok(Ended::Tampered(text)),
        Err(Shut::Unreadable(failure)) => Err(failure),
    }
}

fn carry_out(transaction: &mut Transaction<'_>, job: &JobRow, approved: &ApprovedRevocation) -> Result<(), Failure> {
    let revocation = approved.revocation();
    let certificate = &revocation.certificate_id;
    let allowed_by = i64::try_from(approved.record_seq()).map_err(|_| ApiError::internal("the ledger is too long"))?;
    let draft =
        system_draft(SCHEDULER, AuditAction::CertificateRevoked, Category::CertLifecycle, "certificate", certificate)
            .text("job", approved.job())
            .text_if("request", job.job.request_id.as_ref())
            .text("profile", &job.job.profile_id)
            .number("allowed_by_seq", allowed_by)
            .text("allowed_by_sha256", approved.record())
            .number("version", revocation.version)
            .text("issuer", &revocation.issuer)
            .text("serial", &revocation.serial)
            .text("sha256", revocation.sha256)
            .text("reason", revocation.reason)
            .text("not_after", approved.not_after());
    let recorded = transaction.record(draft)?;
    let (connection, now) = (transaction.connection(), transaction.now());
    crls::revoke(connection, revocation, approved.job(), now, approved.not_after(), recorded.seq)?;
    deliveries::drop_revoked(connection, certificate, revocation.version)?;
    jobs::complete(connection, approved.job(), now)?;
    transaction.watch_ended();
    transaction.tell(AuditAction::CertificateRevoked, certificate.as_str(), recorded)?;
    transaction.after_commit(Effect::Moved(approved.job().to_string()));
    transaction.after_commit(Effect::Revoked);
    Ok(())
}
