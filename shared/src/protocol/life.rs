//! `request.void`, `request.withdraw`, `request.amend`, `request.comment`: what happens to a request besides votes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Change, Difference, Job, PersonRef, RequestSummary};
use crate::digest::Digest;
use crate::id::RequestId;
use crate::lifecycle::{RequestState, closed_set};
use crate::text::Untrusted;
use crate::time::{Span, Timestamp};

/// `request.void`, `request.withdraw`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndParams {
    /// `ar-…`
    pub id: RequestId,
    /// Why, at most 4 KiB; required to void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
}

/// The answer to `request.void` and `request.withdraw`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndResult {
    /// `ar-…`
    pub id: RequestId,
    /// Where it stands now: `voided` or `withdrawn`.
    pub state: RequestState,
    /// Its job, cancelled; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// The ledger record.
    pub seq: u64,
    /// That record's hash (the leaf hash of the Merkle tree).
    pub record_sha256: Digest,
}

/// `request.amend`: what is left out stays as it is. The profile and the name that the certificate is known by stay
/// in any case, and so does the deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendParams {
    /// `ar-…`
    pub id: RequestId,
    /// The digest of the version that is amended; another is refused as stale.
    pub digest: Digest,
    /// Another CSR: PEM text, or DER in base 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Another reason, at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
    /// Another ticket, at most 256 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Untrusted>,
    /// Another validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<Span>,
    /// Another scheduled start, at most 90 days away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// The answer to `request.amend`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AmendResult {
    /// The request with its new version and digest.
    pub request: RequestSummary,
    /// What the new version says otherwise than the one before.
    pub differences: Vec<Difference>,
    /// What the certificate will differ in from what the CSR asks.
    pub changes: Vec<Change>,
    /// Votes on the version before, which count no more.
    pub votes_cleared: u32,
    /// The ledger record.
    pub seq: u64,
}

/// A version that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    /// The version that was replaced: 1, 2, …
    pub version: u32,
    /// Its digest.
    pub digest: Digest,
    /// When it was replaced.
    pub at: Timestamp,
    /// The ledger record that replaced it.
    pub seq: u64,
    /// What the next version said otherwise.
    pub differences: Vec<Difference>,
    /// The decisions that were given on it and count no more.
    pub decisions: Vec<super::Decision>,
}

/// `request.comment`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentParams {
    /// `ar-…`
    pub id: RequestId,
    /// 1 octet to 4 KiB.
    pub text: Untrusted,
}

/// The answer to `request.comment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentResult {
    /// The remark as it stands.
    pub remark: Remark,
}

closed_set! {
    /// What a remark came with.
    RemarkKind {
        /// Nothing else.
        Comment = "comment",
        /// The end by an admin.
        Void = "void",
        /// The end by the requester.
        Withdraw = "withdraw",
    }
}

/// A text that somebody left with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// What it came with.
    pub kind: RemarkKind,
    /// Who.
    pub by: PersonRef,
    /// The text.
    pub text: Untrusted,
    /// The version that the request had.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
}

closed_set! {
    /// What somebody can do with a request besides deciding.
    Verb {
        /// `request.withdraw`
        Withdraw = "withdraw",
        /// `request.amend`
        Amend = "amend",
        /// `request.void`
        Void = "void",
        /// `request.comment`
        Comment = "comment",
    }
}
