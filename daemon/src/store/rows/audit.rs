//! `audit_events`, read: the ledger as its columns tell it.

use countersign_shared::digest::Digest;
use countersign_shared::id::EventId;
use countersign_shared::protocol::{AuditAction, AuditCountParams, AuditEvent, AuditRecord, Category, ListAuditParams};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::page::{Conditions, TEXT_STRETCH, Window, contains, cut};
use super::{json, parsed};
use crate::ledger::leaf_hash;

/// A record as a subscriber and the gate need it.
const COLUMNS: &str = "SELECT a.*, iif(d.note = '' AND d.note_salt = x'', '[erased]', d.note) AS note,
     CASE WHEN coalesce(s.reason_sha256, p.reason_sha256) IS NOT NULL AND coalesce(s.reason_salt, p.reason_salt) = x''
          THEN '[erased]' ELSE coalesce(s.reason, p.reason) END AS reason FROM audit_events a
     LEFT JOIN proposals p ON a.action = 'policy_proposed' AND p.request_id = a.resource_id
     LEFT JOIN decisions d ON d.seq = a.seq
     LEFT JOIN approval_requests r ON a.action = 'approval_requested' AND r.id = a.resource_id
     LEFT JOIN submissions s ON s.id = r.submission_id";

/// What a list or a count asks for, without its text.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Each as in [`AuditCountParams`].
    pub actor: Option<String>,
    /// See there.
    pub action: Option<AuditAction>,
    /// See there.
    pub category: Option<Category>,
    /// See there.
    pub resource_id: Option<String>,
    /// See there.
    pub from: Option<Timestamp>,
    /// See there.
    pub to: Option<Timestamp>,
}

impl From<&ListAuditParams> for Filter {
    fn from(params: &ListAuditParams) -> Self {
        let ListAuditParams { actor, action, category, resource_id, from, to, .. } = params.clone();
        Self { actor, action, category, resource_id, from, to }
    }
}

impl From<AuditCountParams> for Filter {
    fn from(params: AuditCountParams) -> Self {
        let AuditCountParams { actor, action, category, resource_id, from, to } = params;
        Self { actor, action, category, resource_id, from, to }
    }
}

impl Filter {
    /// The conditions. Of the columns that have an index, the one that tells records apart best is looked up; the others
    /// are compared, which the sign before them says to SQLite. Times are compared alone: what narrows the search to them
    /// is [`stretch`].
    fn conditions(&self, stretch: Option<(i64, i64)>) -> Conditions {
        let mut conditions = Conditions::default();
        let mut looked_up = false;
        let mut column = |name: &'static str, value: Option<String>| {
            let Some(value) = value else { return };
            let sign = if std::mem::replace(&mut looked_up, true) { "+" } else { "" };
            conditions.and(&format!("{sign}a.{name} = ?"), value);
        };
        column("resource_id", self.resource_id.clone());
        column("actor", self.actor.clone());
        column("action", self.action.map(|action| action.as_str().to_owned()));
        column("category", self.category.map(|category| category.as_str().to_owned()));
        conditions.and_if("+a.created_at >= ?", self.from.map(|from| from.to_string()));
        conditions.and_if("+a.created_at < ?", self.to.map(|to| to.to_string()));
        if let Some((first, last)) = stretch {
            conditions.and("a.seq >= ?", first);
            conditions.and("a.seq <= ?", last);
        }
        conditions
    }

    fn by_time(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    fn by_time_alone(&self) -> bool {
        let Self { actor, action, resource_id, .. } = self;
        self.by_time() && actor.is_none() && action.is_none() && resource_id.is_none()
    }
}

/// Everything that is written as a time sorts between these two.
const TIMES: (&str, &str) = ("0", ":");

/// Between which records those of a range of times are, from the index of times alone; `None` where there are none. The
/// clock may have been set in between: records of other times can be among them.
fn stretch(connection: &Connection, filter: &Filter) -> rusqlite::Result<Option<(i64, i64)>> {
    let (from, to) = times(filter);
    let found: (Option<i64>, Option<i64>) = connection
        .prepare_cached(
            "SELECT min(seq), max(seq) FROM audit_events INDEXED BY audit_by_time
             WHERE created_at >= ?1 AND created_at < ?2",
        )?
        .query_row([from, to], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.0.zip(found.1))
}

fn times(filter: &Filter) -> (String, String) {
    let text = |time: Option<Timestamp>, open: &str| time.map_or_else(|| open.to_owned(), |time| time.to_string());
    (text(filter.from, TIMES.0), text(filter.to, TIMES.1))
}

/// A page, newest first, and where the next begins.
pub fn page(
    connection: &Connection,
    filter: &Filter,
    text: Option<&str>,
    window: Window,
) -> rusqlite::Result<(Vec<AuditEvent>, Option<String>)> {
    let stretch = match filter.by_time() {
        true => match stretch(connection, filter)? {
            Some(stretch) => Some(stretch),
            None => return Ok((Vec::new(), None)),
        },
        false => None,
    };
    let mut conditions = filter.conditions(stretch);
    conditions.and("a.seq < ?", window.before);
    let mut stretch_end = None;
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        let said = "coalesce(d.note, s.reason, p.reason, '')";
        let columns = ["a.actor", "a.action", "a.resource_id", "a.details", said];
        conditions.any(columns.map(|column| contains(column, text)).into());
        let newest: i64 =
            connection.query_row("SELECT coalesce(max(seq), -1) FROM audit_events", [], |row| row.get(0))?;
        let end = stretch.map_or(newest, |(_, last)| last.min(newest)).saturating_add(1).min(window.before);
        let low = end - TEXT_STRETCH;
        conditions.and("a.seq >= ?", low);
        stretch_end = (low > stretch.map_or(0, |(first, _)| first)).then(|| low.to_string());
    }
    let sql = format!("{COLUMNS}{} ORDER BY a.seq DESC LIMIT {}", conditions.sql(), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| Ok((row.get("seq")?, read(row)?)))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, AuditEvent)>>>()?;
    let next = cut(&mut rows, window.limit).or(stretch_end);
    Ok((rows.into_iter().map(|(_, event)| event).collect(), next))
}

/// How many records there are, exactly, from an index.
pub fn count(connection: &Connection, filter: &Filter) -> rusqlite::Result<u64> {
    if filter.by_time_alone() {
        let mut conditions = Conditions::default();
        let (from, to) = times(filter);
        conditions.and("created_at >= ?", from);
        conditions.and("created_at < ?", to);
        conditions.and_if("category = ?", filter.category.map(|category| category.as_str()));
        let sql = format!("SELECT count(*) FROM audit_events INDEXED BY audit_by_time{}", conditions.sql());
        return connection.prepare_cached(&sql)?.query_row(conditions.values().as_slice(), |row| row.get(0));
    }
    let stretch = match filter.by_time() {
        true => match stretch(connection, filter)? {
            Some(stretch) => Some(stretch),
            None => return Ok(0),
        },
        false => None,
    };
    let conditions = filter.conditions(stretch);
    let sql = format!("SELECT count(*) FROM audit_events a{}", conditions.sql());
    connection.prepare_cached(&sql)?.query_row(conditions.values().as_slice(), |row| row.get(0))
}

/// One record with its bytes, by its id. The id carries the sequence number; a record whose id differs is not it.
pub fn get(connection: &Connection, id: &EventId) -> rusqlite::Result<Option<AuditRecord>> {
    let Some(seq) = id.seq() else { return Ok(None) };
    Ok(at(connection, seq)?.filter(|found| found.event.event_id == *id))
}

/// One record with its bytes, by its sequence number.
pub fn at(connection: &Connection, seq: u64) -> rusqlite::Result<Option<AuditRecord>> {
    // What is beyond the numbers of SQLite is not there.
    let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
    let sql = format!("{COLUMNS} WHERE a.seq = ?1");
    connection
        .prepare_cached(&sql)?
        .query_row([seq], |row| {
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

/// The bytes of every record of one action about an object, in order. Refused attempts on it, which anybody can make, are not
/// read.
pub fn records_about(
    connection: &Connection,
    resource_id: &str,
    action: AuditAction,
) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = connection
        .prepare_cached("SELECT record FROM audit_events WHERE resource_id = ?1 AND action = ?2 ORDER BY seq")?;
    let rows = statement.query_map([resource_id, action.as_str()], |row| row.get(0))?;
    rows.collect()
}

/// Which records about an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// All.
    Any,
    /// What happened to it: all but refused attempts.
    Done,
    /// Refused attempts.
    Refused,
}

/// The sequence numbers below `below` of the records about an object, in order, `most` at most.
pub fn numbers_about(
    connection: &Connection,
    (resource_id, about): (&str, About),
    below: u64,
    most: usize,
) -> rusqlite::Result<Vec<u64>> {
    let which = match about {
        About::Any => "",
        About::Done => "AND action <> 'approval_refused'",
        About::Refused => "AND action = 'approval_refused'",
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq FROM audit_events INDEXED BY audit_by_resource
         WHERE resource_id = ?1 AND seq < ?2 {which} ORDER BY seq LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![resource_id, below, most], |row| row.get(0))?;
    rows.collect()
}

/// How many refused attempts on an object are recorded below `below`.
pub fn count_refused(connection: &Connection, resource_id: &str, below: u64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM audit_events INDEXED BY audit_by_resource
             WHERE resource_id = ?1 AND seq < ?2 AND action = 'approval_refused'",
        )?
        .query_row(params![resource_id, below], |row| row.get(0))
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

#[cfg(test)]
#[path = "audit_tests.rs"]
pub(super) mod tests;
