//! Counters, gauges and the age histogram of design §6, as Prometheus text.
//!
//! What counts ledger events starts from the ledger, so that a restart changes nothing.

mod alerts;
mod anchors;
mod attempts;
mod forward;

use countersign_shared::error::ApiError;
use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::ForwardStatus;
use countersign_shared::time::Timestamp;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

pub use self::alerts::{AlertGauges, AlertResult, Alerts};
pub use self::anchors::AnchorGauges;
use self::anchors::Anchoring;
use self::attempts::Attempts;
use self::forward::Forward;
use crate::inventory::Problem;
use crate::policy::{CHANGES, Policy, Profile};
use crate::store::Effect;
use crate::store::rows::metrics::Outcome;

/// Upper bounds of the ages, in seconds.
const AGES: [f64; 6] = [60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0];

/// Every metric of the process.
pub struct Metrics {
    registry: Registry,
    decisions: IntCounterVec,
    attempts: Attempts,
    alerts: Alerts,
    forward: Forward,
    age: Histogram,
    rows: IntGauge,
    anchoring: Anchoring,
    acknowledged_damage: IntGauge,
    verifications: IntCounter,
    breaks: IntCounter,
    last_verified: Gauge,
    queue_depth: IntGauge,
    pending: IntGauge,
    oldest_pending: Gauge,
    jobs: IntGaugeVec,
    problems: IntGaugeVec,
}

/// What decisions are counted under: the profiles of a policy, and changes of the policy itself.
pub fn subjects(policy: &Policy) -> impl Iterator<Item = &str> {
    policy.profiles().iter().map(Profile::id).chain([CHANGES])
}

/// What is read at the moment of the question.
pub struct Gauges {
    /// Now.
    pub now: Timestamp,
    /// Commands that wait for the writer.
    pub queue_depth: usize,
    /// Ledger records.
    pub ledger_size: u64,
    /// How far they are signed and anchored.
    pub anchoring: AnchorGauges,
    /// Pieces of damage that people acknowledged.
    pub acknowledged_damage: u64,
    /// Since when the oldest does.
    pub oldest_pending_at: Option<Timestamp>,
    /// Jobs in each state.
    pub jobs: Vec<(String, u64)>,
    /// Of certificates that end, and of messages.
    pub alerts: AlertGauges,
    /// What was in the way of the last scan of the inventory, by problem.
    pub problems: Vec<(String, u64)>,
}

impl Metrics {
    /// All at zero, every label of the closed sets present.
    pub fn new<'a>(profiles: impl IntoIterator<Item = &'a str>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let decisions = IntCounterVec::new(
            Opts::new("countersign_approval_decisions_total", "Requests that ended, by how and under which profile."),
            &["outcome", "profile_id"],
        )?;
        let jobs = IntGaugeVec::new(Opts::new("countersign_jobs", "Jobs by state."), &["state"])?;
        for state in JobState::ALL {
            jobs.with_label_values(&[state.as_str()]);
        }
        let problems = IntGaugeVec::new(
            Opts::new("countersign_inventory_findings", "What was in the way of the last scan, by problem."),
            &["problem"],
        )?;
        for problem in Problem::KINDS {
            problems.with_label_values(&[problem]);
        }
        let build = IntGaugeVec::new(Opts::new("countersign_build_info", "Always 1."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let age = HistogramOpts::new(
            "countersign_approval_pending_age_seconds",
            "How long a request had been pending when people decided it.",
        );
        let metrics = Self {
            decisions,
            attempts: Attempts::new()?,
            alerts: Alerts::new()?,
            forward: Forward::new()?,
            age: Histogram::with_opts(age.buckets(AGES.to_vec()))?,
            rows: IntGauge::new("countersign_audit_chain_rows", "Ledger records.")?,
            anchoring: Anchoring::new()?,
            acknowledged_damage: IntGauge::new(
                "countersign_audit_acknowledged_damage",
                "Pieces of damage of the ledger that people acknowledged.",
            )?,
            verifications: IntCounter::new("countersign_audit_chain_verify_total", "Verifications of the ledger.")?,
            breaks: IntCounter::new(
                "countersign_audit_chain_break_detected_total",
                "Verifications that found damage.",
            )?,
            last_verified: Gauge::new(
                "countersign_audit_chain_last_verified_at",
                "When the ledger was last verified, in seconds since 1970.",
            )?,
            queue_depth: IntGauge::new("countersign_writer_queue_depth", "Commands that wait for the writer.")?,
            pending: IntGauge::new("countersign_approval_pending", "Requests that wait for people.")?,
            oldest_pending: Gauge::new(
                "countersign_approval_oldest_pending_age_seconds",
                "How long the oldest pending request has waited.",
            )?,
            jobs,
            problems,
            registry,
        };
        metrics.register(build)?;
        metrics.know(profiles);
        Ok(metrics)
    }

    /// Extends the closed set of profiles: what a policy that takes force names. Those that it drops keep their counts.
    fn know<'a>(&self, profiles: impl IntoIterator<Item = &'a str>) {
        for profile in profiles {
            for outcome in Outcome::ALL {
                self.decisions.with_label_values(&[outcome.as_str(), profile]);
            }
        }
    }

    fn register(&self, build: IntGaugeVec) -> prometheus::Result<()> {
        let registry = &self.registry;
        registry.register(Box::new(build))?;
        registry.register(Box::new(self.decisions.clone()))?;
        self.attempts.register(registry)?;
        self.alerts.register(registry)?;
        self.forward.register(registry)?;
        registry.register(Box::new(self.age.clone()))?;
        registry.register(Box::new(self.rows.clone()))?;
        self.anchoring.register(registry)?;
        registry.register(Box::new(self.acknowledged_damage.clone()))?;
        registry.register(Box::new(self.verifications.clone()))?;
        registry.register(Box::new(self.breaks.clone()))?;
        registry.register(Box::new(self.last_verified.clone()))?;
        registry.register(Box::new(self.queue_depth.clone()))?;
        registry.register(Box::new(self.pending.clone()))?;
        registry.register(Box::new(self.oldest_pending.clone()))?;
        registry.register(Box::new(self.problems.clone()))?;
        registry.register(Box::new(self.jobs.clone()))
    }

    /// Counts what a commit made true.
    pub fn apply(&self, effect: &Effect) {
        match effect {
            Effect::Pending => self.pending.inc(),
            Effect::Decided { outcome, profile_id, age_millis } => {
                self.ended(*outcome, profile_id, *age_millis);
                // What the bypass approves has never waited.
                if *outcome != Outcome::Bypassed {
                    self.pending.dec();
                }
            }
            Effect::PolicyChanged(next) => {
                self.know(subjects(next.policy()));
                self.alerts.know(next.policy());
            }
            Effect::Alerted { channel, stage, accepted } => {
                let result = if *accepted { AlertResult::Success } else { AlertResult::Failure };
                self.alerts.count(*channel, *stage, result, 1);
            }
            Effect::Deduped { channel, stage, count } => {
                self.alerts.count(*channel, *stage, AlertResult::Deduped, *count);
            }
            Effect::Died => self.alerts.died(1),
            Effect::Refused { rule } => self.refused(rule, 1),
            Effect::AttemptsRepeated => self.alarmed(1),
            Effect::Timed
            | Effect::JobReady
            | Effect::Moved(_)
            | Effect::Queued(_)
            | Effect::RenewalPlanned
            | Effect::Watched
            | Effect::Delegated
            | Effect::TextErased
            | Effect::Revoked => {}
        }
    }

    /// Begins with the requests that wait as the process starts.
    pub fn waiting(&self, count: u64) {
        self.pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Requests that wait for people, as of the last commit: a count that is kept, since counting a long queue
    /// costs its length.
    pub fn pending(&self) -> u64 {
        u64::try_from(self.pending.get()).unwrap_or(0)
    }

    /// Counts a request that ended.
    pub fn ended(&self, outcome: Outcome, profile_id: &str, age_millis: i64) {
        self.decisions.with_label_values(&[outcome.as_str(), profile_id]).inc();
        if outcome.by_people() {
            // Whole milliseconds below 2⁵³ are exact in a double.
            self.age.observe(age_millis as f64 / 1000.0);
        }
    }

    /// Counts attempts that a rule stopped.
    pub fn refused(&self, rule: &str, count: u64) {
        self.attempts.refused(rule, count);
    }

    /// Counts alarms because of repeated attempts.
    pub fn alarmed(&self, count: u64) {
        self.attempts.alarmed(count);
    }

    /// Alerts of certificates that end, and messages.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Counts a verification.
    pub fn verified(&self, at: Timestamp, intact: bool) {
        self.verifications.inc();
        self.last_verified.set(at.unix_millis() as f64 / 1000.0);
        if !intact {
            self.breaks.inc();
        }
    }

    /// How forwarding stands; all at zero where nothing is forwarded.
    pub fn forward(&self, status: Option<&ForwardStatus>) {
        self.forward.show(status);
    }

    /// Prometheus text, format 0.0.4; byte-stable for equal values.
    pub fn text(&self, gauges: &Gauges) -> Result<String, ApiError> {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.rows.set(whole(gauges.ledger_size));
        self.anchoring.show(&gauges.anchoring);
        self.acknowledged_damage.set(whole(gauges.acknowledged_damage));
        self.queue_depth.set(i64::try_from(gauges.queue_depth).unwrap_or(i64::MAX));
        let oldest = gauges.oldest_pending_at.map_or(0, |at| gauges.now.unix_millis() - at.unix_millis());
        self.oldest_pending.set(oldest.max(0) as f64 / 1000.0);
        for state in JobState::ALL {
            let count = gauges.jobs.iter().find(|(name, _)| name == state.as_str()).map_or(0, |(_, count)| *count);
            self.jobs.with_label_values(&[state.as_str()]).set(whole(count));
        }
        self.alerts.show(&gauges.alerts);
        for problem in Problem::KINDS {
            let count = gauges.problems.iter().find(|(name, _)| name == problem).map_or(0, |(_, count)| *count);
            self.problems.with_label_values(&[problem]).set(whole(count));
        }
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .map_err(|error| ApiError::internal(format!("the metrics cannot be written: {error}")))?;
        String::from_utf8(text).map_err(|error| ApiError::internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauges() -> Gauges {
        let now = Timestamp::from_unix_millis(10_000).unwrap();
        Gauges {
            now,
            queue_depth: 0,
            ledger_size: 3,
            anchoring: AnchorGauges { unanchored: 1, ..Default::default() },
            acknowledged_damage: 0,
            oldest_pending_at: Some(Timestamp::EPOCH),
            jobs: vec![],
            alerts: AlertGauges::default(),
            problems: vec![("missing".into(), 2)],
        }
    }

    #[test]
    fn waiting_requests_are_counted_as_they_come_and_end() {
        let metrics = Metrics::new(["p-web"]).unwrap();
        metrics.waiting(2);
        metrics.apply(&Effect::Pending);
        // Whatever is due on a request besides, it is one that waits.
        metrics.apply(&Effect::Timed);
        let ended = |outcome| Effect::Decided { outcome, profile_id: "p-web".into(), age_millis: 1 };
        for outcome in [Outcome::Approved, Outcome::Expired, Outcome::Bypassed] {
            metrics.apply(&ended(outcome));
        }
        assert_eq!(metrics.pending(), 1);
    }

    #[test]
    fn closed_labels_exact_counts_and_stable_bytes() {
        let metrics = Metrics::new(["p-web"]).unwrap();
        metrics.ended(Outcome::Approved, "p-web", 61_000);
        metrics.ended(Outcome::Expired, "p-web", 9_999_000);
        let text = metrics.text(&gauges()).unwrap();
        for line in [
            "countersign_approval_decisions_total{outcome=\"approved\",profile_id=\"p-web\"} 1",
            "countersign_approval_decisions_total{outcome=\"bypassed\",profile_id=\"p-web\"} 0",
            "countersign_approval_pending_age_seconds_bucket{le=\"60\"} 0",
            "countersign_approval_pending_age_seconds_bucket{le=\"300\"} 1",
            "countersign_approval_pending_age_seconds_bucket{le=\"+Inf\"} 1",
            "countersign_approval_oldest_pending_age_seconds 10",
            "countersign_jobs{state=\"awaiting_approval\"} 0",
            "countersign_inventory_findings{problem=\"missing\"} 2",
            "countersign_inventory_findings{problem=\"special\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert_eq!(text, metrics.text(&gauges()).unwrap());
    }
}
