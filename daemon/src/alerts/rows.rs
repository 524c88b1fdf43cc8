//! `expiry_watch` and `alert_events`: what is due is found by an index, in batches, and nothing else is read.

use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::pass::{Alert, Past};
use super::plan::Target;
use super::renewal::Validity;
use super::stage::Stage;
use crate::store::rows::notifications::{self, NewMessage};
use crate::store::rows::parsed;

/// The kind of these rows in `notification_events`.
pub const KIND: &str = "expiration_alert";

/// A certificate version that is looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// `mc-…`
    pub certificate_id: String,
    /// Its newest version.
    pub version: u64,
    /// When that is valid.
    pub validity: Validity,
    /// Whose renewal policy counts.
    pub profile_id: String,
    /// The record that made the version known.
    pub seq: u64,
}

/// Those whose moment has come. Two conditions of one index each, not one of both: `OR` would read everything.
pub(super) const DUE: &str =
    "SELECT w.certificate_id, w.version, w.not_before, w.not_after, w.seq, coalesce(c.profile_id, '') AS profile_id
     FROM expiry_watch w INDEXED BY expiry_watch_due LEFT JOIN certificates c ON c.id = w.certificate_id
     WHERE w.due_at <= ?1 ORDER BY w.due_at LIMIT ?2";
/// Those that were planned by another policy or another clock, new ones among them.
pub(super) const STALE: &str =
    "SELECT w.certificate_id, w.version, w.not_before, w.not_after, w.seq, coalesce(c.profile_id, '') AS profile_id
     FROM expiry_watch w INDEXED BY expiry_watch_stale LEFT JOIN certificates c ON c.id = w.certificate_id
     WHERE w.epoch < ?1 ORDER BY w.epoch LIMIT ?2";
/// Those whose renewal is due.
pub(super) const RENEW: &str =
    "SELECT w.certificate_id, w.version, w.not_before, w.not_after, w.seq, coalesce(c.profile_id, '') AS profile_id
     FROM expiry_watch w INDEXED BY expiry_watch_renew LEFT JOIN certificates c ON c.id = w.certificate_id
     WHERE w.renew_at <= ?1 ORDER BY w.renew_at LIMIT ?2";
pub(super) const NEXT: &str =
    "SELECT due_at FROM expiry_watch INDEXED BY expiry_watch_due WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1";
pub(super) const NEXT_RENEWAL: &str = "SELECT renew_at FROM expiry_watch INDEXED BY expiry_watch_renew
     WHERE renew_at IS NOT NULL ORDER BY renew_at LIMIT 1";
pub(super) const ONE: &str =
    "SELECT w.certificate_id, w.version, w.not_before, w.not_after, w.seq, coalesce(c.profile_id, '') AS profile_id
     FROM expiry_watch w LEFT JOIN certificates c ON c.id = w.certificate_id WHERE w.certificate_id = ?1";
pub(super) const PAST: &str = "SELECT a.days, a.target, a.raised_at, n.state
     FROM alert_events a CROSS JOIN notification_events n ON n.id = a.notification_id
     WHERE a.certificate_id = ?1 AND a.version = ?2 AND a.days <= ?3";
pub(super) const OPEN: &str = "SELECT a.days, a.target, a.raised_at, n.state
     FROM outbox o INDEXED BY outbox_by_resource CROSS JOIN alert_events a INDEXED BY alert_events_by_notification
         ON a.notification_id = o.notification_id
     CROSS JOIN notification_events n ON n.id = o.notification_id
     WHERE o.resource_id = ?1 AND a.version = ?2 AND a.days > ?3";

/// Those due at `now`, the earliest first.
pub fn due(connection: &Connection, now: Timestamp, limit: u32) -> rusqlite::Result<Vec<Watched>> {
    watched(connection, DUE, params![now.to_string(), limit])
}

/// Those that were planned before `epoch`.
pub fn stale(connection: &Connection, epoch: u64, limit: u32) -> rusqlite::Result<Vec<Watched>> {
    watched(connection, STALE, params![epoch, limit])
}

/// Those whose renewal is due at `now`.
pub fn to_renew(connection: &Connection, now: Timestamp, limit: u32) -> rusqlite::Result<Vec<Watched>> {
    watched(connection, RENEW, params![now.to_string(), limit])
}

/// One that is watched.
pub fn get(connection: &Connection, certificate_id: &str) -> rusqlite::Result<Option<Watched>> {
    Ok(watched(connection, ONE, params![certificate_id])?.pop())
}

/// When the next renewal is due.
pub fn next_renewal(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    connection.prepare_cached(NEXT_RENEWAL)?.query_row([], |row| parsed(row, "renew_at")).optional()
}

fn watched(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<Watched>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| {
        Ok(Watched {
            certificate_id: row.get("certificate_id")?,
            version: row.get("version")?,
            validity: Validity { not_before: parsed(row, "not_before")?, not_after: parsed(row, "not_after")? },
            profile_id: row.get("profile_id")?,
            seq: row.get("seq")?,
        })
    })?;
    rows.collect()
}

/// When the next one is due.
pub fn next_due(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    connection.prepare_cached(NEXT)?.query_row([], |row| parsed(row, "due_at")).optional()
}

/// What [`look`](super::pass::look) needs at `stage`: the alerts of this version for it and all tighter ones, and those
/// for others that are still open. Without a stage nothing is needed.
pub fn past(connection: &Connection, of: &Watched, stage: Option<Stage>) -> rusqlite::Result<Vec<Past>> {
    let Some(stage) = stage else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for sql in [PAST, OPEN] {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![of.certificate_id, of.version, stage.days()], |row| {
            Ok(Past {
                stage: Stage::new(row.get("days")?),
                target: parsed(row, "target")?,
                state: parsed(row, "state")?,
                raised_at: parsed(row, "raised_at")?,
            })
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    Ok(found)
}

/// Raises an alert: its notification, what stops it from being raised again, and what the outbox needs to send it. Gives
/// the notification's id, by which the other side recognises a repeat. `seq` is the record that says why.
pub fn raise(
    connection: &Connection,
    of: &Watched,
    alert: &Alert,
    (now, tick): (Timestamp, i64),
    seq: u64,
) -> rusqlite::Result<i64> {
    let id =
        if alert.again { again(connection, of, alert, now)? } else { first(connection, of, alert, (now, tick), seq)? };
    if alert.again {
        notifications::post(connection, id, tick)?;
    }
    Ok(id)
}

fn first(
    connection: &Connection,
    of: &Watched,
    alert: &Alert,
    (now, tick): (Timestamp, i64),
    seq: u64,
) -> rusqlite::Result<i64> {
    let id = match &alert.target {
        Target::Channel(channel) => {
            let message =
                NewMessage { kind: KIND, resource_id: &of.certificate_id, severity: alert.severity, params: "{}", seq };
            notifications::queue(connection, &message, *channel, (now, tick))?
        }
        Target::Unknown(_) | Target::Nobody => {
            let why = alert.target.skipped().unwrap_or_default();
            notifications::skip(connection, (KIND, &of.certificate_id), why, now, seq)?
        }
    };
    let (now, days) = (now.to_string(), alert.stage.days());
    connection
        .prepare_cached(
            "INSERT INTO alert_events (certificate_id, version, days, target, severity, raised_at, notification_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            of.certificate_id,
            of.version,
            days,
            alert.target.column(),
            alert.severity.as_str(),
            now,
            id
        ])?;
    Ok(id)
}

fn again(connection: &Connection, of: &Watched, alert: &Alert, now: Timestamp) -> rusqlite::Result<i64> {
    let id = connection
        .prepare_cached(
            "UPDATE alert_events SET raised_at = ?5 WHERE certificate_id = ?1 AND version = ?2 AND days = ?3 AND target = ?4
             RETURNING notification_id",
        )?
        .query_row(
            params![of.certificate_id, of.version, alert.stage.days(), alert.target.column(), now.to_string()],
            |row| row.get(0),
        )?;
    let mut queue = connection.prepare_cached("UPDATE notification_events SET state = 'queued' WHERE id = ?1")?;
    exactly_one(queue.execute([id])?)?;
    Ok(id)
}

/// Takes an open alert back because a tighter one stands for it.
pub fn overtake(connection: &Connection, of: &Watched, stage: Stage, target: &Target) -> rusqlite::Result<()> {
    let changed = connection
        .prepare_cached(
            "UPDATE notification_events SET state = 'skipped', detail = 'overtaken by a tighter threshold'
             WHERE id = (SELECT notification_id FROM alert_events
                         WHERE certificate_id = ?1 AND version = ?2 AND days = ?3 AND target = ?4)",
        )?
        .execute(params![of.certificate_id, of.version, stage.days(), target.column()])?;
    exactly_one(changed)
}

/// Ends the watch: the certificate is revoked, retired or found no more. The table takes open alerts of it back, as it
/// does when a newer version is watched.
pub fn dealt_with(connection: &Connection, certificate_id: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM expiry_watch WHERE certificate_id = ?1")?.execute([certificate_id])?;
    Ok(())
}

/// Notes when alerts of a certificate are looked at again. One that is stale stays so: its renewal is not planned yet.
pub fn plan_look(connection: &Connection, certificate_id: &str, next: Option<Timestamp>) -> rusqlite::Result<()> {
    let changed = connection
        .prepare_cached("UPDATE expiry_watch SET due_at = ?2 WHERE certificate_id = ?1")?
        .execute(params![certificate_id, next.map(|next| next.to_string())])?;
    exactly_one(changed)
}

/// Notes when alerts and renewal of a certificate are looked at next, by which plan.
pub fn plan_anew(
    connection: &Connection,
    certificate_id: &str,
    (look, renewal): (Option<Timestamp>, Option<Timestamp>),
    epoch: u64,
) -> rusqlite::Result<()> {
    let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let changed = connection
        .prepare_cached("UPDATE expiry_watch SET due_at = ?2, renew_at = ?3, epoch = ?4 WHERE certificate_id = ?1")?
        .execute(params![certificate_id, text(look), text(renewal), epoch])?;
    exactly_one(changed)
}

/// Notes when renewal of a certificate is looked at again.
pub fn plan_renewal(connection: &Connection, certificate_id: &str, next: Option<Timestamp>) -> rusqlite::Result<()> {
    let changed = connection
        .prepare_cached("UPDATE expiry_watch SET renew_at = ?2 WHERE certificate_id = ?1")?
        .execute(params![certificate_id, next.map(|next| next.to_string())])?;
    exactly_one(changed)
}

fn exactly_one(changed: usize) -> rusqlite::Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}
