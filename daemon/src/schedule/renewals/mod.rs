//! Asks for renewals when they are due, as a caller would: through the same submission, the same gate and the same
//! issuers, under the daemon's own name. Nothing here decides on a request or signs.
//!
//! When a renewal is due stands in `expiry_watch.renew_at`; what to do about it then is said by
//! [`renewal`](crate::alerts::renewal::renewal) alone. Whatever it says, the row is planned anew in the same transaction:
//! for a moment, or for none until something happens. So nothing is asked twice, and nothing spins.

mod prepare;
mod step;
mod sweep;

use std::io;
use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use rusqlite::Connection;
use tokio::sync::{Notify, watch};

use super::deadline::Alarm;
use crate::alerts::{kept, rows};
use crate::clock::TimeLine;
use crate::made_key::Keys;
use crate::service::{Facts, PolicyInForce};
use crate::store::{Readers, Writer};
use prepare::prepare;

/// Renewals that one transaction asks for: decisions of people slip in between.
const BATCH: u32 = 16;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 5_000;
/// Renewals are due by the wall clock, which can be set while this sleeps by the time line: nothing is late by more.
const LONGEST_SLEEP_MILLIS: i64 = 15 * 60_000;

/// See the module.
#[derive(Clone)]
pub struct Renewals {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// Rules.
    pub policy: PolicyInForce,
    /// Time.
    pub line: TimeLine,
    /// What is fixed for the process.
    pub facts: Facts,
    /// Keys that were made for renewals.
    pub keys: Keys,
    /// A renewal was planned anew, or a key may not be needed any more.
    pub planned: Arc<Notify>,
}

impl Renewals {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        loop {
            let next = match self.look(&stop).await {
                Ok(next) => next,
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("renewals could not be looked at, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                () = self.planned.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Asks for everything that is due, batch by batch; returns the tick at which to look again.
    async fn look(&self, stop: &watch::Receiver<bool>) -> Result<Option<i64>, ApiError> {
        loop {
            if *stop.borrow() {
                return Ok(None);
            }
            let line = self.line.clone();
            let due =
                move |connection: &Connection| Ok(rows::to_renew(connection, kept::now(connection, &line)?, BATCH)?);
            let due = self.readers.read(due).await?;
            if due.is_empty() {
                break;
            }
            let prepared = prepare(self, due).await?;
            let this = self.clone();
            let asked = self.writer.write(move |transaction| step::batch(&this, transaction, &prepared)).await?;
            if asked > 0 {
                tracing::info!(asked, "renewals were asked for");
            }
        }
        self.forget_keys().await?;
        let line = self.line.clone();
        let wait = move |connection: &Connection| {
            let now = kept::now(connection, &line)?.unix_millis();
            let next = rows::next_renewal(connection)?;
            Ok(next.map_or(LONGEST_SLEEP_MILLIS, |next| next.unix_millis().saturating_sub(now)))
        };
        let wait = self.readers.read(wait).await?.clamp(1, LONGEST_SLEEP_MILLIS);
        Ok(Some(self.line.tick().saturating_add(wait)))
    }
}
