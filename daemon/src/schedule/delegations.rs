//! Gives back says that were handed over, when their time is over. Whether it does or not, nobody uses them any more:
//! each use looks at the time line itself. This puts the end on record.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category};
use tokio::sync::{Notify, watch};

use super::aside::of_the_row;
use super::deadline::Alarm;
use crate::clock::TimeLine;
use crate::service::actor::{REAPER, system_draft};
use crate::service::delegations::end;
use crate::store::rows::delegations;
use crate::store::transaction::Failure;
use crate::store::{Readers, Transaction, Writer};

/// Delegations that one transaction ends.
const BATCH: u32 = 64;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 5_000;

/// See the module.
pub struct Delegations {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// Time.
    pub line: TimeLine,
    /// A say was handed over, whose time may be over sooner than the one slept for.
    pub granted: Arc<Notify>,
}

impl Delegations {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        let mut aside = BTreeSet::new();
        loop {
            let next = match self.end_overdue(&mut aside).await {
                Ok(next) => next,
                // Damage is final: nothing is written any more, and nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("delegations could not be ended, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                () = self.granted.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Ends all that are over and can be ended; returns when the next one is.
    async fn end_overdue(&self, aside: &mut BTreeSet<i64>) -> Result<Option<i64>, ApiError> {
        loop {
            let known = aside.clone();
            let next = self.readers.read(move |connection| Ok(delegations::next_due(connection, &known)?)).await?;
            if next.is_none_or(|due| due > self.line.tick()) {
                return Ok(next);
            }
            let known = aside.clone();
            for (row, why) in self.writer.write(move |transaction| end_batch(transaction, &known)).await? {
                tracing::error!(row, "a delegation cannot be ended and is set aside until the next start: {why}");
                aside.insert(row);
            }
        }
    }
}

/// Returns the rows that are as they were, and why.
fn end_batch(transaction: &mut Transaction<'_>, known: &BTreeSet<i64>) -> Result<Vec<(i64, String)>, Failure> {
    let mut aside = Vec::new();
    for row in delegations::due(transaction.connection(), transaction.tick(), known, BATCH)? {
        match transaction.attempt(|inner| end_one(inner, row)) {
            Ok(()) => {}
            Err(failure) if of_the_row(&failure) => aside.push((row, format!("{failure:?}"))),
            Err(failure) => return Err(failure),
        }
    }
    Ok(aside)
}

fn end_one(transaction: &mut Transaction<'_>, row: i64) -> Result<(), Failure> {
    let row = delegations::by_row(transaction.connection(), row)?;
    let draft = system_draft(REAPER, AuditAction::DelegationEnded, Category::Auth, "delegation", row.id());
    end(transaction, &row, draft.number("until_tick", row.until_tick), REAPER, "expired")
}
