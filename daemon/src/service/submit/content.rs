//! What is asked for and why, bound by one digest: a submission as it is kept.

use countersign_shared::content::Purpose;
use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::Certificate;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use crate::intake::Intake;
use crate::policy::Policy;
use crate::store::rows::submissions::Submission;
use crate::store::transaction::{Failure, fresh_salt, salted};
use crate::x509::ParsedCsr;

/// What the requester says besides the CSR, as far as people agree to it.
pub struct Why {
    /// The justification.
    pub reason: Reason,
    /// The change ticket.
    pub ticket: Option<Untrusted>,
    /// Not to be carried out before this moment.
    pub not_before: Option<Timestamp>,
}

/// A justification, which contents and records hold by its salted digest.
pub struct Reason {
    text: Untrusted,
    salt: Vec<u8>,
    sha256: Option<Digest>,
}

impl Reason {
    /// One that is given now, under a salt of its own. Blank counts as none.
    pub fn fresh(text: Option<&Untrusted>) -> Result<Self, Failure> {
        let (text, salt) = (given(text), fresh_salt()?);
        let sha256 = text.as_ref().map(|text| salted(&salt, text.raw()));
        Ok(Self { text: text.unwrap_or_default(), salt: salt.to_vec(), sha256 })
    }

    /// The one of another submission, under the salt that it has: the same reason has the same digest, also where
    /// its text has been erased.
    pub fn of(submission: &Submission) -> Self {
        Self { text: submission.reason.clone(), salt: submission.reason_salt.clone(), sha256: submission.reason_sha256 }
    }
}

impl Reason {
    /// Gives a submission this reason in the place of its own.
    pub fn put_into(self, submission: &mut Submission) {
        submission.reason = self.text;
        submission.reason_salt = self.salt;
        submission.reason_sha256 = self.sha256;
    }
}

/// A text, where there is any.
pub fn given(text: Option<&Untrusted>) -> Option<Untrusted> {
    text.filter(|text| !text.is_blank()).cloned()
}

/// Puts it together.
pub fn submission(
    policy: &Policy,
    intake: Intake,
    csr: ParsedCsr,
    certificate: &Certificate,
    kind: RequestKind,
    why: Why,
) -> Result<Submission, Failure> {
    let purpose = Purpose {
        kind,
        certificate_id: certificate.id.as_str(),
        csr_sha256: csr.sha256,
        reason: why.reason.sha256,
        ticket: why.ticket.as_ref().map(Untrusted::raw),
        not_before: why.not_before,
    };
    let digest = intake.content.digest(&purpose);
    let digest = digest.map_err(|error| ApiError::invalid(format!("the content has no digest: {error}")))?;
    Ok(Submission {
        digest,
        content: intake.content,
        csr: csr.der,
        csr_subject: csr.subject,
        profile: intake.profile,
        policy_sha256: policy.sha256(),
        changes: intake.changes,
        checks: intake.checks,
        reason: why.reason.text,
        reason_salt: why.reason.salt,
        reason_sha256: why.reason.sha256,
        ticket: why.ticket,
    })
}
