//! How a job ends: with a certificate or with a reason, each in one transaction.

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::protocol::{AuditAction, Category, VersionState};
use countersign_shared::text::Untrusted;
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;

use crate::gate::Approved;
use crate::issuer::{Issued, Mismatch};
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::rows::certificates::{self, NewVersion};
use crate::store::rows::jobs::JobRow;
use crate::store::rows::{deliveries, jobs};
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};
use crate::x509::certificate::{IssuedCertificate, chain_pem};

/// Characters of a failure's reason that are kept.
const REASON: usize = 1000;

/// Stores what was issued and found to be what was approved. Where the database does not take it, because the same
/// certificate or serial number is there already, the job fails with that reason, in the same transaction.
///
/// Returns whether it was stored. Whether it is to be delivered is remembered with it.
pub fn store(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    approved: &Approved,
    issued: &Issued,
    to_deliver: bool,
) -> Result<bool, Failure> {
    let error = match transaction.attempt(|inner| complete(inner, job, approved, issued, to_deliver)) {
        Err(Failure::Database(error)) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => error,
        result => return result.map(|()| true),
    };
    let why = match error.sqlite_error().map(|error| error.extended_code) {
        Some(SQLITE_CONSTRAINT_UNIQUE) => "the issuer answered a certificate that is stored already".to_owned(),
        _ => format!("a rule of the database does not let the certificate be stored: {error}"),
    };
    tracing::warn!(job = %job.job.id, "the job failed: {why}");
    fail(transaction, job, &why, None)?;
    Ok(false)
}

fn complete(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    approved: &Approved,
    issued: &Issued,
    to_deliver: bool,
) -> Result<(), Failure> {
    let leaf = issued.leaf().ok_or_else(|| ApiError::internal("an issued chain has a leaf"))?;
    let certificate = approved.certificate();
    let draft =
        system_draft(SCHEDULER, AuditAction::CertificateIssued, Category::CertLifecycle, "certificate", certificate)
            .text("job", approved.job())
            .text_if("request", job.job.request_id.as_ref())
            .text("profile", &job.job.profile_id)
            .number("allowed_by_seq", i64::try_from(approved.record_seq()).unwrap_or(i64::MAX))
            .text("allowed_by_sha256", approved.record())
            .text("issuer", &approved.content().issuer)
            .text("serial", &leaf.serial_hex)
            .text("sha256", leaf.sha256)
            .text("spki_sha256", leaf.spki_sha256)
            .text("not_before", leaf.not_before)
            .text("not_after", leaf.not_after);
    let recorded = transaction.record(draft)?;
    let (connection, now) = (transaction.connection(), transaction.now());
    let version = version(VersionState::Active, approved, leaf, &issued.chain_pem, recorded.seq);
    let number = certificates::insert_version(connection, &version)?;
    if to_deliver {
        deliveries::add(connection, certificate, number)?;
    }
    jobs::complete(connection, approved.job(), now)?;
    transaction.watch_ended();
    transaction.tell(AuditAction::CertificateIssued, certificate.as_str(), recorded)?;
    transaction.after_commit(Effect::Moved(approved.job().to_string()));
    transaction.after_commit(Effect::Watched);
    Ok(())
}

/// Ends a running job with a reason. A certificate that differs from what was approved is kept in quarantine.
pub fn fail(
    transaction: &mut Transaction<'_>,
    job: &JobRow,
    why: &str,
    quarantine: Option<&(Approved, Mismatch)>,
) -> Result<(), Failure> {
    let id = &job.job.id;
    let why: String = Untrusted::from(why).safe().to_string().chars().take(REASON).collect();
    let kept = quarantine.and_then(|(approved, mismatch)| Some((approved, mismatch, mismatch.chain.first()?)));
    let (kind, resource) = match &kept {
        Some((approved, ..)) => ("certificate", approved.certificate().to_string()),
        None => ("job", id.to_string()),
    };
    let draft = system_draft(SCHEDULER, AuditAction::JobFailed, Category::CertLifecycle, kind, resource)
        .text("job", id)
        .text_if("request", job.job.request_id.as_ref())
        .text("profile", &job.job.profile_id)
        .text("error_sha256", Digest::of(&[why.as_bytes()]))
        .text_if("quarantined_sha256", kept.as_ref().map(|(_, _, leaf)| leaf.sha256));
    let recorded = transaction.record(draft)?;
    let (connection, now) = (transaction.connection(), transaction.now());
    if let Some((approved, mismatch, leaf)) = kept {
        let pem = chain_pem(&mismatch.chain);
        let version = version(VersionState::Quarantined, approved, leaf, &pem, recorded.seq);
        certificates::insert_version(connection, &version)?;
    }
    jobs::fail(connection, id, now, &why)?;
    transaction.tell(AuditAction::JobFailed, id.as_str(), recorded)?;
    transaction.after_commit(Effect::RenewalPlanned);
    transaction.after_commit(Effect::Moved(id.to_string()));
    Ok(())
}

fn version<'a>(
    state: VersionState,
    approved: &'a Approved,
    leaf: &'a IssuedCertificate,
    chain_pem: &'a str,
    seq: u64,
) -> NewVersion<'a> {
    NewVersion {
        certificate_id: approved.certificate(),
        state,
        issuer: &approved.content().issuer,
        serial: &leaf.serial_hex,
        sha256: leaf.sha256,
        spki_sha256: leaf.spki_sha256,
        content: approved.content(),
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        chain_pem,
        job_id: approved.job(),
        seq,
    }
}
