//! People, grants, issuers and renewal policies in their checked form.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use countersign_proof::sshsig::PublicKey;
use countersign_shared::protocol::SignatureDemand;
use countersign_shared::text::Untrusted;
use countersign_shared::time::{Span, Timestamp};

use super::calendar::Calendar;
use super::document::{AlertChannels, Channel, Severity};
use super::quorum::{QuorumOrder, QuorumStep};
use super::roles::Role;
use super::subject::{AccountName, Member};

/// One human: one vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name in the policy.
    pub name: String,
    /// The accounts that are this human.
    pub accounts: Vec<AccountName>,
    /// Where messages go.
    pub email: Option<String>,
    /// SSH public keys as `authorized_keys` writes them.
    pub keys: Vec<String>,
}

impl Person {
    /// The keys that satisfy a demand; those that no decision can be signed with are left out.
    pub fn signing_keys(&self, demand: Option<SignatureDemand>) -> impl Iterator<Item = PublicKey> {
        let fido = demand.is_some_and(|demand| demand >= SignatureDemand::Fido2);
        let keys = self.keys.iter().filter_map(|line| PublicKey::parse(line).ok());
        keys.filter(move |key| !fido || key.is_fido())
    }
}

/// A role given to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub role: Arc<Role>,
    pub to: Member,
    /// All profiles where there is no list.
    pub profiles: Option<Vec<String>>,
    /// The first moment at which it holds no more.
    pub until: Option<Timestamp>,
}

/// Who has to agree to another policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeControl {
    /// Its steps; without any, one admin, or operator of all profiles, other than the proposer agrees.
    pub quorum: Vec<QuorumStep>,
    /// Whether they wait for each other.
    pub quorum_order: QuorumOrder,
    /// So many different people's rejections end a proposal: 1 to 10.
    pub reject_threshold: u32,
    /// How long a proposal waits for people.
    pub approval_timeout: Span,
    /// Whether decisions have to be signed, and by which keys.
    pub decision_signature: Option<SignatureDemand>,
}

impl Default for ChangeControl {
    fn default() -> Self {
        Self {
            quorum: Vec::new(),
            quorum_order: QuorumOrder::Parallel,
            reject_threshold: 1,
            approval_timeout: Span::from_secs(7 * 86_400),
            decision_signature: None,
        }
    }
}

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The name that profiles use.
    pub id: String,
    /// What it is.
    pub kind: IssuerKind,
    /// How the list of what was revoked is published; kept in the state directory alone, once there is anything to say,
    /// where left out.
    pub crl: Option<CrlRules>,
}

/// How the list of what was revoked is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlRules {
    /// Where clients find it: stands in each certificate.
    pub url: Option<String>,
    /// Where it is written, besides the state directory.
    pub path: Option<String>,
    /// From one list to the moment by which the next one is there. It is replaced at half that time.
    pub lifetime: Span,
}

impl Default for CrlRules {
    fn default() -> Self {
        Self { url: None, path: None, lifetime: Span::from_secs(7 * 86_400) }
    }
}

/// The kinds of issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerKind {
    /// The embedded authority: a root and an intermediate with a path length of 0.
    LocalCa,
    /// A program.
    Exec {
        /// The absolute path of the program, and its arguments.
        command: Vec<String>,
        /// How long it may take.
        timeout: Span,
    },
}

/// When a certificate is renewed, and who is told of its expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalPolicy {
    /// `rp-…`
    pub id: String,
    /// Days before expiry at which renewal begins, 1 to 365.
    pub renewal_window_days: u32,
    /// Whether the daemon asks for the renewal by itself.
    pub auto_renew: bool,
    /// 0 to 10.
    pub max_retries: u32,
    /// 60 to 86400.
    pub retry_interval_seconds: u32,
    /// Days before expiry, largest first, each once, 0 to 365.
    pub alert_thresholds_days: Vec<u32>,
    /// The severities that the document names.
    pub alert_severity_map: BTreeMap<u32, Severity>,
    /// The channels of each severity.
    pub alert_channels: AlertChannels,
    /// Channels that a stored document names and this program does not know, each with its severity; they were left
    /// out of `alert_channels`. At most 64 characters of each name are kept.
    pub unknown_channels: Vec<(Severity, Untrusted)>,
    /// Informational alerts wait until it is open.
    pub informational_calendar: Option<Calendar>,
}

/// Who is told of certificates, besides those whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientRule {
    /// Only certificates of these.
    pub owner: Option<Member>,
    /// Only certificates under these profiles.
    pub profiles: Option<Vec<String>>,
    /// A team of the configuration, whose channels carry it.
    pub team: Option<String>,
    /// Addresses for `Email`.
    pub mail: Vec<String>,
}

impl Severity {
    /// As the policy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Channel {
    /// Every one, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Email,
        Self::Slack,
        Self::Teams,
        Self::PagerDuty,
        Self::OpsGenie,
        Self::Webhook,
        Self::Syslog,
        Self::Command,
        Self::Wall,
    ];

    /// As the policy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::Slack => "Slack",
            Self::Teams => "Teams",
            Self::PagerDuty => "PagerDuty",
            Self::OpsGenie => "OpsGenie",
            Self::Webhook => "Webhook",
            Self::Syslog => "Syslog",
            Self::Command => "Command",
            Self::Wall => "Wall",
        }
    }
}

impl FromStr for Channel {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|channel| channel.as_str() == raw)
            .ok_or("a channel is one of Email, Slack, Teams, PagerDuty, OpsGenie, Webhook, Syslog, Command and Wall")
    }
}

impl FromStr for Severity {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        [Self::Informational, Self::Warning, Self::Critical]
            .into_iter()
            .find(|severity| severity.as_str() == raw)
            .ok_or("a severity is informational, warning or critical")
    }
}
