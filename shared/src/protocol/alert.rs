//! `alert.*`: what people are told, what became of it, and what they would be told.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::CertificateId;
use crate::lifecycle::closed_set;
use crate::text::Untrusted;
use crate::time::{Span, Timestamp};

closed_set! {
    /// What became of a message.
    AlertState {
        /// Waits for its first attempt.
        Queued = "queued",
        /// An attempt failed, another one follows.
        Failed = "failed",
        /// The other side accepted it.
        Sent = "sent",
        /// No attempt follows by itself.
        Dead = "dead",
        /// Never meant to be sent, or taken back before it was.
        Skipped = "skipped",
    }
}

closed_set! {
    /// The closed list of channels, as the policy writes them.
    AlertChannel {
        /// SMTP.
        Email = "Email",
        /// Slack.
        Slack = "Slack",
        /// Microsoft Teams.
        Teams = "Teams",
        /// PagerDuty.
        PagerDuty = "PagerDuty",
        /// OpsGenie.
        OpsGenie = "OpsGenie",
        /// A signed HTTP request.
        Webhook = "Webhook",
        /// The journal.
        Syslog = "Syslog",
        /// A local program.
        Command = "Command",
        /// The terminals of logged-in operators.
        Wall = "Wall",
    }
}

closed_set! {
    /// How urgent a message is.
    AlertSeverity {
        /// For the record.
        Informational = "informational",
        /// Somebody should act this week.
        Warning = "warning",
        /// Somebody has to act now.
        Critical = "critical",
    }
}

closed_set! {
    /// What happens to an alert of the matrix.
    Outlook {
        /// Raised before; its state says what became of it.
        Raised = "raised",
        /// Goes out in the next pass.
        Due = "due",
        /// Goes out at its time, while the certificate is not renewed.
        Ahead = "ahead",
        /// Its time passed when a tighter one stood for it.
        Passed = "passed",
    }
}

/// A message, on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// 1, 2, …: the other side recognises a repeat by it.
    pub id: u64,
    /// When it was caused.
    pub created_at: Timestamp,
    /// `expiration_alert`, `expiration_alert_test`, `certificate_renewed`, `certificate_dealt_with`, or the action of the
    /// record that caused it.
    pub kind: String,
    /// What it is about: `mc-…`, `ar-…`, `job-…`.
    pub resource_id: String,
    /// The name that this is known by, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Untrusted>,
    /// An alert: the certificate's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// An alert: the threshold in days before the end; negative for the daily ones after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<i32>,
    /// How urgent; absent where nobody is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<AlertSeverity>,
    /// On what; absent where nobody is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<AlertChannel>,
    /// The name in a stored policy that is no channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_channel: Option<Untrusted>,
    /// What became of it.
    pub state: AlertState,
    /// Attempts that failed, while another one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When the next attempt is made; absent where none follows, or one is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<Timestamp>,
    /// When the other side accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// Why it failed, or was skipped; may be empty.
    pub detail: Untrusted,
    /// The ledger record that caused it, or says what became of it.
    pub seq: u64,
}

/// `alert.list`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAlertsParams {
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AlertState>,
    /// Only on this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<AlertChannel>,
    /// Only about this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateId>,
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only with this text in the object's id, in the certificate's primary name, or in the detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertPage {
    /// The rows; a page under a filter may have fewer than were asked for, and another one after it.
    pub alerts: Vec<Alert>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// `alert.requeue`: one dead message, or all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequeueParams {
    /// This one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// In place of `id`: the oldest 1000 that are dead.
    #[serde(default)]
    pub all_dead: bool,
    /// With `all_dead`: only on this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<AlertChannel>,
}

/// The answer to `alert.requeue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequeueResult {
    /// So many wait for an attempt now.
    pub requeued: u64,
    /// So many of those that were asked for are dead still: ask again.
    pub left: u64,
    /// The ledger record; absent where nothing was dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// `alert.test`: sends for real, marked TEST, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestAlertParams {
    /// As if this one came near its end.
    pub certificate: CertificateId,
    /// At this threshold, 0 to 365 days.
    pub threshold: u16,
    /// On this channel, whatever the policy says of the threshold.
    pub channel: AlertChannel,
    /// How long to wait for what the other side says: 0 to 10m, 60s where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// The answer to `alert.test`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestAlertResult {
    /// What became of it: `sent`; `dead` or `skipped` with the reason; `queued` where the time was up before.
    pub alert: Alert,
}

/// `alert.plan`: the whole matrix, without sending anything; certificates that end first come first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertPlanParams {
    /// Only this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateId>,
    /// Only those that end within so many days, or have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Certificates on the page, 1 to 500; 100 where it is left out. A large matrix ends it earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The answer to `alert.plan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertPlanPage {
    /// The certificates that somebody has to look after.
    pub certificates: Vec<PlannedCertificate>,
    /// The channels that they name.
    pub channels: Vec<PlannedChannel>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A channel as this host has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedChannel {
    /// Which.
    pub channel: AlertChannel,
    /// False where `countersign.toml` does not have it: each alert on it fails, visibly.
    pub configured: bool,
    /// Whom it reaches for every certificate: addresses, a server, a program; never a secret.
    pub to: Vec<Untrusted>,
}

/// A certificate and all of its alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedCertificate {
    /// `mc-…`
    pub id: CertificateId,
    /// The name that it is known by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Untrusted>,
    /// The version that is watched.
    pub version: u64,
    /// Its end.
    pub not_after: Timestamp,
    /// Whole days until then, −1 within the first day after it.
    pub days_left: i32,
    /// Its profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_id: Option<String>,
    /// The renewal policy that counts; what holds without one where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_policy: Option<String>,
    /// Whom `Email` reaches besides: its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<Untrusted>,
    /// Whom `Wall` reaches: accounts of its operators, as the policy names them.
    pub accounts: Vec<Untrusted>,
    /// Largest threshold first, and for each every target.
    pub alerts: Vec<PlannedAlert>,
}

/// One cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedAlert {
    /// Days before the end; negative after it.
    pub threshold: i32,
    /// When it is crossed.
    pub at: Timestamp,
    /// How urgent.
    pub severity: AlertSeverity,
    /// On what; absent where nothing is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<AlertChannel>,
    /// The name that is no channel; without it and without a channel the tier is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_channel: Option<Untrusted>,
    /// What happens.
    pub outlook: Outlook,
    /// What became of it, where it was raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AlertState>,
}
