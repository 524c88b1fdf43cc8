//! `notification_events`, `messages` and the way into `outbox`: written in the transaction that causes them.

use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{json, parsed};
use crate::alerts::backoff::MAX_ATTEMPTS;
use crate::policy::{Channel, Severity};
use crate::tell::Notice;

/// The kind of an alert that somebody tries: one attempt, whatever comes of it.
pub const TEST: &str = "expiration_alert_test";
/// The kind of the message that closes what earlier alerts opened elsewhere.
pub const RENEWED: &str = "certificate_renewed";
/// The same, where nothing took the place of the certificate: it was revoked, retired, or is found no more.
pub const DEALT_WITH: &str = "certificate_dealt_with";
/// The kind of the message that carries a checkpoint of the ledger: at its time, and by itself.
pub const CHECKPOINT: &str = "checkpoint";
/// The kind of the message that the ledger is anchored again as the policy asks.
pub const LEDGER_ANCHORED: &str = "ledger_anchored";

/// What people are to be told, on one channel.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    /// The action of the record that causes it, or `expiration_alert`, `expiration_alert_test`, `certificate_renewed`,
    /// `certificate_dealt_with`, `checkpoint`, `ledger_anchored`.
    pub kind: &'a str,
    /// The object that it is about.
    pub resource_id: &'a str,
    /// How urgent it is.
    pub severity: Severity,
    /// JSON: what its kind needs and no other table has; `{}` where that is nothing.
    pub params: &'a str,
    /// The record that causes it.
    pub seq: u64,
}

/// Queues a message on one channel, to be sent from `tick` on. Gives the notification's id, by which the other side
/// recognises a repeat.
pub fn queue(
    connection: &Connection,
    message: &NewMessage<'_>,
    channel: Channel,
    (at, tick): (Timestamp, i64),
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO notification_events (created_at, kind, resource_id, channel, state, detail, seq)
             VALUES (?1, ?2, ?3, ?4, 'queued', '', ?5)",
        )?
        .execute(params![at.to_string(), message.kind, message.resource_id, channel.as_str(), message.seq])?;
    let id = connection.last_insert_rowid();
    connection
        .prepare_cached("INSERT INTO messages (notification_id, channel, severity, params) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, channel.as_str(), message.severity.as_str(), message.params])?;
    post(connection, id, tick)?;
    Ok(id)
}

/// Puts a queued notification into the outbox, with no attempt made; a [`TEST`] as if one were left.
pub fn post(connection: &Connection, id: i64, tick: i64) -> rusqlite::Result<()> {
    let posted = connection
        .prepare_cached(
            "INSERT INTO outbox (notification_id, channel, resource_id, severity, remaining, attempts, next_tick)
             SELECT n.id, n.channel, n.resource_id, m.severity, m.remaining, CASE n.kind WHEN ?3 THEN ?4 ELSE 0 END, ?2
             FROM notification_events n JOIN messages m ON m.notification_id = n.id WHERE n.id = ?1",
        )?
        .execute(params![id, tick, TEST, MAX_ATTEMPTS - 1])?;
    if posted == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(posted)) }
}

/// Whether it goes out at once and alone, however its channel is paced: what is tried, and checkpoints.
pub fn is_apart(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT kind IN (?2, ?3) FROM notification_events WHERE id = ?1")?
        .query_row(params![id, TEST, CHECKPOINT], |row| row.get(0))
}

/// Whether it is a [`TEST`].
pub fn is_trial(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT kind = ?2 FROM notification_events WHERE id = ?1")?
        .query_row(params![id, TEST], |row| row.get(0))
}

/// Notes that nobody is told, and why.
pub fn skip(
    connection: &Connection,
    (kind, resource_id): (&str, &str),
    why: &str,
    at: Timestamp,
    seq: u64,
) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO notification_events (created_at, kind, resource_id, channel, state, detail, seq)
             VALUES (?1, ?2, ?3, NULL, 'skipped', ?4, ?5)",
        )?
        .execute(params![at.to_string(), kind, resource_id, why, seq])?;
    Ok(connection.last_insert_rowid())
}

/// The size of the newest checkpoint that a message about `object` carries, and when that was queued.
pub fn last_carried(connection: &Connection, object: &str) -> rusqlite::Result<Option<(u64, Timestamp)>> {
    connection
        .prepare_cached(
            "SELECT m.params ->> '$.size' AS size, n.created_at FROM notification_events n
             JOIN messages m ON m.notification_id = n.id WHERE n.resource_id = ?1 AND n.kind = ?2
             ORDER BY n.id DESC LIMIT 1",
        )?
        .query_row(params![object, CHECKPOINT], |row| Ok((row.get("size")?, parsed(row, "created_at")?)))
        .optional()
}

/// A notification that is still to be sent; none where it was sent, given up or taken back.
pub fn open_notice(connection: &Connection, id: i64) -> rusqlite::Result<Option<Notice>> {
    connection
        .prepare_cached(
            "SELECT n.id, n.kind, n.resource_id, n.channel, m.severity, n.created_at, n.seq, m.params
             FROM notification_events n JOIN messages m ON m.notification_id = n.id
             WHERE n.id = ?1 AND (n.state = 'queued' OR n.state = 'failed')",
        )?
        .query_row([id], |row| {
            Ok(Notice {
                id: row.get("id")?,
                kind: row.get("kind")?,
                resource_id: row.get("resource_id")?,
                channel: parsed(row, "channel")?,
                severity: parsed(row, "severity")?,
                created_at: parsed(row, "created_at")?,
                seq: row.get("seq")?,
                params: json(row, "params")?,
            })
        })
        .optional()
}
