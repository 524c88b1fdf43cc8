//! `audit_events`, read: the ledger as its columns tell it.

use countersign_shared::digest::Digest;
use countersign_shared::id::EventId;
use countersign_shared::protocol::{AuditEvent, AuditRecord, ListAuditParams};
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::page::{Conditions, Window, cut};
use super::{json, parsed};
use crate::ledger::leaf_hash;

/// A record as a subscriber and the gate need it.
const COLUMNS: &str = "SELECT a.*, d.note AS note, coalesce(s.reason, p.reason) AS reason FROM audit_events a
     LEFT JOIN proposals p ON a.action = 'policy_proposed' AND p.request_id = a.resource_id
     LEFT JOIN decisions d ON d.seq = a.seq
     LEFT JOIN approval_requests r ON a.action = 'approval_requested' AND r.id = a.resource_id
     LEFT JOIN submissions s ON s.id = r.submission_id";

/// A page, newest first, and where the next begins.
pub fn page(
    connection: &Connection,
    filter: &ListAuditParams,
    window: Window,
) -> rusqlite::Result<(Vec<AuditEvent>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("a.seq < ?", window.before);
    conditions.and_if("a.actor = ?", filter.actor.clone());
    conditions.and_if("a.action = ?", filter.action.map(|action| action.as_str()));
    conditions.and_if("a.category = ?", filter.category.map(|category| category.as_str()));
    conditions.and_if("a.resource_id = ?", filter.resource_id.clone());
    let sql = format!("{COLUMNS}{} ORDER BY a.seq DESC LIMIT {}", conditions.sql(), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| Ok((row.get("seq")?, read(row)?)))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, AuditEvent)>>>()?;
    let next = cut(&mut rows, window.limit);
    Ok((rows.into_iter().map(|(_, event)| event).collect(), next))
}

/// One record with its bytes. The id carries the sequence number; a record whose id differs is not it.
pub fn get(connection: &Connection, id: &EventId) -> rusqlite::Result<Option<AuditRecord>> {
    let Some(seq) = id.seq() else { return Ok(None) };
    let sql = format!("{COLUMNS} WHERE a.seq = ?1 AND a.event_id = ?2");
    connection
        .prepare_cached(&sql)?
        .query_row(params![seq, id.as_str()], |row| {
            let record: Vec<u8> = row.get("record")?;
            Ok(AuditRecord { event: read(row)?, record: String::from_utf8_lossy(&record).into_owned() })
        })
        .optional()
}

/// Records from `from` on, in order.
pub fn from(connection: &Connection, from: u64, limit: u32) -> rusqlite::Result<Vec<AuditEvent>> {
    let sql = format!("{COLUMNS} WHERE a.seq >= ?1 ORDER BY a.seq LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![from, limit], read)?;
    rows.collect()
}

/// The bytes of one record.
pub fn record(connection: &Connection, seq: u64) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT record FROM audit_events WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()
}

/// The bytes of every record about an object, in order.
pub fn records_about(connection: &Connection, resource_id: &str) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement =
        connection.prepare_cached("SELECT record FROM audit_events WHERE resource_id = ?1 ORDER BY seq")?;
    let rows = statement.query_map([resource_id], |row| row.get(0))?;
    rows.collect()
}

/// The sequence numbers below `below` of the records about an object, in order, `most` at most.
pub fn numbers_about(
    connection: &Connection,
    resource_id: &str,
    below: u64,
    most: usize,
) -> rusqlite::Result<Vec<u64>> {
    let mut statement = connection
        .prepare_cached("SELECT seq FROM audit_events WHERE resource_id = ?1 AND seq < ?2 ORDER BY seq LIMIT ?3")?;
    let rows = statement.query_map(params![resource_id, below, most], |row| row.get(0))?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<AuditEvent> {
    let text: Option<String> = row.get::<_, Option<String>>("note")?.or(row.get("reason")?);
    Ok(AuditEvent {
        seq: row.get("seq")?,
        event_id: parsed(row, "event_id")?,
        created_at: parsed(row, "created_at")?,
        actor: row.get("actor")?,
        actor_type: parsed(row, "actor_type")?,
        action: parsed(row, "action")?,
        category: parsed(row, "category")?,
        resource_type: row.get("resource_type")?,
        resource_id: row.get("resource_id")?,
        details: json(row, "details")?,
        record_sha256: hash(row)?,
        text: text.filter(|text| !text.is_empty()).map(Untrusted::new),
    })
}

fn hash(row: &Row<'_>) -> rusqlite::Result<Digest> {
    let index = row.as_ref().column_index("record")?;
    Ok(leaf_hash(row.get_ref(index)?.as_blob()?))
}
