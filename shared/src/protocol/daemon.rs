//! `daemon.*` and `demo.act_as`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AnchorVerdict, Damage, InventoryStatus};
use crate::digest::Digest;
use crate::time::{Span, Timestamp};

/// The answer to `daemon.status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusResult {
    /// The program's version.
    pub version: String,
    /// See [`super::PROTOCOL_VERSION`].
    pub protocol: u32,
    /// The installation's id, made at the first start; the origin of its checkpoints unless countersign.toml named another.
    pub origin: String,
    /// When this process began to serve.
    pub started_at: Timestamp,
    /// The daemon's wall clock now.
    pub now: Timestamp,
    /// True where damage was found and nothing is decided.
    pub read_only: bool,
    /// The damage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Damage that people acknowledged: so many pieces, which every verification names.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub acknowledged_damage: u64,
    /// True on a demo daemon.
    pub demo: bool,
    /// True where the approval bypass is on.
    pub bypass: bool,
    /// Requests waiting for people.
    pub pending: u64,
    /// When the oldest of them was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_pending_at: Option<Timestamp>,
    /// Ledger records.
    pub ledger_size: u64,
    /// The Merkle root over them.
    pub ledger_root: Digest,
    /// Records not anchored off the host yet.
    pub unanchored: u64,
    /// When the oldest of them was written; absent where there is none but records of anchors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unanchored_since: Option<Timestamp>,
    /// True where that is past a limit of the policy (`[ledger]`).
    #[serde(default)]
    pub anchor_overdue: bool,
    /// How far the verification of the ledger is that runs now; absent where none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationProgress>,
    /// The last verification of this process that came to an end, that of the start included; absent where the database could
    /// not be read then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verification: Option<LastVerification>,
    /// Those limits; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_limits: Option<AnchorLimits>,
    /// The newest checkpoint that was signed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checkpoint: Option<CheckpointMark>,
    /// The newest checkpoint that came back from outside, whatever it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_anchor: Option<AnchorMark>,
    /// Where checkpoints do not arrive at the moment, of the places that `[checkpoint]` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoint_failing: Vec<CheckpointFailing>,
    /// The policy's digest.
    pub policy_sha256: Digest,
    /// True where the policy file differs from the policy in force: the file has no force of its own.
    pub policy_file_differs: bool,
    /// How callers are attested: `pidfd`, or `weak` before Linux 6.5.
    pub attestation: String,
    /// Users whose attempts rules stopped again and again in the last 24 hours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempts>,
    /// The inventory, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventoryStatus>,
    /// Messages that have not reached the other side; absent where the database cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertsStatus>,
    /// Where records are forwarded to, and how far; absent where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<ForwardStatus>,
}

/// How forwarding stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForwardStatus {
    /// `file` or `journal`.
    pub to: String,
    /// Records that are written there and durable, from the first on; 0 until this process has written or caught up.
    pub forwarded: u64,
    /// Records that are not.
    pub behind: u64,
    /// Since when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// What failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Failures since the start.
    pub failures: u64,
    /// How often somebody else cut the file short since the start; what stood in it was written again.
    pub shortened: u64,
}

/// A verification that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerificationProgress {
    /// Records that it is past; all of them while it looks at what is not the ledger.
    pub done: u64,
    /// Records that there were when it began.
    pub of: u64,
    /// When it began.
    pub since: Timestamp,
}

/// A verification that came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LastVerification {
    /// When it ended.
    pub at: Timestamp,
    /// The records that it found right, from the first on, those included that an earlier one vouched for.
    pub records: u64,
    /// False where it found damage: `damage` of the status says which.
    pub intact: bool,
}

/// How much of the ledger may be anchored nowhere off the host: `[ledger]` of the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorLimits {
    /// How old the oldest record without an anchor may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
    /// How many records without an anchor there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_records: Option<u64>,
}

/// A checkpoint that was signed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointMark {
    /// How many records it is of.
    pub size: u64,
    /// When it was signed.
    pub at: Timestamp,
}

/// A checkpoint that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnchorMark {
    /// How many records it is of.
    pub size: u64,
    /// What it said of the ledger when it came.
    pub verdict: AnchorVerdict,
    /// When it came.
    pub at: Timestamp,
}

/// A place that does not take checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointFailing {
    /// `directory`, `syslog` or `journal`.
    pub place: String,
    /// Since when.
    pub since: Timestamp,
    /// Why the last attempt failed.
    pub error: String,
}

/// What `alert.list` has of messages that have not reached the other side, and about whomever they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertsStatus {
    /// Those that wait for their first attempt.
    pub queued: u64,
    /// Those of which an attempt failed and another one follows.
    pub failed: u64,
    /// Those of which no attempt follows until somebody queues them again: `alert.requeue`.
    pub dead: u64,
}

/// One user's refused attempts: see `attempts_repeated` in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attempts {
    /// The human behind them, whose accounts and logins count together: a person of the policy, or `uid:N`.
    pub human: String,
    /// The account of that human, as ledger records name it.
    pub actor: String,
    /// The rule that stopped the last one.
    pub rule: String,
    /// How many in the hour before the alarm.
    pub count: u32,
    /// When the alarm was raised.
    pub at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
}

/// The answer to `daemon.whoami`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WhoamiResult {
    /// The account that ledger rows would name.
    pub account: String,
    /// The user id that the kernel attests.
    pub uid: u32,
    /// The group id that the kernel attests.
    pub gid: u32,
    /// The pinned process.
    pub pid: u32,
    /// Who logged in; absent where nobody did (services, containers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// The login session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u32>,
    /// The person of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The roles in force now, each with its scope: `operator (p-web)`.
    pub roles: Vec<String>,
    /// What these roles give together, each permission with its scope: `request.approve (p-web)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// Says of others that were handed to the caller, each with its end: `bob's until 2026-07-01T12:00:00Z (p-web)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub says: Vec<String>,
    /// True where a demo daemon let the caller choose.
    pub demo: bool,
    /// Why this caller can decide nothing, whatever its roles; absent where there is no such reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cannot_decide: Option<String>,
}

/// The answer to `daemon.metrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsResult {
    /// `text/plain; version=0.0.4`
    pub content_type: String,
    /// Prometheus text exposition.
    pub text: String,
}

/// `demo.act_as`: the acting person of this connection, on a demo daemon; `forbidden` anywhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActAsParams {
    /// A person of the demo's policy.
    pub person: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
