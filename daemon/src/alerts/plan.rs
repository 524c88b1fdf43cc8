//! What a renewal policy says about alerts, with everything that it leaves out filled in.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use countersign_shared::text::Untrusted;

use super::stage::Stage;
use crate::policy::{Channel, RenewalPolicy, Severity};

/// What an alert is meant for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A channel of the closed list, configured or not.
    Channel(Channel),
    /// A name of a stored policy that is no channel: it is skipped, and that is recorded.
    Unknown(Untrusted),
    /// The tier has no channels: that is recorded as well.
    Nobody,
}

impl Target {
    /// The audit action that a target stands for which no message goes to.
    pub const fn skipped(&self) -> Option<&'static str> {
        match self {
            Self::Channel(_) => None,
            Self::Unknown(_) => Some("expiration_alert_skipped_invalid_channel"),
            Self::Nobody => Some("expiration_alert_skipped_no_channels"),
        }
    }

    /// As the column `alert_events.target` has it: the channel, `?` and the name as it came, or nothing at all.
    pub fn column(&self) -> Cow<'static, str> {
        match self {
            Self::Channel(channel) => Cow::Borrowed(channel.as_str()),
            Self::Unknown(name) => Cow::Owned(format!("?{}", name.raw())),
            Self::Nobody => Cow::Borrowed(""),
        }
    }
}

/// For people.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => f.write_str(channel.as_str()),
            Self::Unknown(name) => write!(f, "`{}`, which is no channel", name.safe()),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

/// From the column.
impl FromStr for Target {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw.strip_prefix('?') {
            Some(name) => Ok(Self::Unknown(name.into())),
            None if raw.is_empty() => Ok(Self::Nobody),
            None => raw.parse().map(Self::Channel),
        }
    }
}

/// One tier of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tier {
    severity: Severity,
    targets: Vec<Target>,
}

/// The alerts of a renewal policy. Made once for each policy, not for each certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPlan {
    /// Largest first, each with its severity.
    thresholds: Vec<(Stage, Severity)>,
    /// After the end.
    overdue: Severity,
    tiers: [Tier; 3],
}

/// For certificates whose profile names no renewal policy: thresholds, severities and channels as in a policy that says
/// nothing of them. Nothing expires unseen because a key was left out.
impl Default for AlertPlan {
    fn default() -> Self {
        use Severity::{Critical, Informational, Warning};
        let thresholds = [(30, Informational), (14, Warning), (7, Warning), (0, Critical)];
        let tier = |severity| Tier { severity, targets: vec![Target::Channel(Channel::Email)] };
        Self {
            thresholds: thresholds.map(|(days, severity)| (Stage::new(days), severity)).to_vec(),
            overdue: Critical,
            tiers: [tier(Informational), tier(Warning), tier(Critical)],
        }
    }
}

impl AlertPlan {
    /// Fills in what the policy leaves out.
    pub fn of(policy: &RenewalPolicy) -> Self {
        let thresholds = policy.alert_thresholds_days.iter();
        let stage = |days: u32| Stage::new(i32::try_from(days).unwrap_or(i32::MAX));
        let thresholds = thresholds.map(|days| (stage(*days), severity(policy, *days))).collect();
        let tier = |severity: Severity| Tier { severity, targets: targets(policy, severity) };
        let tiers = [tier(Severity::Informational), tier(Severity::Warning), tier(Severity::Critical)];
        Self { thresholds, overdue: severity(policy, 0), tiers }
    }

    /// The thresholds, largest first, each with its severity.
    pub fn thresholds(&self) -> &[(Stage, Severity)] {
        &self.thresholds
    }

    /// The severity of a stage: what the policy says of it, and for the days after the end what it says of the last.
    pub fn severity(&self, stage: Stage) -> Severity {
        let named = self.thresholds.iter().find(|(threshold, _)| *threshold == stage);
        named.map_or(self.overdue, |(_, severity)| *severity)
    }

    /// Whom a severity reaches: at least one target, each once.
    pub fn targets(&self, severity: Severity) -> &[Target] {
        self.tiers.iter().find(|tier| tier.severity == severity).map_or(&[], |tier| &tier.targets)
    }
}

/// A threshold that the map does not name takes the nearest stricter neighbour: the largest number of days below it.
/// Where nothing is stricter the end itself is, and that is critical.
fn severity(policy: &RenewalPolicy, days: u32) -> Severity {
    let stricter = policy.alert_severity_map.range(..=days).next_back();
    stricter.map_or(Severity::Critical, |(_, severity)| *severity)
}

fn targets(policy: &RenewalPolicy, severity: Severity) -> Vec<Target> {
    let channels = match severity {
        Severity::Informational => &policy.alert_channels.informational,
        Severity::Warning => &policy.alert_channels.warning,
        Severity::Critical => &policy.alert_channels.critical,
    };
    let mut targets = Vec::new();
    for channel in channels.as_deref().unwrap_or(&[Channel::Email]) {
        if !targets.contains(&Target::Channel(*channel)) {
            targets.push(Target::Channel(*channel));
        }
    }
    if targets.is_empty() {
        targets.push(Target::Nobody);
    }
    let unknown = policy.unknown_channels.iter().filter(|(of, _)| *of == severity);
    targets.extend(unknown.map(|(_, name)| Target::Unknown(name.clone())));
    targets
}
