//! `outbox`: claim and complete. A message is claimed in one transaction, sent outside of any, and completed in another;
//! after a crash in between it is sent again, under the same id.

use rusqlite::{Connection, OptionalExtension, params};

use super::backoff::{Refusal, Retry, retry};
use crate::policy::Channel;
use crate::store::rows::notifications;

/// A message that is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The notification: by it the other side recognises a repeat.
    pub notification_id: i64,
    /// What it tells of.
    pub resource_id: String,
    /// Attempts that failed.
    pub attempts: u32,
}

pub(super) const CLAIM: &str = "UPDATE outbox SET claimed_tick = ?2 WHERE notification_id IN (
         SELECT notification_id FROM outbox INDEXED BY outbox_due
         WHERE channel = ?1 AND claimed_tick IS NULL AND next_tick <= ?2 ORDER BY next_tick LIMIT ?3)
     RETURNING notification_id, resource_id, attempts";
pub(super) const NEXT: &str = "SELECT next_tick FROM outbox INDEXED BY outbox_due
     WHERE channel = ?1 AND claimed_tick IS NULL ORDER BY next_tick LIMIT 1";

/// Claims what one channel is to send at `tick`.
pub fn claim(connection: &Connection, channel: Channel, tick: i64, limit: u32) -> rusqlite::Result<Vec<Claimed>> {
    let mut statement = connection.prepare_cached(CLAIM)?;
    let rows = statement.query_map(params![channel.as_str(), tick, limit], |row| {
        Ok(Claimed { notification_id: row.get(0)?, resource_id: row.get(1)?, attempts: row.get(2)? })
    })?;
    rows.collect()
}

/// When a channel has something to send next.
pub fn next_tick(connection: &Connection, channel: Channel) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(NEXT)?.query_row([channel.as_str()], |row| row.get(0)).optional()
}

/// At a start nothing is under way: what was claimed before the crash is sent again.
pub fn release(connection: &Connection) -> rusqlite::Result<usize> {
    connection.prepare_cached("UPDATE outbox SET claimed_tick = NULL WHERE claimed_tick IS NOT NULL")?.execute([])
}

/// The other side accepted it; `seq` is the record of that. It counts also where it was taken back meanwhile. False where
/// that is known already.
pub fn sent(connection: &Connection, claimed: &Claimed, seq: u64) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE notification_events SET state = 'sent', detail = '', seq = ?2
             WHERE id = ?1 AND (state = 'queued' OR state = 'failed' OR state = 'skipped')",
        )?
        .execute(params![claimed.notification_id, seq])?;
    Ok(changed == 1)
}

/// The attempt failed, as `detail` says, which is safe to show. Gives what follows; none where it had been taken back.
pub fn failed(
    connection: &Connection,
    claimed: &Claimed,
    (refusal, detail): (Refusal, &str),
    tick: i64,
    random: u32,
    seq: u64,
) -> rusqlite::Result<Option<Retry>> {
    let failures = claimed.attempts.saturating_add(1);
    let next = retry(failures, refusal, random);
    let state = if next == Retry::Dead { "dead" } else { "failed" };
    let changed = connection
        .prepare_cached(
            "UPDATE notification_events SET state = ?2, detail = ?3, seq = ?4
             WHERE id = ?1 AND (state = 'queued' OR state = 'failed')",
        )?
        .execute(params![claimed.notification_id, state, detail, seq])?;
    if changed == 0 {
        return Ok(None);
    }
    if let Retry::After(span) = next {
        let at = tick.saturating_add(i64::try_from(span.millis()).unwrap_or(i64::MAX));
        let changed = connection
            .prepare_cached(
                "UPDATE outbox SET attempts = ?2, next_tick = ?3, claimed_tick = NULL WHERE notification_id = ?1",
            )?
            .execute(params![claimed.notification_id, failures, at])?;
        if changed != 1 {
            return Err(rusqlite::Error::StatementChangedRows(changed));
        }
    }
    Ok(Some(next))
}

/// Queues a dead message again, by hand. False where it is not dead.
pub fn requeue(connection: &Connection, notification_id: i64, tick: i64) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached("UPDATE notification_events SET state = 'queued' WHERE id = ?1 AND state = 'dead'")?
        .execute([notification_id])?;
    if changed == 0 {
        return Ok(false);
    }
    notifications::post(connection, notification_id, tick)?;
    Ok(true)
}
