//! Whether a request may pass by time alone. Nothing does, but renewals that change nothing, under a profile that
//! says so.

use countersign_shared::content::CertificateContent;
use countersign_shared::error::ApiError;
use countersign_shared::id::{CertificateId, JobId};
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::PersonRef;
use countersign_shared::time::Span;
use rusqlite::Connection;

use super::evidence::Evidence;
use crate::policy::Profile;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::submissions::Submission;
use crate::store::rows::{certificates, jobs, requests};
use crate::store::transaction::Failure;
use crate::x509::certificate::{IssuedCertificate, parse_chain};
use crate::x509::compare::compare_successor;

/// Who asks where no human does.
const SCHEDULER: &str = "system-scheduler";

/// What a renewal would take the place of.
pub struct Predecessor {
    /// Who asked for the version in force, and who asked for the first version with its key, as their records say: whom
    /// people have agreed to give these names to. A renewal by hand repeats the CSR of somebody else, and makes whoever
    /// asks for it hold nothing. The owner of the certificate is another matter, since that is whoever asked for its name
    /// first, also in vain.
    holders: [Option<PersonRef>; 2],
    /// What was approved for the version in force, and that version itself; none where there is none, or where the
    /// ledger does not know it.
    version: Option<(CertificateContent, IssuedCertificate)>,
}

impl Predecessor {
    /// Reads it; none for a request without a certificate.
    pub fn read(connection: &Connection, request: &RequestRow) -> Result<Option<Self>, Failure> {
        let Some(work) = &request.work else { return Ok(None) };
        let id = &work.certificate_id;
        let version = certificates::content_in_force(connection, id)?.zip(leaf(connection, id)?);
        Ok(Some(Self { holders: holders(connection, id)?, version }))
    }

    fn is_of(&self, requester: &PersonRef) -> bool {
        self.holders.iter().all(|holder| {
            holder.as_ref().is_some_and(|holder| {
                let same_account = holder.uid == requester.uid && holder.account == requester.account;
                same_account || (holder.person.is_some() && holder.person == requester.person)
            })
        })
    }
}

/// How long people have to object: the longer one of the rules that the request was made under and those in force.
/// An error says why it does not pass, to stand after "it was …, and".
pub fn wait(
    request: &RequestRow,
    submission: &Submission,
    in_force: Option<&Profile>,
    before: Option<&Predecessor>,
) -> Result<Span, &'static str> {
    let made_under = submission.profile.rules().auto_approve_after;
    let now = in_force.and_then(|profile| profile.rules().auto_approve_after);
    let (Some(made_under), Some(now)) = (made_under, now) else { return Err("its profile does not say so") };
    if request.kind != RequestKind::CertRenewal {
        return Err("it is no renewal");
    }
    if request.version > 1 {
        return Err("it was amended, and people had less time to look at what it says now");
    }
    let before = before.ok_or("there is no certificate that it renews")?;
    // Its key may be another: whoever asks for it would hold it.
    if request.requester.account != SCHEDULER && !before.is_of(&request.requester) {
        return Err("somebody other than whoever asked for the certificate in force asks for it");
    }
    let (content, leaf) = before.version.as_ref().ok_or("there is no certificate in force that it renews")?;
    changes_nothing(content, &submission.content)?;
    compare_successor(&submission.content, leaf).map_err(|_| "it differs from the certificate in force")?;
    Ok(made_under.max(now))
}

/// Who asked for the version in force and for the first with its key, by the ledger; none where no human did.
fn holders(connection: &Connection, id: &CertificateId) -> Result<[Option<PersonRef>; 2], Failure> {
    let asked = |job: Option<JobId>| job.map_or(Ok(None), |job| asked_for(connection, id, &job));
    let in_force = certificates::job_in_force(connection, id)?;
    Ok([asked(in_force)?, asked(certificates::first_job_for_key_in_force(connection, id)?)?])
}

fn asked_for(connection: &Connection, id: &CertificateId, job: &JobId) -> Result<Option<PersonRef>, Failure> {
    let job = jobs::get(connection, job)?.ok_or_else(|| ApiError::internal(format!("the job of {id} is missing")))?;
    let asked = match &job.job.request_id {
        Some(request) => {
            let request = requests::get(connection, request)?
                .ok_or_else(|| ApiError::internal(format!("the request of {id} is missing")))?;
            Evidence::at(connection, request.requested_seq, request.id.as_str())?
        }
        None => match job.record_seq {
            Some(seq) => Evidence::at(connection, seq, job.job.id.as_str())?,
            None => None,
        },
    };
    let party = asked.and_then(|asked| asked.party());
    Ok(party.map(|party| PersonRef { account: party.account, person: party.person, uid: party.uid }))
}

/// The certificate in force, where it is the one that the ledger says was issued: what a column says of it is not
/// enough to pass by.
fn leaf(connection: &Connection, id: &CertificateId) -> Result<Option<IssuedCertificate>, Failure> {
    let Some((chain, seq)) = certificates::chain_and_record(connection, id)? else { return Ok(None) };
    let chain = parse_chain(&chain).map_err(|why| ApiError::internal(format!("the chain of {id}: {why}")))?;
    let recorded = Evidence::at(connection, seq, id.as_str())?.map(|record| record.details.sha256);
    let leaf = chain.into_iter().next();
    Ok(leaf.filter(|leaf| recorded.is_some_and(|recorded| recorded == leaf.sha256.to_string())))
}

/// The same subject, names and purposes, and a key of the same kind and size. Only the key itself may be another.
fn changes_nothing(before: &CertificateContent, after: &CertificateContent) -> Result<(), &'static str> {
    if before.sans != after.sans || before.common_name != after.common_name || before.subject != after.subject {
        return Err("its names differ from those of the certificate in force");
    }
    if before.key != after.key {
        return Err("its key is of another kind than that of the certificate in force");
    }
    if before.ca != after.ca
        || before.key_usage != after.key_usage
        || before.extended_key_usage != after.extended_key_usage
        || before.issuer != after.issuer
        || after.valid_for > before.valid_for
    {
        return Err("it is good for more than the certificate in force");
    }
    Ok(())
}

#[cfg(test)]
#[path = "passing_tests.rs"]
mod tests;
