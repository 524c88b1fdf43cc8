//! What became of the work: a certificate, its end, or nothing.

use countersign_shared::error::ApiError;
use countersign_shared::id::{CertificateId, JobId};
use countersign_shared::protocol::Certificate;
use countersign_shared::text::Untrusted;
use serde_json::Value;

use super::subject::{called, certificate, details, message, missing, named, said};
use crate::notify::{Kind, Message};
use crate::service::actor::SCHEDULER;
use crate::store::rows::jobs::{self, JobRow};
use crate::store::rows::{certificates, submissions};
use crate::store::transaction::Failure;
use crate::tell::certificate::subject;
use crate::tell::people::People;
use crate::tell::{Composed, House, Notice, recipients};

/// A certificate was issued.
pub(super) fn issued(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let details = details(house, notice)?;
    let (job, certificate) = (job_of(house, &details)?, certificate_of(house, notice)?);
    let not_after = details.get("not_after").and_then(Value::as_str).and_then(|text| text.parse().ok());
    let kind = Kind::Issued;
    let said = Message { not_after, ..about(house, notice, kind, &job, &certificate)? };
    Ok(letter(house, notice, said, &job, &certificate))
}

/// One was revoked.
pub(super) fn revoked(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let details = details(house, notice)?;
    let (job, certificate) = (job_of(house, &details)?, certificate_of(house, notice)?);
    let reason = details.get("reason").and_then(Value::as_str).map(Untrusted::from);
    let said = Message { reason, ..about(house, notice, Kind::Revoked, &job, &certificate)? };
    Ok(letter(house, notice, said, &job, &certificate))
}

/// Nobody looks after one any more: the owner is told, and whoever else is told of it. No job did it.
pub(super) fn retired(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let details = details(house, notice)?;
    let subject = subject(house.connection, &notice.resource_id)?;
    let said = Message {
        reason: details.get("reason").and_then(Value::as_str).map(Untrusted::from),
        command: Some(format!("countersign show {}", notice.resource_id).into()),
        names: subject.names,
        ..message(house, notice, &notice.resource_id, Kind::Retired)?
    };
    let mut people = People::default();
    if let Some(owner) = &subject.owner {
        people.add(house.policy, owner);
    }
    let profile = subject.profile.as_ref().map_or("", |(profile, _)| profile);
    Ok(people.letter(notice, said, Vec::new(), recipients(house.policy, subject.owner.as_ref(), profile)))
}

/// A job ended without a result.
pub(super) fn failed(house: House<'_>, notice: &Notice) -> Result<Composed, Failure> {
    let id: JobId = notice.resource_id.parse().map_err(|_| missing(&notice.resource_id))?;
    let job = jobs::get(house.connection, &id)?.ok_or_else(|| missing(id.as_str()))?;
    let certificate = certificate(house.connection, &job.job.certificate_id)?;
    let said = Message {
        reason: job.job.error.clone().and_then(said),
        command: Some(format!("countersign show {id}").into()),
        ..about(house, notice, Kind::JobFailed, &job, &certificate)?
    };
    Ok(letter(house, notice, said, &job, &certificate))
}

fn job_of(house: House<'_>, details: &Value) -> Result<JobRow, Failure> {
    let id = details.get("job").and_then(Value::as_str).and_then(|id| id.parse::<JobId>().ok());
    let id = id.ok_or_else(|| ApiError::internal("the record names no job"))?;
    Ok(jobs::get(house.connection, &id)?.ok_or_else(|| missing(id.as_str()))?)
}

fn certificate_of(house: House<'_>, notice: &Notice) -> Result<Certificate, Failure> {
    let id: CertificateId = notice.resource_id.parse().map_err(|_| missing(&notice.resource_id))?;
    certificate(house.connection, &id)
}

/// About the certificate, whatever job it was: what its renewal takes back elsewhere is this as well.
fn about(
    house: House<'_>,
    notice: &Notice,
    kind: Kind,
    job: &JobRow,
    certificate: &Certificate,
) -> Result<Message, Failure> {
    let sans = match kind {
        // Of what was revoked, the names that it had.
        Kind::Revoked => certificates::content_in_force(house.connection, &certificate.id)?.map(|content| content.sans),
        _ => None,
    };
    let sans = match sans {
        Some(sans) => sans,
        None => submissions::sans(house.connection, job.submission_id)?,
    };
    Ok(Message {
        names: named(&certificate.primary_name, &sans),
        requester: Some(called(&job.requester)),
        command: Some(format!("countersign show {}", certificate.id).into()),
        ..message(house, notice, certificate.id.as_str(), kind)?
    })
}

/// To whoever asked, to the owner, and to those whom the policy tells of certificates of this owner.
fn letter(house: House<'_>, notice: &Notice, message: Message, job: &JobRow, certificate: &Certificate) -> Composed {
    let mut people = People::default();
    for who in [&job.requester, &certificate.owner] {
        if who.account != SCHEDULER {
            people.add(house.policy, who);
        }
    }
    let more = recipients(house.policy, Some(&certificate.owner), &certificate.profile_id);
    people.letter(notice, message, Vec::new(), more)
}
