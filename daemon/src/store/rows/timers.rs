//! `request_timers`: what time does to a pending request, besides its end.

use std::collections::BTreeSet;

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::TimerKind;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{parsed, to_json};

/// One timer of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Of which request.
    pub request_id: RequestId,
    /// What goes off.
    pub kind: TimerKind,
    /// 0, 1, … among those of its kind.
    pub level: u32,
    /// When, on the daemon's time line.
    pub due_tick: i64,
    /// When, by the wall clock as it stood when the request was made.
    pub due_at: Timestamp,
    /// The ledger record of its going off.
    pub done_seq: Option<u64>,
}

/// Sets one.
pub fn insert(connection: &Connection, timer: &Timer) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO request_timers (request_id, kind, level, due_tick, due_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            timer.request_id.as_str(),
            timer.kind.as_str(),
            timer.level,
            timer.due_tick,
            timer.due_at.to_string()
        ])?;
    Ok(())
}

/// Those of a request, by kind and level.
pub fn of(connection: &Connection, request: &RequestId) -> rusqlite::Result<Vec<Timer>> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM request_timers WHERE request_id = ?1 ORDER BY kind, level")?;
    let rows = statement.query_map([request.as_str()], read)?;
    rows.collect()
}

/// Levels of escalation that a request has reached.
pub fn escalated(connection: &Connection, request: &RequestId) -> rusqlite::Result<Vec<u32>> {
    let mut statement = connection.prepare_cached(
        "SELECT level FROM request_timers WHERE request_id = ?1 AND kind = 'escalate' AND done_seq IS NOT NULL",
    )?;
    let rows = statement.query_map([request.as_str()], |row| row.get(0))?;
    rows.collect()
}

/// Those of pending requests that are due at `tick`, the earliest first, without those of requests that were set
/// `aside`. A request whose own deadline has passed too is the reaper's.
pub fn due(connection: &Connection, tick: i64, aside: &BTreeSet<String>, limit: u32) -> rusqlite::Result<Vec<Timer>> {
    let mut statement = connection.prepare_cached(
        "SELECT t.* FROM request_timers t INDEXED BY request_timers_due CROSS JOIN approval_requests r
             ON r.id = t.request_id
         WHERE t.done_seq IS NULL AND t.due_tick <= ?1 AND r.state = 'pending' AND r.deadline_tick > ?1
             AND t.request_id NOT IN (SELECT value FROM json_each(?2)) ORDER BY t.due_tick LIMIT ?3",
    )?;
    let rows = statement.query_map(params![tick, to_json(aside)?, limit], read)?;
    rows.collect()
}

/// When the next one is due, of those that [`due`] would return then.
pub fn next_due(connection: &Connection, tick: i64, aside: &BTreeSet<String>) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT t.due_tick FROM request_timers t INDEXED BY request_timers_due CROSS JOIN approval_requests r
                 ON r.id = t.request_id
             WHERE t.done_seq IS NULL AND r.state = 'pending' AND r.deadline_tick > ?1
                 AND t.request_id NOT IN (SELECT value FROM json_each(?2)) ORDER BY t.due_tick LIMIT 1",
        )?
        .query_row(params![tick, to_json(aside)?], |row| row.get(0))
        .optional()
}

/// Notes that one went off.
pub fn done(connection: &Connection, timer: &Timer, seq: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE request_timers SET done_seq = ?4 WHERE request_id = ?1 AND kind = ?2 AND level = ?3")?
        .execute(params![timer.request_id.as_str(), timer.kind.as_str(), timer.level, seq])?;
    Ok(())
}

/// Takes back what did not go off before the request ended.
pub fn clear(connection: &Connection, request: &RequestId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM request_timers WHERE request_id = ?1 AND done_seq IS NULL")?
        .execute([request.as_str()])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Timer> {
    Ok(Timer {
        request_id: parsed(row, "request_id")?,
        kind: parsed(row, "kind")?,
        level: row.get("level")?,
        due_tick: row.get("due_tick")?,
        due_at: parsed(row, "due_at")?,
        done_seq: row.get("done_seq")?,
    })
}
