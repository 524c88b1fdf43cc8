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
    async fn all_that_are_over_end_once_and_one_that_cannot_is_in_nobodys_way() {
        const MANY: i64 = BATCH as i64 + 10;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("countersign.db");
        let mut connection = Connection::open_with_flags(&path, writer_flags()).unwrap();
        apply_to_writer(&connection).unwrap();
        migrate(&mut connection, newest()).unwrap();
        let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
        let now = line.tick();
        let later = now + 3_600_000;
        // Records of grants are not what this is about: none are there.
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let insert = |row: i64, id: &str, until: i64| {
            let sql = "INSERT INTO delegations (row, id, giver_uid, giver_account, giver_person, to_person, reason,
                           reason_salt, created_at, until_at, until_tick, seq)
                       VALUES (?1, ?2, 2, 'bob', 'bob', 'erin', '', x'', ?3, ?3, ?4, 1000000 + ?1)";
            connection.execute(sql, rusqlite::params![row, id, "2026-01-01T00:00:00Z", until]).unwrap();
        };
        (1..=MANY).for_each(|row| insert(row, &format!("dg-{row}"), now - row));
        insert(MANY + 1, "not an id", now - 1);
        insert(MANY + 2, "dg-later", later);
        let health = Health::default();
        let (writer, _) = Writer::start(connection, Tail::default(), line.clone(), health.clone(), |_| {}).unwrap();
        let readers = Readers::open(&path, health).unwrap();
        let task = Delegations { writer, readers: readers.clone(), line, granted: Arc::new(Notify::new()) };
        let mut aside = BTreeSet::new();
        assert_eq!(task.end_overdue(&mut aside).await.unwrap(), Some(later));
        assert_eq!(aside, BTreeSet::from([MANY + 1]));
        assert_eq!(task.end_overdue(&mut aside).await.unwrap(), Some(later));
        let ended = readers.read(|connection| {
            let sql = "SELECT count(*) FROM delegations d JOIN audit_events a ON a.seq = d.ended_seq
                       WHERE d.ended_by = 'system-reaper' AND a.resource_id = d.id AND a.actor = 'system-reaper'
                         AND a.action = 'delegation_ended' AND a.details ->> '$.why' = 'expired'";
            let records = connection.query_row("SELECT count(*) FROM audit_events", [], |row| row.get::<_, i64>(0))?;
            Ok((connection.query_row(sql, [], |row| row.get::<_, i64>(0))?, records))
        });
        assert_eq!(ended.await.unwrap(), (MANY, MANY));
    }
}
