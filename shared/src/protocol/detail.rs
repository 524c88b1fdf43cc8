//! `request.get`: everything that a decision needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Amendment, Certificate, Change, Decision, Job, PolicyChange, Remark, RequestSummary, Signing, Terms, Verb, Votes,
};
use crate::content::{CertificateContent, KeyAlgorithm};
use crate::digest::Digest;
use crate::lifecycle::closed_set;
use crate::revocation::Revocation;
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
    /// The person whose say the caller would use, because it was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<String>,
}

/// `request.get`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDetail {
    /// The row of the queue.
    pub request: RequestSummary,
    /// The profile's name.
    pub profile_name: String,
    /// Exactly what will be signed, or what the certificate says that is to be revoked; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<CertificateContent>,
    /// The CSR; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<CsrView>,
    /// The proposed policy beside the one that it was based on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_change: Option<PolicyChange>,
    /// The certificate that is to be revoked, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
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
    /// What the caller would sign with a decision; none while the daemon is read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// What else the caller can do with it now.
    pub you_may: Vec<Verb>,
    /// Who has to agree, and how far that is.
    pub terms: Terms,
    /// The versions before this one, oldest first, each with what the next changed.
    pub amendments: Vec<Amendment>,
    /// Comments, and the reasons of its end, oldest first.
    pub remarks: Vec<Remark>,
    /// The work; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// The digest of the policy that the request was made under.
    pub policy_sha256: Digest,
}
