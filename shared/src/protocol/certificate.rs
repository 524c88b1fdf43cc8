//! `certificate.*` and `job.*`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CertificateSource, FoundCertificate, FoundPlace, PersonRef, Revoked};
use crate::content::{KeyAlgorithm, San};
use crate::digest::Digest;
use crate::id::{CertificateId, JobId, RequestId};
use crate::lifecycle::{JobKind, JobState, closed_set};
use crate::text::Untrusted;
use crate::time::Timestamp;

/// A managed certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// `mc-…`
    pub id: CertificateId,
    /// The profile's id.
    pub profile_id: String,
    /// The profile's environment.
    pub environment: String,
    /// The name it is known by.
    pub primary_name: Untrusted,
    /// Who asked for it first.
    pub owner: PersonRef,
    /// When it was first asked for.
    pub created_at: Timestamp,
    /// The version in force; absent until one is issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CertificateVersion>,
    /// Whole days until that ends, rounded down; negative after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_left: Option<i64>,
    /// The end of its newest version, where that was revoked and nothing has taken its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
    /// The first ten places where the inventory sees that version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<FoundPlace>,
    /// How many places there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub places_total: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

closed_set! {
    /// Where an issued version stands.
    VersionState {
        /// In force.
        Active = "active",
        /// A later version took its place.
        Superseded = "superseded",
        /// It differs from what was approved and is never delivered.
        Quarantined = "quarantined",
        /// It has ended before its time.
        Revoked = "revoked",
    }
}

/// One issued version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateVersion {
    /// 1, 2, …
    pub version: u32,
    /// Where it stands.
    pub state: VersionState,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate's DER.
    pub sha256: Digest,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: Digest,
    /// The key.
    pub key: KeyAlgorithm,
    /// Every SAN.
    pub sans: Vec<San>,
    /// notBefore.
    pub not_before: Timestamp,
    /// notAfter.
    pub not_after: Timestamp,
    /// The job that made it.
    pub job_id: JobId,
    /// Its end, where it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
}

closed_set! {
    /// In which order certificates are listed.
    CertificateOrder {
        /// Those that were issued, newest first, then those that were found, newest first.
        Newest = "newest",
        /// Both together by their end, the soonest first: of a found one by the end that is watched. Those without a
        /// version in force follow, newest first. A page with no rows and a `next_cursor` is not the last.
        End = "end",
    }
}

/// `certificate.list`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCertificatesParams {
    /// Only under this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Only in this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Only with this text in the id or the primary name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where they come from; those that were issued here where it is left out. What was found has no profile and no
    /// environment: a filter by one leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CertificateSource>,
    /// Only what ends within so many days, or has ended: 0 to 36500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_within: Option<u32>,
    /// The newest first where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<CertificateOrder>,
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificatePage {
    /// Those that were issued here, or are to be.
    pub certificates: Vec<Certificate>,
    /// Those that were found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<FoundCertificate>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `certificate.get`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateIdParams {
    /// `mc-…`
    pub id: CertificateId,
}

/// The answer to `certificate.get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateDetail {
    /// The certificate, where it was issued here or is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// The certificate, where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<FoundCertificate>,
    /// The newest 100 versions, newest first; none of what was found.
    pub versions: Vec<CertificateVersion>,
    /// The chain of the version in force, PEM, leaf first; of a found one the certificate and what stands with it at the
    /// first of its places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_pem: Option<String>,
}

/// The work that a request blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// `job-…`
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Where it stands.
    pub state: JobState,
    /// For which certificate.
    pub certificate_id: CertificateId,
    /// Under which request; absent for an unattended profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The profile's id.
    pub profile_id: String,
    /// Why it failed or was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Untrusted>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// `job.list`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListJobsParams {
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Only under this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Only for this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateId>,
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobPage {
    /// The rows.
    pub jobs: Vec<Job>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `job.get`, `job.retry`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobIdParams {
    /// `job-…`
    pub id: JobId,
}
