//! Verifies the ledger every six hours, from where the last verification of this process ended: what was verified is vouched
//! for by the peaks of its tree, which are kept in memory alone. `audit.verify` and every start look at all of it.

use std::io;
use std::sync::Arc;

use countersign_shared::error::ErrorKind;
use tokio::sync::watch;

use super::deadline::Alarm;
use crate::service::{Service, audit};

/// From one verification to the next.
const EVERY_MILLIS: i64 = 6 * 3_600_000;

/// Runs until `stop` turns true.
pub async fn run(service: Arc<Service>, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let alarm = Alarm::new(service.line.clone())?;
    loop {
        // Damage that was found is final, and shown already.
        let next = service.health.damage().is_none().then(|| service.line.tick() + EVERY_MILLIS);
        tokio::select! {
            slept = alarm.until(next) => slept?,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        match audit::verify_on_schedule(&service).await {
            Ok(verified) if verified.intact => tracing::info!(records = verified.records, "the ledger is verified"),
            // The alarm was raised.
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::ReadOnly => {}
            Err(error) => tracing::error!("the ledger could not be verified, tried again in six hours: {error}"),
        }
    }
}
