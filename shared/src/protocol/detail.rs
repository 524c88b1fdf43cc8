//! `request.get`: everything that a decision needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Certificate, Change, Decision, Job, RequestSummary, Votes};
use crate::content::{CertificateContent, KeyAlgorithm};
use crate::digest::Digest;
use crate::lifecycle::closed_set;
use crate::text::Untrusted;

closed_set! {
    /// How a policy check came out.
    CheckOutcome {
        /// The rule holds.
        Passed = "passed",
        /// The rule holds, and a person should look.
        Warned = "warned",
    }
}

/// One rule of the profile, applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The rule's name: `names`, `key`, `validity`, `wildcard`, `proof_of_possession` …
    pub rule: String,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// In words; safe to show.
    pub text: String,
}

/// One way in which the new certificate differs from the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// `san`, `key`, `validity`, `common_name`, `extended_key_usage` …
    pub field: String,
    /// The value in force; absent where it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Untrusted>,
    /// The new value; absent where it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Untrusted>,
}

/// What is known of the CSR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsrView {
    /// PEM.
    pub pem: String,
    /// SHA-256 of its DER.
    pub sha256: Digest,
    /// The subject as the CSR writes it (RFC 4514).
    pub subject: Untrusted,
    /// The key.
    pub key: KeyAlgorithm,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: Digest,
}

/// Whether the caller may decide, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MayDecide {
    /// True where `approve` and `reject` would be accepted now.
    pub allowed: bool,
    /// The rule that stands against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// In words; empty where it is allowed.
    pub why: String,
}

/// `request.get`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDetail {
    /// The row of the queue.
    pub request: RequestSummary,
    /// The profile's name.
    pub profile_name: String,
    /// Exactly what will be signed.
    pub content: CertificateContent,
    /// The CSR.
    pub csr: CsrView,
    /// How the certificate will differ from what the CSR asks.
    pub changes: Vec<Change>,
    /// How it will differ from the certificate in force.
    pub differences: Vec<Difference>,
    /// The certificate in force, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<Certificate>,
    /// The profile's rules, applied.
    pub checks: Vec<Check>,
    /// Decisions on the current version.
    pub decisions: Vec<Decision>,
    /// Votes given and needed.
    pub votes: Votes,
    /// Who could decide, by the names of the policy.
    pub who_may_decide: Vec<String>,
    /// Whether the caller can.
    pub you: MayDecide,
    /// The work.
    pub job: Job,
    /// The digest of the policy that the request was made under.
    pub policy_sha256: Digest,
}
