//! `audit.evidence`: all that there is about a request, a certificate or a period, a page a call, as the lines of one file.
//!
//! Each line is one JSON object, a *part*. `docs/evidence.md` describes them member by member.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::content::CertificateContent;
use crate::digest::Digest;
use crate::lifecycle::Verdict;
use crate::revocation::Revocation;
use crate::text::Untrusted;
use crate::time::Timestamp;

/// The format of the lines.
pub const EVIDENCE_FORMAT: &str = "countersign-evidence-1";
/// The most ledger records that a bundle is of.
pub const MAX_EVIDENCE_RECORDS: usize = 10_000;
/// Refused attempts on one object that a bundle has, the first of them. Whoever reaches the socket can add to these; they are not
/// to keep the rest from being taken out.
pub const MAX_EVIDENCE_ATTEMPTS: usize = 100;
/// The most requests that a bundle is of.
pub const MAX_EVIDENCE_REQUESTS: usize = 1_000;

/// `audit.evidence`: exactly one of `request`, `certificate`, and `from` with `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceParams {
    /// `ar-…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// `mc-…`: every request for it, and every version of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Every record whose wall-clock time is not before this one, with the whole of each request that they are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// And before this one; after `from`, by 90 days at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// `next_cursor`, for the next page of the same bundle; the other parameters stay as they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of a bundle.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidencePage {
    /// Lines of the file in their order; the line `end` is for whoever writes the file to add.
    #[schemars(with = "Vec<EvidencePart>")]
    pub lines: Vec<Box<RawValue>>,
    /// The record of the making.
    pub made_seq: u64,
    /// How many lines there are on all pages together, besides the head, the checkpoints and the witnesses.
    pub parts_total: u64,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A line of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum EvidencePart {
    /// The first line.
    Head(EvidenceHead),
    /// The checkpoint to which every inclusion proof leads.
    Checkpoint(EvidenceCheckpoint),
    /// An earlier one, that a witness cosigned or that came back from outside.
    Earlier(EvidenceEarlier),
    /// The key of a witness, as the host has it set.
    Witness(EvidenceWitness),
    /// A key that signed checkpoints.
    Key(EvidenceKey),
    /// A policy document.
    Policy(EvidencePolicy),
    /// What was asked for: a version of a request, or a job that needed none.
    Version(Box<EvidenceVersion>),
    /// Another policy that was asked for.
    Proposal(EvidenceProposal),
    /// What one person said.
    Decision(EvidenceDecision),
    /// What one person signed for what was done to the ledger itself.
    Voice(EvidenceVoice),
    /// A comment, or the reason of an end.
    Remark(EvidenceRemark),
    /// A say that was handed over and used.
    Delegation(EvidenceDelegation),
    /// A certificate that was issued, or put in quarantine.
    Certificate(EvidenceCertificate),
    /// A ledger record.
    Record(EvidenceRecord),
    /// The last line.
    End(EvidenceEnd),
}

/// What the bundle is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceHead {
    /// `countersign-evidence-1`
    pub format: String,
    /// Which ledger: the first line of its checkpoints.
    pub origin: String,
    /// `ar-…`, where it is of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// `mc-…`, where it is of a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Where it is of a period: from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// And before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// The record `audit.evidence` of this very making: who, when, and what there was to be taken out.
    pub made_seq: u64,
    /// How many records the checkpoint is of.
    pub size: u64,
    /// Its root.
    pub root_sha256: Digest,
}

/// See [`EvidencePart::Checkpoint`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceCheckpoint {
    /// The C2SP signed note, with the witnesses' lines that are known.
    pub note: String,
}

/// See [`EvidencePart::Earlier`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceEarlier {
    /// The note, with witnesses' lines.
    pub note: String,
    /// The RFC 6962 consistency proof from it to the checkpoint.
    pub path: Vec<Digest>,
}

/// See [`EvidencePart::Witness`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceWitness {
    /// `NAME+ID+KEY`, of a witness that cosigned a checkpoint of the bundle. Nothing vouches for it but the host.
    pub verifier_key: String,
}

/// See [`EvidencePart::Key`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceKey {
    /// The record that says that it is in use from there on.
    pub seq: u64,
    /// `NAME+ID+KEY`
    pub verifier_key: String,
}

/// See [`EvidencePart::Policy`]. Exactly one of the two documents is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidencePolicy {
    /// The record by which it took force; of one that was only proposed, the record of the proposal.
    pub seq: u64,
    /// SHA-256 of the document.
    pub sha256: Digest,
    /// TOML, to the octet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The same in base 64, where it would be too long as a JSON string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_base64: Option<String>,
}

/// A free text beside the salted digest that records and contents hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceText {
    /// SHA-256 over `countersign-text-v1`, a zero octet, the salt and the text.
    pub sha256: Digest,
    /// 16 octets in hexadecimal; absent where the text was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// As it was written; absent where it was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Untrusted>,
}

/// Who has to agree, as the record says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceTerms {
    /// `GROUP:NUMBER` each; `*` for any operator of the profile.
    pub quorum: Vec<String>,
    /// True where a step is asked only when those before it are filled.
    pub ordered: bool,
    /// People who have to reject to end it.
    pub reject_threshold: u32,
}

/// See [`EvidencePart::Version`]. A certificate has `content` and `csr`, a revocation `revocation` and `profile_sha256`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceVersion {
    /// Its record.
    pub seq: u64,
    /// `ar-…`, or `job-…` where nobody had to agree.
    pub object: String,
    /// 1, 2, …
    pub version: u32,
    /// The content digest: what a decision names.
    pub digest: Digest,
    /// Absent where nobody had to agree, and in records from before there were terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<EvidenceTerms>,
    /// What is to be in the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<CertificateContent>,
    /// The CSR: PEM of the very DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Which certificate is to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Revocation>,
    /// The digest of the profile's rules, which a certificate's content has in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_sha256: Option<Digest>,
    /// The requester's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<EvidenceText>,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Untrusted>,
}

/// See [`EvidencePart::Proposal`]. The documents are parts of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceProposal {
    /// Its record.
    pub seq: u64,
    /// `ar-…`
    pub object: String,
    /// The content digest.
    pub digest: Digest,
    /// Who has to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<EvidenceTerms>,
    /// The version of the policy that it is based on.
    pub base_version: u32,
    /// That policy.
    pub base_sha256: Digest,
    /// The proposed one.
    pub sha256: Digest,
    /// What it changes, as it was shown: JSON, to the octet.
    pub differences: String,
    /// What was proved of it, as it was shown: JSON, to the octet.
    pub findings: String,
    /// The proposer's reason.
    pub said: EvidenceText,
}

/// See [`EvidencePart::Decision`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceDecision {
    /// Its record: who, from which session, for which places, under which terms.
    pub seq: u64,
    /// `ar-…`
    pub object: String,
    /// Of which version.
    pub version: u32,
    /// The content digest that the person saw.
    pub digest: Digest,
    /// Yes or no.
    pub verdict: Verdict,
    /// The account.
    pub account: String,
    /// The note.
    pub said: EvidenceText,
    /// The decider's own signature, where the decision was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<EvidenceSignature>,
}

/// See [`EvidencePart::Voice`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceVoice {
    /// The record: `erasure_asked`, or `damage_acknowledged`.
    pub seq: u64,
    /// Which of its voices, from 0.
    pub index: u32,
    /// The account.
    pub account: String,
    /// The speaker's own signature.
    pub signature: EvidenceSignature,
}

/// A decider's own signature over the text that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceSignature {
    /// What was signed, to the octet; absent where the note, which stands in it, was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The signature: SSHSIG in its armour.
    pub sshsig: String,
}

/// See [`EvidencePart::Remark`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRemark {
    /// Its record.
    pub seq: u64,
    /// `ar-…`
    pub object: String,
    /// The account.
    pub account: String,
    /// What was said.
    pub said: EvidenceText,
}

/// See [`EvidencePart::Delegation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceDelegation {
    /// The record of the grant: who, to whom, until when.
    pub seq: u64,
    /// `dg-…`
    pub object: String,
    /// Why.
    pub said: EvidenceText,
}

/// See [`EvidencePart::Certificate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceCertificate {
    /// Its record: from which job, allowed by which record.
    pub seq: u64,
    /// `mc-…`
    pub object: String,
    /// SHA-256 of the DER.
    pub sha256: Digest,
    /// PEM, the certificate itself first.
    pub chain: String,
}

/// See [`EvidencePart::Record`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    /// Its number: the leaf's index.
    pub seq: u64,
    /// The leaf hash.
    pub record_sha256: Digest,
    /// The exact octets: canonical JSON, as a JSON string.
    pub record: String,
    /// The RFC 6962 inclusion proof, the leaf's sibling first.
    pub path: Vec<Digest>,
}

/// See [`EvidencePart::End`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceEnd {
    /// How many lines stand before this one.
    pub lines: u64,
    /// SHA-256 of their octets, line feeds included.
    pub sha256: Digest,
}

impl EvidencePart {
    /// As the member `part` names it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Head(_) => "head",
            Self::Checkpoint(_) => "checkpoint",
            Self::Earlier(_) => "earlier",
            Self::Witness(_) => "witness",
            Self::Key(_) => "key",
            Self::Policy(_) => "policy",
            Self::Version(_) => "version",
            Self::Proposal(_) => "proposal",
            Self::Decision(_) => "decision",
            Self::Voice(_) => "voice",
            Self::Remark(_) => "remark",
            Self::Delegation(_) => "delegation",
            Self::Certificate(_) => "certificate",
            Self::Record(_) => "record",
            Self::End(_) => "end",
        }
    }

    /// The record that it stands beside, or is.
    pub const fn seq(&self) -> Option<u64> {
        match self {
            Self::Head(_) | Self::Checkpoint(_) | Self::Earlier(_) | Self::Witness(_) | Self::End(_) => None,
            Self::Key(part) => Some(part.seq),
            Self::Policy(part) => Some(part.seq),
            Self::Version(part) => Some(part.seq),
            Self::Proposal(part) => Some(part.seq),
            Self::Decision(part) => Some(part.seq),
            Self::Voice(part) => Some(part.seq),
            Self::Remark(part) => Some(part.seq),
            Self::Delegation(part) => Some(part.seq),
            Self::Certificate(part) => Some(part.seq),
            Self::Record(part) => Some(part.seq),
        }
    }

    /// The free text that it has.
    pub const fn said(&self) -> Option<&EvidenceText> {
        match self {
            Self::Version(part) => part.said.as_ref(),
            Self::Proposal(part) => Some(&part.said),
            Self::Decision(part) => Some(&part.said),
            Self::Remark(part) => Some(&part.said),
            Self::Delegation(part) => Some(&part.said),
            _ => None,
        }
    }

    /// What the record of the making says of it: `PART SEQ`, of a voice `voice SEQ INDEX`, and ` erased` where its text was;
    /// none for what is not listed.
    pub fn listed(&self) -> Option<String> {
        if let Self::Voice(part) = self {
            return Some(format!("voice {} {}", part.seq, part.index));
        }
        let erased = if self.said().is_some_and(EvidenceText::is_erased) { " erased" } else { "" };
        self.seq().map(|seq| format!("{} {seq}{erased}", self.name()))
    }
}

impl EvidenceText {
    /// True where law demanded that it go.
    pub const fn is_erased(&self) -> bool {
        self.salt.is_none()
    }
}
