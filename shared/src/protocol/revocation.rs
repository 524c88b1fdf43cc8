//! `certificate.revoke`: an end before its time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, RequestSummary};
use crate::id::CertificateId;
use crate::revocation::{Revocation, RevocationReason};
use crate::text::Untrusted;
use crate::time::Timestamp;

/// `certificate.revoke`: by the certificate, the version in force; by the serial number, exactly that version. Both
/// have to name the same certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeParams {
    /// `mc-…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_id: Option<CertificateId>,
    /// The serial number in hexadecimal; letter case and colons between octets do not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Why, in the terms of the list.
    pub reason: RevocationReason,
    /// Why, in words, at most 4 KiB; required where the profile requires a justification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Untrusted>,
    /// The change ticket, at most 256 octets; required where the profile has a pattern for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Untrusted>,
}

/// The answer to `certificate.revoke`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeResult {
    /// The request, where the profile requires approval; an unattended profile makes a job alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestSummary>,
    /// The work.
    pub job: Job,
    /// Exactly which certificate is to end.
    pub revocation: Revocation,
}

/// The end of a version that was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}
