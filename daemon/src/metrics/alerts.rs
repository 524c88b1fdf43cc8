//! Alerts of certificates that end, and the messages that are still to be sent.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::alerts::counts::DAYS_LEFT;
use crate::alerts::{Plans, Stage};
use crate::policy::{Channel, Policy};

/// What became of an alert that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertResult {
    /// The other side accepted it.
    Success,
    /// An attempt failed.
    Failure,
    /// It had been raised before; counted since the start.
    Deduped,
}

impl AlertResult {
    const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Deduped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Deduped => "deduped",
        }
    }
}

/// What is read at the moment of the question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertGauges {
    /// Messages that are still to be sent; channels without any are left out.
    pub queued: Vec<(Channel, u64)>,
    /// As [`crate::alerts::counts::days_left`] counts them.
    pub days_left: Vec<u64>,
}

/// See the module.
pub struct Alerts {
    alerts: IntCounterVec,
    dead: IntCounter,
    queued: IntGaugeVec,
    days_left: IntGaugeVec,
}

impl Alerts {
    /// All at zero. The channels are a closed set; thresholds come with the policy.
    pub fn new() -> prometheus::Result<Self> {
        let alerts = Opts::new(
            "countersign_expiry_alerts_total",
            "Alerts of certificates that end: attempts by how they went, and those that were due and known.",
        );
        let queued = Opts::new("countersign_notifications_queued", "Messages that are still to be sent.");
        let days_left = Opts::new(
            "countersign_certificates_days_left",
            "Certificates that are watched and have at most so many days left; 0 has ended.",
        );
        let new = Self {
            alerts: IntCounterVec::new(alerts, &["channel", "result", "threshold"])?,
            dead: IntCounter::new(
                "countersign_notification_dead_total",
                "Messages that were given up: each until somebody queues it again.",
            )?,
            queued: IntGaugeVec::new(queued, &["channel"])?,
            days_left: IntGaugeVec::new(days_left, &["within_days"])?,
        };
        new.show(&AlertGauges::default());
        Ok(new)
    }

    /// Makes them part of what is shown.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.alerts.clone()))?;
        registry.register(Box::new(self.dead.clone()))?;
        registry.register(Box::new(self.queued.clone()))?;
        registry.register(Box::new(self.days_left.clone()))
    }

    /// Shows every threshold that a policy can cross, from the moment that it takes force. Those of policies before it
    /// keep their counts.
    pub fn know(&self, policy: &Policy) {
        for stage in Plans::of(policy).stages() {
            for channel in Channel::ALL {
                for result in AlertResult::ALL {
                    self.count(channel, stage, result, 0);
                }
            }
        }
    }

    /// Counts alerts of one stage.
    pub fn count(&self, channel: Channel, stage: Stage, result: AlertResult, count: u64) {
        self.alerts.with_label_values(&[channel.as_str(), result.as_str(), &stage.label()]).inc_by(count);
    }

    /// Counts messages that were given up.
    pub fn died(&self, count: u64) {
        self.dead.inc_by(count);
    }

    /// Takes over what was read.
    pub(super) fn show(&self, gauges: &AlertGauges) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for channel in Channel::ALL {
            let count = gauges.queued.iter().find(|(of, _)| *of == channel).map_or(0, |(_, count)| *count);
            self.queued.with_label_values(&[channel.as_str()]).set(whole(count));
        }
        let bounds = DAYS_LEFT.iter().map(u32::to_string).chain(["+Inf".to_owned()]);
        for (at, bound) in bounds.enumerate() {
            let count = gauges.days_left.get(at).copied().unwrap_or(0);
            self.days_left.with_label_values(&[&bound]).set(whole(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder as _, TextEncoder};

    use super::*;

    fn text(alerts: &Alerts) -> String {
        let registry = Registry::new();
        alerts.register(&registry).unwrap();
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn label_sets_are_closed_and_counts_exact() {
        let alerts = Alerts::new().unwrap();
        alerts.know(&Policy::parse("version = 1\n").unwrap().0);
        assert_eq!(text(&alerts).matches("\ncountersign_expiry_alerts_total{").count(), 9 * 3 * 5);
        alerts.count(Channel::Slack, Stage::new(7), AlertResult::Success, 2);
        alerts.count(Channel::Slack, Stage::new(-4), AlertResult::Deduped, 1);
        alerts.count(Channel::Slack, Stage::new(-5), AlertResult::Deduped, 1);
        alerts.died(3);
        alerts.show(&AlertGauges { queued: vec![(Channel::Wall, 4)], days_left: (1..=10).collect() });
        let shown = text(&alerts);
        for line in [
            "countersign_expiry_alerts_total{channel=\"Slack\",result=\"success\",threshold=\"7\"} 2",
            "countersign_expiry_alerts_total{channel=\"Slack\",result=\"deduped\",threshold=\"expired\"} 2",
            "countersign_expiry_alerts_total{channel=\"Email\",result=\"failure\",threshold=\"30\"} 0",
            "countersign_notification_dead_total 3",
            "countersign_notifications_queued{channel=\"Wall\"} 4",
            "countersign_notifications_queued{channel=\"Email\"} 0",
            "countersign_certificates_days_left{within_days=\"0\"} 1",
            "countersign_certificates_days_left{within_days=\"365\"} 9",
            "countersign_certificates_days_left{within_days=\"+Inf\"} 10",
        ] {
            assert!(shown.lines().any(|found| found == line), "{line}\n{shown}");
        }
        assert_eq!(shown, text(&alerts));
    }
}
