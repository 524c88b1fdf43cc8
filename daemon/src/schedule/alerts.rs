//! Raises alerts of certificates that end: looks at what is due, in batches that decisions slip in between, and sleeps
//! until something else is. What it raises is sent by others; see [`sender`](super::sender).

use std::io;
use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category};
use countersign_shared::text::Untrusted;
use rusqlite::Connection;
use tokio::sync::{Notify, watch};

use super::aside::of_the_row;
use super::deadline::Alarm;
use crate::alerts::plan::Target;
use crate::alerts::rows::{self, Watched};
use crate::alerts::step::{Care, Desk, Moment, Step, step};
use crate::alerts::{Alert, Plans, kept, reckoning};
use crate::clock::TimeLine;
use crate::ledger::Draft;
use crate::service::PolicyInForce;
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction, Writer};

/// Certificates that one transaction looks at.
const BATCH: u32 = 256;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 5_000;
/// How often the clocks are compared where a certificate is watched: a wall clock that is set moves no alarm, and what
/// it says from then on counts after as long again.
const LOOK_MILLIS: i64 = reckoning::AHEAD_SETTLES;

/// See the module.
pub struct Watch {
    /// Changes.
    pub writer: Writer,
    /// Who is told when.
    pub policy: PolicyInForce,
    /// Time.
    pub line: TimeLine,
    /// There is something to watch that nobody has looked at.
    pub watched: Arc<Notify>,
    /// Told when certificates were looked at: their renewals may have been planned anew.
    pub planned: Arc<Notify>,
}

/// What one batch leaves to be known.
struct Batch {
    step: Step,
    /// When to go on, on the time line.
    next: Option<i64>,
}

impl Watch {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        let mut changes = self.policy.watch();
        loop {
            let next = match self.pass().await {
                Ok(next) => next,
                // Damage is final: reads go on, nothing is decided, nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("certificates that end could not be looked at, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                () = self.watched.notified() => {}
                Ok(()) = changes.changed() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Looks at everything that is due; returns when something else is.
    async fn pass(&self) -> Result<Option<i64>, ApiError> {
        loop {
            let done = match self.batch(Care::Together).await {
                Ok(done) => done,
                Err(error) if error.kind == ErrorKind::ReadOnly => return Err(error),
                // One certificate at a time, so that what fails because of one is in the way of no other.
                Err(_) => self.batch(Care::Apart).await?,
            };
            for (certificate, why) in &done.step.aside {
                tracing::error!("{certificate} cannot be watched, it is looked at again in an hour: {why}");
            }
            if done.step.looked == 0 {
                return Ok(done.next);
            }
            self.planned.notify_one();
        }
    }

    async fn batch(&self, care: Care) -> Result<Batch, ApiError> {
        let (policy, line) = (self.policy.clone(), self.line.mark().offset);
        self.writer.write(move |transaction| batch(transaction, &policy, line, care)).await
    }
}

fn batch(transaction: &mut Transaction<'_>, policy: &PolicyInForce, line: i64, care: Care) -> Result<Batch, Failure> {
    let policy = transaction.rules(policy);
    let plans = Plans::of(&policy);
    let clocks = (transaction.now().unix_millis(), transaction.tick(), line);
    let (reading, epoch) = kept::read_clocks(transaction.connection(), clocks, policy.sha256())?;
    let at = Moment { now: reading.now, tick: transaction.tick(), epoch };
    let step = step(transaction, at, |profile| plans.rules(profile), (BATCH, care))?;
    for channel in &step.channels {
        transaction.after_commit(Effect::Queued(*channel));
    }
    for ((channel, stage), count) in &step.deduped {
        transaction.after_commit(Effect::Deduped { channel: *channel, stage: *stage, count: *count });
    }
    let due = rows::next_due(transaction.connection())?;
    let next = due.map(|due| {
        let due = due.unix_millis().saturating_sub(reading.kept.offset);
        due.min(transaction.tick().saturating_add(LOOK_MILLIS))
    });
    Ok(Batch { step, next: [next, reading.settles_at].into_iter().flatten().min() })
}

impl Desk for Transaction<'_> {
    type Error = Failure;

    fn connection(&self) -> &Connection {
        Transaction::connection(self)
    }

    fn skipped(&mut self, watched: &Watched, alert: &Alert) -> Result<u64, Failure> {
        let (action, name) = match &alert.target {
            Target::Unknown(name) => (AuditAction::ExpirationAlertSkippedInvalidChannel, Some(plain(name))),
            Target::Nobody => (AuditAction::ExpirationAlertSkippedNoChannels, None),
            Target::Channel(_) => return Err(ApiError::internal("an alert on a channel is not skipped").into()),
        };
        let draft = about(action, &watched.certificate_id)
            .text_if("channel", name)
            .number("threshold", alert.stage.days())
            .text("severity", alert.severity.as_str())
            .number("version", i64::try_from(watched.version).unwrap_or(i64::MAX));
        Ok(self.record(draft)?.seq)
    }

    fn apart<T>(&mut self, steps: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<Result<T, String>, Failure> {
        match self.attempt(steps) {
            Ok(done) => Ok(Ok(done)),
            Err(failure) if of_the_row(&failure) => Ok(Err(format!("{failure:?}"))),
            Err(failure) => Err(failure),
        }
    }
}

/// A record about the alerts of a certificate.
pub(super) fn about(action: AuditAction, certificate: &str) -> Draft {
    system_draft(SCHEDULER, action, Category::CertLifecycle, "certificate", certificate)
}

/// Foreign text as the ledger takes it: short, visible and in ASCII, so that no spelling of it keeps a record from being
/// made.
pub(super) fn plain(text: &Untrusted) -> String {
    /// Characters that are kept.
    const KEPT: usize = 200;
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.safe().to_string().chars().take(KEPT).map(plain).collect()
}

#[cfg(test)]
#[path = "alerts_rig.rs"]
mod rig;
#[cfg(test)]
#[path = "alerts_tests.rs"]
mod tests;
