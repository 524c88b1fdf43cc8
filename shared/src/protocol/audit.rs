//! `audit.list`, `audit.get`, `audit.verify`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::id::EventId;
use crate::lifecycle::closed_set;
use crate::text::Untrusted;
use crate::time::Timestamp;

closed_set! {
    /// Who acted.
    ActorType {
        /// A human, attested by the kernel.
        User = "User",
        /// The daemon itself.
        System = "System",
    }
}

closed_set! {
    /// What a record is about, in the coarse.
    Category {
        /// Requests, decisions, jobs, certificates.
        CertLifecycle = "cert_lifecycle",
        /// Refusals and reading of the ledger.
        Auth = "auth",
        /// Policy, configuration, start and stop.
        Config = "config",
    }
}

closed_set! {
    /// What happened: the closed list of the contract, and what this version adds to it (`issuance_requested` for
    /// unattended profiles, delegations, repeated attempts).
    AuditAction {
        /// A request waits for people.
        ApprovalRequested = "approval_requested",
        /// A vote for it.
        ApprovalApproved = "approval_approved",
        /// A vote against it.
        ApprovalRejected = "approval_rejected",
        /// Nobody decided in time.
        ApprovalExpired = "approval_expired",
        /// The bypass took the place of people.
        ApprovalBypassed = "approval_bypassed",
        /// Ended by an admin.
        ApprovalVoided = "approval_voided",
        /// Taken back by its requester.
        ApprovalWithdrawn = "approval_withdrawn",
        /// Changed; its decisions are void.
        ApprovalAmended = "approval_amended",
        /// Somebody remarked.
        ApprovalCommented = "approval_commented",
        /// A rule stopped an attempt.
        ApprovalRefused = "approval_refused",
        /// Further groups were asked.
        ApprovalEscalated = "approval_escalated",
        /// Rules stopped one user again and again: somebody should look.
        AttemptsRepeated = "attempts_repeated",
        /// Somebody handed their say to somebody else, for a time.
        DelegationGranted = "delegation_granted",
        /// A say that was handed over went back to its owner.
        DelegationEnded = "delegation_ended",
        /// A job without approval was asked for, under a profile that allows it.
        IssuanceRequested = "issuance_requested",
        /// A revocation without approval was asked for, under a profile that allows it.
        RevocationRequested = "revocation_requested",
        /// A certificate was signed, compared and stored.
        CertificateIssued = "certificate_issued",
        /// A certificate that was not issued here was found, or imported, for the first time.
        CertificateImported = "certificate_imported",
        /// A certificate that was found was given to another owner.
        CertificateAssigned = "certificate_assigned",
        /// A certificate was revoked.
        CertificateRevoked = "certificate_revoked",
        /// An expired certificate is looked after no more.
        CertificateRetired = "certificate_retired",
        /// A list of what was revoked was signed.
        CrlSigned = "crl_signed",
        /// A job ended without a result.
        JobFailed = "job_failed",
        /// An alert was accepted by its channel.
        ExpirationAlertSent = "expiration_alert_sent",
        /// An alert was not accepted.
        ExpirationAlertFailed = "expiration_alert_failed",
        /// No channel is set for the tier.
        ExpirationAlertSkippedNoChannels = "expiration_alert_skipped_no_channels",
        /// A stored channel is not of the closed list.
        ExpirationAlertSkippedInvalidChannel = "expiration_alert_skipped_invalid_channel",
        /// Somebody tried an alert.
        AlertTested = "alert_tested",
        /// Somebody had dead messages tried again.
        AlertRequeued = "alert_requeued",
        /// A policy or configuration took force at a start.
        PolicyLoaded = "policy_loaded",
        /// Somebody proposed another policy.
        PolicyProposed = "policy_proposed",
        /// Another policy took force.
        PolicyChanged = "policy_changed",
        /// Checkpoints are signed with another key.
        CheckpointKeyChanged = "checkpoint_key_changed",
        /// Somebody brought a checkpoint back that was kept elsewhere.
        AnchorAdded = "anchor_added",
        /// More of the ledger is anchored nowhere else than the policy allows: somebody should look.
        LedgerUnanchored = "ledger_unanchored",
        /// A quorum of people acknowledged damage; nothing was rewritten.
        DamageAcknowledged = "damage_acknowledged",
        /// Somebody asked for a free text to be erased, or agreed to it.
        ErasureAsked = "erasure_asked",
        /// A quorum of people had a free text erased; its digest stays.
        TextErased = "text_erased",
        /// Somebody took records out.
        AuditExport = "audit.export",
        /// Somebody took evidence of a request, a certificate or a period out.
        AuditEvidence = "audit.evidence",
        /// Somebody sealed records into an archive.
        LedgerSealed = "ledger_sealed",
        /// The daemon serves.
        DaemonStarted = "daemon_started",
        /// The daemon ended in order.
        DaemonStopped = "daemon_stopped",
    }
}

/// A ledger record as its columns tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditEvent {
    /// 0, 1, 2, …: the order, and the leaf's index in the Merkle tree.
    pub seq: u64,
    /// `ev-…`
    pub event_id: EventId,
    /// Wall-clock time; never the order.
    pub created_at: Timestamp,
    /// An account, `uid:N`, or a system actor.
    pub actor: String,
    /// Human or daemon.
    pub actor_type: ActorType,
    /// What happened.
    pub action: AuditAction,
    /// See [`Category`].
    pub category: Category,
    /// `request`, `job`, `certificate`, `policy`, `daemon`, `ledger`.
    pub resource_type: String,
    /// The object's id.
    pub resource_id: String,
    /// The rest of the record, canonical JSON.
    pub details: Value,
    /// RFC 6962 leaf hash of the record's bytes.
    pub record_sha256: Digest,
    /// The note or reason that the record holds a salted digest of, while it has not been erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Untrusted>,
}

/// `audit.list`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAuditParams {
    /// Only by this actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AuditAction>,
    /// Only this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Only about this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Only records whose wall-clock time is not before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only records whose wall-clock time is before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Only with this text in the actor, action, object, details, note or reason. A page may then be short, or empty, and
    /// have a `next_cursor` all the same: each looks at a bounded stretch of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `audit.count`: the filters of `audit.list` that are counted exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditCountParams {
    /// Only by this actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only this action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AuditAction>,
    /// Only this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// Only about this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    /// Only records whose wall-clock time is not before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only records whose wall-clock time is before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// The answer to `audit.count`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditCount {
    /// How many records there are, exactly.
    pub count: u64,
    /// The ledger's size when they were counted.
    pub as_of_seq: u64,
}

/// A page of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditPage {
    /// The rows.
    pub events: Vec<AuditEvent>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The ledger's size when the page was read.
    pub as_of_seq: u64,
}

/// `audit.get`: by exactly one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditGetParams {
    /// `ev-…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// The sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// The answer to `audit.get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// The columns.
    pub event: AuditEvent,
    /// The exact bytes that are hashed: canonical JSON as text.
    pub record: String,
}

/// The answer to `audit.verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyResult {
    /// True where every record, the chain, the tree and the columns agree.
    pub intact: bool,
    /// Records looked at.
    pub records: u64,
    /// The Merkle tree's root over them (RFC 6962 §2.1).
    pub root_sha256: Digest,
    /// What was found; absent where all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Damage that people acknowledged before, and that is gone past: each stays named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledged>,
}

/// Damage that a quorum of people acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// The damaged record, or that of the anchor; absent for a row of state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// By which rule it was found.
    pub rule: String,
    /// The record that acknowledges it.
    pub by_seq: u64,
}

/// The first thing found wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// The record's sequence number, where the damage has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// `edited`, `missing`, `truncated`, `inserted`, `columns`, `frontier`, `nodes`, `checkpoint`, `anchor`, `database` and others: docs/ledger.md.
    pub rule: String,
    /// What was expected and what was found; safe to show.
    pub text: String,
}
