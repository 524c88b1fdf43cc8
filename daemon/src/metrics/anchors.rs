//! How far the ledger is signed and anchored. Times are moments, not ages: the text stays the same while nothing happens, and
//! whoever reads it knows the time.

use countersign_shared::protocol::AnchorVerdict;
use countersign_shared::time::Timestamp;
use prometheus::{Gauge, IntGauge, IntGaugeVec, Opts, Registry};

/// The places of `[checkpoint]` that take checkpoints by themselves.
const PLACES: [&str; 3] = ["directory", "syslog", "journal"];

/// What is read at the moment of the question.
#[derive(Default)]
pub struct AnchorGauges {
    /// Records that no anchor covers.
    pub unanchored: u64,
    /// When the oldest of them was written.
    pub unanchored_since: Option<Timestamp>,
    /// Whether that is past a limit of the policy.
    pub overdue: bool,
    /// The size of the newest checkpoint, and when it was signed.
    pub checkpoint: Option<(u64, Timestamp)>,
    /// Anchors by what they said.
    pub anchors: Vec<(String, u64)>,
    /// The places that fail.
    pub failing: Vec<String>,
}

/// See the module.
pub struct Anchoring {
    unanchored: IntGauge,
    since: Gauge,
    overdue: IntGauge,
    size: IntGauge,
    at: Gauge,
    anchors: IntGaugeVec,
    failing: IntGaugeVec,
}

impl Anchoring {
    /// All at zero, every label of the closed sets present.
    pub fn new() -> prometheus::Result<Self> {
        let anchors = IntGaugeVec::new(
            Opts::new("countersign_audit_anchors", "Checkpoints that came back from outside, by what they said."),
            &["verdict"],
        )?;
        for verdict in AnchorVerdict::ALL {
            anchors.with_label_values(&[verdict.as_str()]);
        }
        let failing = IntGaugeVec::new(
            Opts::new("countersign_audit_checkpoint_failing", "1 where checkpoints do not arrive, by place."),
            &["place"],
        )?;
        for place in PLACES {
            failing.with_label_values(&[place]);
        }
        Ok(Self {
            unanchored: IntGauge::new("countersign_audit_unanchored_rows", "Ledger records that no anchor covers.")?,
            since: Gauge::new(
                "countersign_audit_unanchored_since",
                "When the oldest of them was written, in seconds since 1970; 0 where there is none.",
            )?,
            overdue: IntGauge::new("countersign_audit_anchor_overdue", "1 where that is past a limit of the policy.")?,
            size: IntGauge::new("countersign_audit_checkpoint_rows", "Ledger records of the newest checkpoint.")?,
            at: Gauge::new(
                "countersign_audit_checkpoint_at",
                "When it was signed, in seconds since 1970; 0 where there is none.",
            )?,
            anchors,
            failing,
        })
    }

    /// Makes them known.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.unanchored.clone()))?;
        registry.register(Box::new(self.since.clone()))?;
        registry.register(Box::new(self.overdue.clone()))?;
        registry.register(Box::new(self.size.clone()))?;
        registry.register(Box::new(self.at.clone()))?;
        registry.register(Box::new(self.anchors.clone()))?;
        registry.register(Box::new(self.failing.clone()))
    }

    /// Shows them.
    pub fn show(&self, gauges: &AnchorGauges) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let seconds = |at: Option<Timestamp>| at.map_or(0.0, |at| at.unix_millis() as f64 / 1000.0);
        self.unanchored.set(whole(gauges.unanchored));
        self.since.set(seconds(gauges.unanchored_since));
        self.overdue.set(i64::from(gauges.overdue));
        self.size.set(whole(gauges.checkpoint.map_or(0, |(size, _)| size)));
        self.at.set(seconds(gauges.checkpoint.map(|(_, at)| at)));
        for verdict in AnchorVerdict::ALL {
            let count = gauges.anchors.iter().find(|(name, _)| name == verdict.as_str()).map_or(0, |(_, count)| *count);
            self.anchors.with_label_values(&[verdict.as_str()]).set(whole(count));
        }
        for place in PLACES {
            self.failing.with_label_values(&[place]).set(i64::from(gauges.failing.iter().any(|name| name == place)));
        }
    }
}
