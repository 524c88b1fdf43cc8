//! `policy.propose`: another policy, and what is known of it before anybody agrees.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RequestSummary;
use crate::digest::Digest;
use crate::lifecycle::closed_set;
use crate::text::Untrusted;

/// `policy.propose`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeParams {
    /// The TOML document, at most 512 KiB.
    pub document: String,
    /// Why, 1 octet to 4 KiB.
    pub reason: Untrusted,
    /// The digest of the policy that the document was made from; the one in force where it is left out. Another than
    /// the one in force is refused as stale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_sha256: Option<Digest>,
}

/// The answer to `policy.propose`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeResult {
    /// The request that people decide.
    pub request: RequestSummary,
    /// What they decide on.
    pub change: PolicyChange,
}

/// A proposed policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// The version that it was based on, and takes effect against.
    pub base_version: u32,
    /// That version's digest.
    pub base_sha256: Digest,
    /// SHA-256 of the proposed document.
    pub sha256: Digest,
    /// What it changes.
    pub differences: Vec<PolicyDifference>,
    /// What is proved of it.
    pub findings: Vec<Finding>,
    /// The proposed document.
    pub document: String,
}

closed_set! {
    /// What a difference does to the control that people have.
    Effect {
        /// Fewer people or certificates get through.
        Stricter = "stricter",
        /// More people or certificates get through, or that cannot be excluded.
        Laxer = "laxer",
        /// Neither.
        Neutral = "neutral",
    }
}

/// One way in which a policy differs from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyDifference {
    /// `profile`, `group`, `grant`, `change_control` …
    pub table: String,
    /// The `id` or `name`; empty where the table has none.
    pub id: String,
    /// The key; empty where the whole table is new or gone.
    pub key: String,
    /// The value in force; absent where it is added. Safe to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The proposed value; absent where it is removed. Safe to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What it does.
    pub effect: Effect,
}

closed_set! {
    /// How much a finding weighs.
    FindingLevel {
        /// For the record.
        Note = "note",
        /// Somebody should think about it.
        Warning = "warning",
        /// The policy is refused for it.
        Error = "error",
    }
}

/// Something that is proved of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How much it weighs.
    pub level: FindingLevel,
    /// `satisfiable`, `collusion`, `single_point_of_failure`, `replay`, `pending` …
    pub rule: String,
    /// The profile that it is about; `change_control` for changes of the policy itself; `role NAME` for a role of the policy;
    /// empty for the whole.
    pub subject: String,
    /// In words; safe to show.
    pub text: String,
}
