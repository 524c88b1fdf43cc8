//! Signed decisions: what comes with a decision, what is needed to sign one, and what is shown of one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision_text::Salt;
use crate::digest::Digest;
use crate::lifecycle::closed_set;

closed_set! {
    /// What a profile demands of decisions; each demands what stands before it.
    SignatureDemand {
        /// A signature by an SSH key of the person.
        Ssh = "ssh",
        /// By a FIDO2 key that the person touched.
        Fido2 = "fido2",
        /// By a FIDO2 key that has verified its holder (PIN or fingerprint).
        Fido2Verified = "fido2-verified",
    }
}

/// The largest armored signature in octets: 16 KiB.
pub const MAX_SIGNATURE: usize = 16 * 1024;

/// A person's signature of their decision, or of their voice for what is done to the ledger. The daemon makes the text again
/// from what stands, what was said and what stands here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionSignature {
    /// As `ssh-keygen -Y sign -n countersign-decision` writes it; at most 16 KiB.
    pub sshsig: String,
    /// The salt in the text; drawn anew for each signature.
    pub salt: Salt,
    /// How many records the ledger had that the signer saw.
    pub size: u64,
    /// The Merkle root over them.
    pub root_sha256: Digest,
}

/// What the caller needs to sign a decision on this request, or their voice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signing {
    /// What is demanded; it may be signed where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demand: Option<SignatureDemand>,
    /// The caller's person; without one nothing can be signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The caller's account.
    pub account: String,
    /// The fingerprints of the person's keys that satisfy the demand, as `ssh-keygen -l` writes them.
    pub keys: Vec<String>,
    /// The policy in force.
    pub policy_sha256: Digest,
    /// The ledger's origin.
    pub origin: String,
    /// How many records the ledger has.
    pub size: u64,
    /// The Merkle root over them.
    pub root_sha256: Digest,
}

/// The signature of a decision, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The key's fingerprint, as `ssh-keygen -l` writes it.
    pub key_fingerprint: String,
    /// The key itself, without comment.
    pub key: String,
    /// The armored signature.
    pub sshsig: String,
    /// How many records of the ledger it covers.
    pub size: u64,
    /// The Merkle root over them.
    pub root_sha256: Digest,
    /// Exactly what was signed; none where the note was erased since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}
