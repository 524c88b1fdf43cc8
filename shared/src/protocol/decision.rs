//! `request.approve`, `request.reject`: one person's say on exactly the content seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, PersonRef};
use crate::digest::Digest;
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
}

/// The answer to a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideResult {
    /// `ar-…`
    pub id: RequestId,
    /// Where the request stands now.
    pub state: RequestState,
    /// Where its job stands now.
    pub job: Job,
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
}
