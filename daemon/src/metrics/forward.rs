//! Forwarding of ledger records.

use countersign_shared::protocol::ForwardStatus;
use prometheus::{IntGauge, Registry};

/// See the module.
pub struct Forward {
    forwarded: IntGauge,
    behind: IntGauge,
    failing: IntGauge,
    failures: IntGauge,
    shortened: IntGauge,
}

impl Forward {
    /// All at zero.
    pub fn new() -> prometheus::Result<Self> {
        Ok(Self {
            forwarded: IntGauge::new(
                "countersign_forward_rows",
                "Ledger records that are forwarded and durable there.",
            )?,
            behind: IntGauge::new("countersign_forward_behind_rows", "Ledger records that are to be forwarded still.")?,
            failing: IntGauge::new("countersign_forward_failing", "1 where the last attempt to forward failed.")?,
            failures: IntGauge::new(
                "countersign_forward_failures",
                "Attempts to forward that failed since the start.",
            )?,
            shortened: IntGauge::new(
                "countersign_forward_file_shortened",
                "How often somebody else cut the file of forwarded records short since the start.",
            )?,
        })
    }

    /// Makes them part of what is shown.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        for gauge in [&self.forwarded, &self.behind, &self.failing, &self.failures, &self.shortened] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(())
    }

    /// As it is now.
    pub fn show(&self, status: Option<&ForwardStatus>) {
        let Some(status) = status else { return };
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.forwarded.set(whole(status.forwarded));
        self.behind.set(whole(status.behind));
        self.failing.set(i64::from(status.failing_since.is_some()));
        self.failures.set(whole(status.failures));
        self.shortened.set(whole(status.shortened));
    }
}
