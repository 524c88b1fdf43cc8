//! What a certificate is renewed with where nobody brings a CSR: that of the version in force, or one for a new key.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use rusqlite::Connection;

use crate::made_key::{self, Asked, Keys};
use crate::policy::{Profile, RenewKey};
use crate::store::rows::submissions::{self, Submission};
use crate::store::rows::{certificates, jobs};
use crate::store::transaction::Failure;
use crate::x509::{ParsedCsr, csr};

/// What a renewal is asked for with.
pub struct Source {
    /// The CSR, its proof of possession checked.
    pub csr: ParsedCsr,
    /// The submission of the version in force.
    pub in_force: Submission,
    /// The guard of a key that was made for it.
    pub made: Option<Asked>,
}

/// The CSR that a renewal is asked for with where nobody brings one: the one of the version in force, or one for a new
/// key. Blocks.
pub fn source(
    profile: &Profile,
    certificate: &CertificateId,
    in_force: Submission,
    keys: &Keys,
) -> Result<Source, ApiError> {
    match profile.rules().renew_key {
        RenewKey::Same => Ok(Source { csr: csr::parse_der(&in_force.csr)?, in_force, made: None }),
        RenewKey::New => {
            let kind = made_key::kind(profile, in_force.content.key).ok_or_else(|| {
                ApiError::new(ErrorKind::Invalid, format!("profile {} allows no key that is made here", profile.id()))
            })?;
            let made = made_key::make(kind, &in_force.content)?;
            let asked = keys.keep(certificate, made.csr.spki_sha256, &made.pem)?;
            Ok(Source { csr: made.csr, in_force, made: Some(asked) })
        }
    }
}

/// What the version in force was issued for.
pub fn submission_in_force(connection: &Connection, certificate: &str) -> Result<Submission, Failure> {
    let missing = || ApiError::internal(format!("what {certificate} was issued for is missing"));
    let id: CertificateId = certificate.parse().map_err(ApiError::internal)?;
    let job = certificates::job_in_force(connection, &id)?.ok_or_else(missing)?;
    let job = jobs::get(connection, &job)?.ok_or_else(missing)?;
    Ok(submissions::get(connection, job.submission_id)?)
}
