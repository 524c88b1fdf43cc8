//! Expires requests that nobody decided in time: all of them, in batches that decisions slip in between.
//!
//! It also keeps the time line's place once an hour. Where nothing happens for days, nothing else writes it down;
//! after a reboot with a clock that is behind, time would come back by all of that. It is no polling: nothing is
//! looked for, and an hour is the most that a crash and a wrong clock together can give back.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::RequestEvent;
use countersign_shared::protocol::{AuditAction, Category};
use tokio::sync::{Notify, watch};

use super::aside::of_the_row;
use super::deadline::Alarm;
use crate::clock::TimeLine;
use crate::service::actor::{REAPER, system_draft};
use crate::service::conclude::{End, conclude, transition};
use crate::store::rows::{meta, requests};
use crate::store::transaction::Failure;
use crate::store::{Readers, Transaction, Writer};

/// Requests that one transaction expires.
const BATCH: u32 = 64;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 5_000;
/// How often the time line's place is kept.
const KEEP_MILLIS: i64 = 3_600_000;

/// See the module.
pub struct Reaper {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// Time.
    pub line: TimeLine,
    /// A request was made whose deadline may be nearer than the one slept for.
    pub earlier: Arc<Notify>,
}

impl Reaper {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        let mut aside = BTreeSet::new();
        let mut keep_at = self.line.tick() + KEEP_MILLIS;
        loop {
            let next = match self.expire_overdue(&mut aside).await {
                Ok(next) => Some(self.keep_tick(&mut keep_at).await.min(next.unwrap_or(i64::MAX))),
                // Damage is final: reads go on, nothing is expired, nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("requests could not be expired, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                () = self.earlier.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Keeps the place where it is time to; returns when it will be time again.
    async fn keep_tick(&self, at: &mut i64) -> i64 {
        if self.line.tick() >= *at {
            let kept =
                self.writer.write(|transaction| Ok(meta::keep_tick(transaction.connection(), transaction.tick())?));
            if let Err(error) = kept.await {
                tracing::warn!("the place of the time line could not be kept, tried again in an hour: {error}");
            }
            *at = self.line.tick() + KEEP_MILLIS;
        }
        *at
    }

    /// Expires all that is overdue and can be expired; returns the next deadline.
    async fn expire_overdue(&self, aside: &mut BTreeSet<i64>) -> Result<Option<i64>, ApiError> {
        loop {
            let known = aside.clone();
            let next = self.readers.read(move |connection| Ok(requests::next_deadline(connection, &known)?)).await?;
            if next.is_none_or(|deadline| deadline > self.line.tick()) {
                return Ok(next);
            }
            let known = aside.clone();
            let batch = self.writer.write(move |transaction| expire_batch(transaction, &known)).await?;
            tracing::info!(expired = batch.expired, "requests expired");
            for (row, why) in batch.aside {
                tracing::error!(row, "a request cannot be expired and is set aside until the next start: {why}");
                aside.insert(row);
            }
        }
    }
}

/// What became of a batch.
struct Batch {
    expired: usize,
    /// Rows that are as they were, and why.
    aside: Vec<(i64, String)>,
}

fn expire_batch(transaction: &mut Transaction<'_>, known: &BTreeSet<i64>) -> Result<Batch, Failure> {
    let mut batch = Batch { expired: 0, aside: Vec::new() };
    for row in requests::overdue(transaction.connection(), transaction.tick(), known, BATCH)? {
        match transaction.attempt(|inner| expire(inner, row)) {
            Ok(()) => batch.expired += 1,
            Err(failure) if of_the_row(&failure) => batch.aside.push((row, format!("{failure:?}"))),
            Err(failure) => return Err(failure),
        }
    }
    Ok(batch)
}

fn expire(transaction: &mut Transaction<'_>, row: i64) -> Result<(), Failure> {
    let request = requests::by_row(transaction.connection(), row)?;
    let event = RequestEvent::Expire;
    transition(&request, event)?;
    let draft = system_draft(REAPER, AuditAction::ApprovalExpired, Category::CertLifecycle, "request", &request.id)
        .number("version", request.version)
        .text("digest", request.digest)
        .text("profile", &request.profile_id)
        .text_if("job", request.work.as_ref().map(|work| &work.job_id))
        .number("deadline_tick", request.deadline_tick);
    let recorded = transaction.record(draft)?;
    let end = End { event, by: REAPER, why: "approval expired", action: AuditAction::ApprovalExpired };
    conclude(transaction, &request, &end, recorded).map(drop)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::clock::SystemClock;
    use crate::ledger::Tail;
    use crate::store::Health;
    use crate::store::migrations::{migrate, newest};
    use crate::store::settings::{apply_to_writer, writer_flags};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_place_is_kept_when_it_is_time_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("countersign.db");
        let mut connection = Connection::open_with_flags(&path, writer_flags()).unwrap();
        apply_to_writer(&connection).unwrap();
        migrate(&mut connection, newest()).unwrap();
        let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
        let (health, begin) = (Health::default(), line.tick());
        let (writer, _) = Writer::start(connection, Tail::default(), line.clone(), health.clone(), |_| {}).unwrap();
        let readers = Readers::open(&path, health).unwrap();
        let reaper = Reaper { writer, readers: readers.clone(), line, earlier: Arc::new(Notify::new()) };
        let kept = || readers.read(|connection| Ok(meta::last_tick(connection)?));

        let (later, mut at) = (begin + KEEP_MILLIS, begin + KEEP_MILLIS);
        assert_eq!((reaper.keep_tick(&mut at).await, kept().await.unwrap()), (later, 0));
        at = begin;
        assert!(reaper.keep_tick(&mut at).await >= later);
        assert!(kept().await.unwrap() >= begin);
    }
}
