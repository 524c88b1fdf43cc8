//! `outbox`: claim and complete. A message is claimed in one transaction, sent outside of any, and completed in another;
//! after a crash in between it is sent again, under the same id.

use countersign_shared::time::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::backoff::{Refusal, Retry, retry};
use super::pass::State;
use crate::policy::{Channel, Severity};
use crate::store::rows::{notifications, parsed};

/// A message that is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The notification: by it the other side recognises a repeat.
    pub notification_id: i64,
    /// What it tells of.
    pub resource_id: String,
    /// How urgent it is.
    pub severity: Severity,
    /// Attempts that failed.
    pub attempts: u32,
    /// JSON: the recipients whom the attempts before did not reach; all where there is none.
    pub remaining: Option<String>,
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed<'a> {
    /// Whether it may be accepted later.
    pub refusal: Refusal,
    /// Why, safe to show.
    pub why: &'a str,
    /// How long the other side asks to be left alone.
    pub at_least: Span,
    /// The recipients for the next attempt, where some were reached: as [`Claimed::remaining`].
    pub remaining: Option<&'a str>,
    /// What spreads attempts that failed together.
    pub random: u32,
}

const MOST_URGENT_FIRST: [Severity; 3] = [Severity::Critical, Severity::Warning, Severity::Informational];

pub(super) const CLAIM: &str = "UPDATE outbox SET claimed_tick = ?2 WHERE notification_id IN (
         SELECT notification_id FROM outbox INDEXED BY outbox_due
         WHERE channel = ?1 AND severity = ?4 AND claimed_tick IS NULL AND next_tick <= ?2 ORDER BY next_tick LIMIT ?3)
     RETURNING notification_id, resource_id, attempts, remaining";
pub(super) const NEXT: &str = "SELECT next_tick FROM outbox INDEXED BY outbox_due
     WHERE channel = ?1 AND severity = ?2 AND claimed_tick IS NULL ORDER BY next_tick LIMIT 1";

/// Claims what one channel is to send at `tick`: what is most urgent first, and of that what waits longest. What is due is
/// finite, so that nothing waits for ever.
pub fn claim(connection: &Connection, channel: Channel, tick: i64, limit: u32) -> rusqlite::Result<Vec<Claimed>> {
    let mut claimed = Vec::new();
    for severity in MOST_URGENT_FIRST {
        let room = limit.saturating_sub(u32::try_from(claimed.len()).unwrap_or(u32::MAX));
        if room == 0 {
            break;
        }
        let mut statement = connection.prepare_cached(CLAIM)?;
        let rows = statement.query_map(params![channel.as_str(), tick, room, severity.as_str()], |row| {
            Ok(Claimed {
                notification_id: row.get("notification_id")?,
                resource_id: row.get("resource_id")?,
                severity,
                attempts: row.get("attempts")?,
                remaining: row.get("remaining")?,
            })
        })?;
        for row in rows {
            claimed.push(row?);
        }
    }
    Ok(claimed)
}

/// When a channel has something to send next.
pub fn next_tick(connection: &Connection, channel: Channel) -> rusqlite::Result<Option<i64>> {
    let mut next = None;
    for severity in MOST_URGENT_FIRST {
        let params = params![channel.as_str(), severity.as_str()];
        let of = connection.prepare_cached(NEXT)?.query_row(params, |row| row.get::<_, i64>(0)).optional()?;
        next = [next, of].into_iter().flatten().min();
    }
    Ok(next)
}

/// At a start nothing is under way: what was claimed before the crash is sent again.
pub fn release(connection: &Connection) -> rusqlite::Result<usize> {
    connection.prepare_cached("UPDATE outbox SET claimed_tick = NULL WHERE claimed_tick IS NOT NULL")?.execute([])
}

/// Puts a claimed message off until `tick`; no attempt was made.
pub fn put_off(connection: &Connection, claimed: &Claimed, tick: i64) -> rusqlite::Result<()> {
    let changed = connection
        .prepare_cached("UPDATE outbox SET next_tick = ?2, claimed_tick = NULL WHERE notification_id = ?1")?
        .execute(params![claimed.notification_id, tick])?;
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Those that were put off before any attempt was made.
const HELD: &str = "channel = ?1 AND claimed_tick IS NULL AND attempts = 0 AND next_tick > ?2";

/// Whether messages of a channel wait that no attempt was made for.
pub fn holds(connection: &Connection, channel: Channel, tick: i64) -> rusqlite::Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM outbox WHERE {HELD})");
    connection.prepare_cached(&sql)?.query_row(params![channel.as_str(), tick], |row| row.get(0))
}

/// Has at most `limit` of them claimed at `tick`; returns how many.
pub fn hold_no_more(connection: &Connection, channel: Channel, tick: i64, limit: usize) -> rusqlite::Result<usize> {
    let sql = format!(
        "UPDATE outbox SET next_tick = ?2
         WHERE notification_id IN (SELECT notification_id FROM outbox WHERE {HELD} LIMIT ?3)"
    );
    connection.prepare_cached(&sql)?.execute(params![channel.as_str(), tick, limit])
}

/// What has become of a notification.
pub fn state(connection: &Connection, notification_id: i64) -> rusqlite::Result<State> {
    connection
        .prepare_cached("SELECT state FROM notification_events WHERE id = ?1")?
        .query_row([notification_id], |row| parsed(row, "state"))
}

/// The other side accepted it; `seq` is the record of that, where there is one. It counts also where it was taken back
/// meanwhile. False where that is known already.
pub fn sent(connection: &Connection, claimed: &Claimed, now: Timestamp, seq: Option<u64>) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE notification_events SET state = 'sent', detail = '', seq = coalesce(?2, seq)
             WHERE id = ?1 AND (state = 'queued' OR state = 'failed' OR state = 'skipped')",
        )?
        .execute(params![claimed.notification_id, seq])?;
    if changed == 1 {
        connection
            .prepare_cached("UPDATE messages SET accepted_at = ?2 WHERE notification_id = ?1")?
            .execute(params![claimed.notification_id, now.to_string()])?;
    }
    Ok(changed == 1)
}

/// It has nothing to say any more, or nobody to say it to: `why`, safe to show. False where it had been taken back.
pub fn skipped(connection: &Connection, claimed: &Claimed, why: &str) -> rusqlite::Result<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE notification_events SET state = 'skipped', detail = ?2
             WHERE id = ?1 AND (state = 'queued' OR state = 'failed')",
        )?
        .execute(params![claimed.notification_id, why])?;
    Ok(changed == 1)
}

/// The attempt failed; `seq` is the record of that, where there is one. Gives what follows; none where it had been taken
/// back.
pub fn failed(
    connection: &Connection,
    claimed: &Claimed,
    failed: Failed<'_>,
    tick: i64,
    seq: Option<u64>,
) -> rusqlite::Result<Option<Retry>> {
    let failures = claimed.attempts.saturating_add(1);
    let next = retry(failures, failed.refusal, failed.random);
    let state = if next == Retry::Dead { State::Dead } else { State::Failed };
    if next == Retry::Dead {
        // Whoever has it does not get it again when it is queued again.
        connection
            .prepare_cached(
                "UPDATE messages SET remaining = coalesce(?2, (SELECT remaining FROM outbox WHERE notification_id = ?1))
                 WHERE notification_id = ?1 AND accepted_at IS NULL",
            )?
            .execute(params![claimed.notification_id, failed.remaining])?;
    }
    let changed = connection
        .prepare_cached(
            "UPDATE notification_events SET state = ?2, detail = ?3, seq = coalesce(?4, seq)
             WHERE id = ?1 AND (state = 'queued' OR state = 'failed')",
        )?
        .execute(params![claimed.notification_id, state.as_str(), failed.why, seq])?;
    if changed == 0 {
        return Ok(None);
    }
    let Retry::After(span) = next else { return Ok(Some(next)) };
    let span = span.max(failed.at_least);
    let at = tick.saturating_add(i64::try_from(span.millis()).unwrap_or(i64::MAX));
    let changed = connection
        .prepare_cached(
            "UPDATE outbox SET attempts = ?2, next_tick = ?3, claimed_tick = NULL, remaining = coalesce(?4, remaining)
             WHERE notification_id = ?1",
        )?
        .execute(params![claimed.notification_id, failures, at, failed.remaining])?;
    if changed != 1 {
        return Err(rusqlite::Error::StatementChangedRows(changed));
    }
    Ok(Some(Retry::After(span)))
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
