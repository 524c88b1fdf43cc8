//! `request.approve`, `request.reject`: one person's say on exactly the content seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DecisionSignature, Job, PersonRef, Signed};
use crate::digest::Digest;
use crate::error::ErrorObject;
use crate::id::RequestId;
use crate::lifecycle::{RequestState, Verdict};
use crate::text::Untrusted;
use crate::time::Timestamp;

/// `request.approve`, `request.reject`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideParams {
    /// `ar-…`
    pub id: RequestId,
    /// The content digest that the person saw.
    pub digest: Digest,
    /// The note, at most 4 KiB; required to reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Untrusted>,
    /// The person's signature of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<DecisionSignature>,
}

/// The answer to a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideResult {
    /// `ar-…`
    pub id: RequestId,
    /// Where the request stands now.
    pub state: RequestState,
    /// Where its job stands now; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// The ledger record of this decision.
    pub seq: u64,
    /// That record's hash (the leaf hash of the Merkle tree).
    pub record_sha256: Digest,
    /// Votes given and needed.
    pub votes: Votes,
}

/// How far a quorum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Votes {
    /// People who approved.
    pub given: u32,
    /// People who have to.
    pub needed: u32,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Who.
    pub by: PersonRef,
    /// Yes or no.
    pub verdict: Verdict,
    /// The note.
    pub note: Untrusted,
    /// The version and digest that it is bound to.
    pub version: u32,
    /// See `version`.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
    /// The groups of the quorum in whose place it counts; `*` is any operator of the profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts_for: Vec<String>,
    /// The person whose say it is, where that was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<String>,
    /// The signature, where it was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// `request.decide`: one verdict on many requests, each named with the digest that was seen. Every item is judged
/// and recorded by itself: one that is refused holds up none of the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideManyParams {
    /// Yes or no.
    pub verdict: Verdict,
    /// 1 to 100, each request once.
    pub items: Vec<DecideItem>,
    /// The note to each, at most 4 KiB; required to reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Untrusted>,
}

/// The most items of one `request.decide`.
pub const MAX_ITEMS: usize = 100;

/// One of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideItem {
    /// `ar-…`
    pub id: RequestId,
    /// The content digest that the person saw.
    pub digest: Digest,
    /// The person's signature of this one decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<DecisionSignature>,
}

/// The answer to `request.decide`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideManyResult {
    /// In the order of the items.
    pub items: Vec<DecidedItem>,
}

/// What became of one of many: either `result` or `error` is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecidedItem {
    /// `ar-…`
    pub id: RequestId,
    /// The decision, as `request.approve` answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<DecideResult>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorObject>,
}
