//! `audit.checkpoint`, `audit.proof`, `audit.anchor`, `audit.anchors`: what leaves the host, and what comes back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::EventId;
use crate::lifecycle::closed_set;
use crate::time::Timestamp;

/// The longest note that `audit.anchor` takes, in octets.
pub const MAX_ANCHOR: usize = 256 * 1024;

/// The most records that one call of `audit.proof` proves.
pub const MAX_PROOFS: usize = 64;

/// The answer to `audit.checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointResult {
    /// The C2SP signed note, with the witnesses' lines that are known.
    pub note: String,
    /// Its short form, 255 digits; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
    /// Which ledger: the note's first line.
    pub origin: String,
    /// The public key, as `NAME+ID+KEY`: what whoever checks it has to know beforehand.
    pub verifier_key: String,
    /// How many records it is of.
    pub size: u64,
    /// The Merkle tree's root over them.
    pub root_sha256: Digest,
    /// When it was signed.
    pub made_at: Timestamp,
    /// Records that no anchor covers.
    pub unanchored: u64,
    /// When the oldest of them was written; absent where there is none but records of anchors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanchored_since: Option<Timestamp>,
}

/// `audit.proof`: exactly one of the four.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofParams {
    /// That the record with this id is in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// That the record with this sequence number is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// That every record about this object is: `ar-…`, `job-…`, `mc-…` and so on, 64 records at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// That the ledger begins with what it was when it had this many records; 0 for a witness that has seen nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
}

/// The answer to `audit.proof`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProofResult {
    /// How many records the checkpoint is of to which the proofs lead.
    pub size: u64,
    /// Its root.
    pub root_sha256: Digest,
    /// The public key.
    pub verifier_key: String,
    /// Of records: one each, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordProved>,
    /// Of growth: a C2SP `add-checkpoint` body, which is what a witness takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

/// A record and that it is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordProved {
    /// Its sequence number.
    pub seq: u64,
    /// A C2SP `tlog-proof`; its line `extra` holds the record's exact octets.
    pub proof: String,
}

/// `audit.anchor`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorParams {
    /// A checkpoint that was kept elsewhere: a signed note, or the 255 digits of its short form.
    pub octets: String,
}

closed_set! {
    /// What a checkpoint from outside says of the ledger.
    AnchorVerdict {
        /// The records up to its size are those that were anchored.
        Equal = "equal",
        /// More records were anchored than there are: damage.
        Ahead = "ahead",
        /// Other records were anchored: damage.
        Different = "different",
    }
}

/// The answer to `audit.anchor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorResult {
    /// What it says. Anything but `equal` has turned the daemon read-only.
    pub verdict: AnchorVerdict,
    /// The same as a sentence.
    pub text: String,
    /// How many records it is of.
    pub size: u64,
    /// The root that it states.
    pub root_sha256: Digest,
    /// The configured witnesses that cosigned it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cosigned_by: Vec<Cosigned>,
    /// False where it was known already.
    pub added: bool,
    /// Records that no anchor covers now.
    pub unanchored: u64,
}

/// A witness's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cosigned {
    /// The witness's name and key id, as `NAME+ID`.
    pub witness: String,
    /// When it says that it saw the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// `audit.anchors`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAnchorsParams {
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// An anchor as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorRow {
    /// How many records it is of.
    pub size: u64,
    /// The root that it states.
    pub root_sha256: Digest,
    /// The note, with those signatures alone that are known to be right.
    pub note: String,
    /// What it said of the ledger when it came.
    pub verdict: AnchorVerdict,
    /// When.
    pub added_at: Timestamp,
    /// Who brought it.
    pub added_by: String,
    /// The record of it.
    pub seq: u64,
}

/// A page of anchors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorPage {
    /// The rows.
    pub anchors: Vec<AnchorRow>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
