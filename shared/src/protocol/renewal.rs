//! `certificate.renew`, `certificate.retire`: what becomes of a certificate that ends by time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::CertificateId;
use crate::lifecycle::closed_set;
use crate::text::Untrusted;
use crate::time::Timestamp;

/// `certificate.renew`: a successor to the version in force, for the same names and as long a validity. It is asked for
/// under the certificate's profile, by the rules of `request.submit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewParams {
    /// `mc-…`
    pub certificate_id: CertificateId,
    /// A CSR for a key of the caller's, PEM or DER in base 64, with the names of the version in force. Left out, the
    /// profile says whether the key stays the same or the daemon makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Why, at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Untrusted>,
}

closed_set! {
    /// Why nobody looks after an expired certificate any more.
    RetireReason {
        /// Whatever it was for is gone.
        Unused = "unused",
        /// Another certificate took its place.
        Replaced = "replaced",
        /// Somebody else looks after it.
        Elsewhere = "elsewhere",
    }
}

/// `certificate.retire`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireParams {
    /// `mc-…`, issued here or found.
    pub certificate_id: CertificateId,
    /// Why.
    pub reason: RetireReason,
}

/// The answer to `certificate.retire`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetireResult {
    /// `mc-…`
    pub certificate_id: CertificateId,
    /// The version that is looked after no more; a later one is again.
    pub version: u64,
    /// When it ended.
    pub not_after: Timestamp,
    /// The ledger record.
    pub seq: u64,
    /// Its leaf hash.
    pub record_sha256: Digest,
}
