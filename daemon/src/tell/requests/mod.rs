//! Messages about requests and what comes of them: who is asked, who is told how it ended, who has to look.

mod asking;
mod ending;
pub mod ledger;
mod matters;
mod subject;
mod talk;
mod work;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::AuditAction;

use super::{Composed, House, Notice};
use crate::store::rows::notifications::{CHECKPOINT, LEDGER_ANCHORED};
use crate::store::transaction::Failure;

/// Composes what a record says, to those whom it concerns.
///
/// # Errors
/// The database, and an action of which nobody is told.
pub fn compose(house: House<'_>, notice: &Notice) -> Result<Composed, ApiError> {
    compose_or_fail(house, notice).map_err(|failure| match failure {
        Failure::Api(error) => error,
        Failure::Database(error) => {
            ApiError::new(ErrorKind::Unavailable, format!("{} cannot be composed: {error}", notice.kind))
        }
        Failure::Damage(damage) => ApiError::new(ErrorKind::Unavailable, damage.text),
    })
}

fn compose_or_fail(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    use AuditAction::{
        ApprovalAmended, ApprovalApproved, ApprovalBypassed, ApprovalCommented, ApprovalEscalated, ApprovalExpired,
        ApprovalRejected, ApprovalRequested, ApprovalVoided, ApprovalWithdrawn, AttemptsRepeated, CertificateIssued,
        CertificateRetired, CertificateRevoked, JobFailed, LedgerUnanchored, PolicyChanged, PolicyProposed,
    };
    let unknown = || ApiError::internal(format!("{} is nothing that anybody is told of", notice.kind));
    match notice.kind.as_str() {
        CHECKPOINT => return ledger::checkpoint(house, notice),
        LEDGER_ANCHORED => return ledger::anchored(house, notice),
        _ => {}
    }
    let action: AuditAction = notice.kind.parse().map_err(|_| unknown())?;
    match action {
        ApprovalRequested | ApprovalAmended | PolicyProposed | ApprovalEscalated => {
            asking::compose(house, notice, action)
        }
        ApprovalApproved | ApprovalRejected | ApprovalExpired | ApprovalVoided | ApprovalWithdrawn
        | ApprovalBypassed => ending::compose(house, notice, action),
        CertificateIssued => work::issued(house, notice),
        CertificateRevoked => work::revoked(house, notice),
        CertificateRetired => work::retired(house, notice),
        JobFailed => work::failed(house, notice),
        ApprovalCommented => talk::compose(house, notice),
        AttemptsRepeated => matters::attempts(house, notice),
        LedgerUnanchored => ledger::unanchored(house, notice),
        PolicyChanged => matters::policy(house, notice),
        _ => Err(unknown().into()),
    }
}
