//! `profile.*` and `policy.*`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Finding, PolicyDifference};
use crate::content::{ExtendedKeyUsage, KeyAlgorithm};
use crate::digest::Digest;
use crate::time::{Span, Timestamp};

/// A trust profile as the policy in force states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `p-…`
    pub id: String,
    /// For people.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Which names it carries.
    pub names: Vec<String>,
    /// Whether people have to agree.
    pub requires_approval: bool,
    /// Who has to agree, in words: `1 of group pki`.
    pub quorum: Vec<String>,
    /// The issuer's id.
    pub issuer: String,
    /// Smallest allowed key of each kind.
    pub keys: Vec<KeyAlgorithm>,
    /// What the certificates are for.
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    /// The longest validity.
    pub max_validity: Span,
    /// Whether a reason must be given.
    pub justification_required: bool,
    /// The pattern of a ticket, where one is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket_pattern: Option<String>,
    /// How long a request waits for people.
    pub approval_timeout: Span,
}

/// The answer to `profile.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileList {
    /// In the order of the policy.
    pub profiles: Vec<Profile>,
}

/// `profile.get`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileIdParams {
    /// `p-…`
    pub id: String,
}

/// The answer to `policy.get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyResult {
    /// 1, and one more with each change.
    pub version: u32,
    /// SHA-256 of the document.
    pub sha256: Digest,
    /// When it took force.
    pub in_force_since: Timestamp,
    /// The TOML document.
    pub document: String,
}

/// `policy.check`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyCheckParams {
    /// The TOML document, at most 512 KiB.
    pub document: String,
}

/// The answer to `policy.check`: every error of the document, not the first alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyCheckResult {
    /// True where the document could take force by a proposal.
    pub valid: bool,
    /// What stands against it; where it can be read, the findings that are errors.
    pub errors: Vec<String>,
    /// What deserves a look.
    pub warnings: Vec<String>,
    /// What the document would change in the policy in force; empty where it cannot be read, or where the caller may
    /// not read the policy in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<PolicyDifference>,
    /// What is proved of it; empty where it cannot be read. What it would have done to the requests that there are is
    /// for callers who may see all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}
