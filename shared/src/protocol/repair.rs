//! `audit.repair` and `audit.erase`: the two acts on what is kept, each by a quorum of people and on record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Damage, DecisionSignature, PersonRef, Signing};
use crate::digest::Digest;
use crate::lifecycle::closed_set;
use crate::text::Untrusted;

/// `audit.repair`: without a digest it shows what is damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairParams {
    /// `damage_sha256` of the answer that was looked at: the caller acknowledges exactly that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage_sha256: Option<Digest>,
    /// The caller's signature of their voice; demanded where `[change_control]` demands signed decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<DecisionSignature>,
}

/// The answer to `audit.repair`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepairResult {
    /// Of everything in `damage`; what an acknowledgement names.
    pub damage_sha256: Digest,
    /// What is damaged and not acknowledged yet.
    pub damage: Vec<DamageFound>,
    /// What no acknowledgement is taken for: a backup has to be restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Damage>,
    /// Who has acknowledged exactly this since the daemon started.
    pub voices: Vec<PersonRef>,
    /// How many different people have to.
    pub needed: u32,
    /// What the caller needs to sign their voice.
    pub signing: Signing,
    /// The record that acknowledges it, once they have; the daemon ends then, to be started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_seq: Option<u64>,
}

/// One damage, as people acknowledge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DamageFound {
    /// The damaged record, or that of the anchor; absent for a row of state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// By which rule it was found.
    pub rule: String,
    /// In words; safe to show.
    pub text: String,
    /// The leaf hash that is recorded; of an anchor the digest of its note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_sha256: Option<Digest>,
    /// The digest of what stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_sha256: Option<Digest>,
}

closed_set! {
    /// Which free text of a record.
    ErasableText {
        /// The note of a decision.
        Note = "note",
        /// The reason of a request, a proposal, a delegation, or of its end.
        Reason = "reason",
        /// A comment on a request.
        Comment = "comment",
    }
}

/// `audit.erase`: asks for it, or agrees to it where somebody asked already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseParams {
    /// The record that holds the digest of the text.
    pub seq: u64,
    /// Which text.
    pub what: ErasableText,
    /// Why, 1 to 4096 octets; it is kept, and must not repeat the text. Left out by whoever agrees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
    /// Only shows what would be asked for, and what the caller would sign: it is nobody's voice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub show: bool,
    /// The caller's signature of their voice; demanded where `[change_control]` demands signed decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<DecisionSignature>,
}

/// The answer to `audit.erase`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseResult {
    /// The record that holds the digest.
    pub seq: u64,
    /// Which text.
    pub what: ErasableText,
    /// The salted digest, which stays.
    pub text_sha256: Digest,
    /// Who has agreed.
    pub voices: Vec<PersonRef>,
    /// How many different people have to.
    pub needed: u32,
    /// What the caller needs to sign their voice.
    pub signing: Signing,
    /// The record that says that it is erased, once they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_seq: Option<u64>,
}
