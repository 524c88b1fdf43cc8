//! Refused attempts, as the ledger counts them: by the human behind each, newest first, along an index of their own.

use countersign_shared::protocol::Attempts;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::parsed;

/// Refusals of one human within a stretch of the time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// How many.
    pub count: u32,
    /// When the first of them was.
    pub since: Timestamp,
}

/// When the `nth` newest refusal of a human was, counted from 1, on the time line; `None` where there are fewer.
pub fn nth_newest(connection: &Connection, human: &str, nth: u32) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT details ->> '$.tick' FROM audit_events WHERE action = 'approval_refused'
                 AND details ->> '$.human' = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![human, nth.saturating_sub(1)], |row| row.get(0))
        .optional()
}

/// The refusals of a human after `tick`, looking at the newest `most` alone; `None` where there are none.
pub fn after(connection: &Connection, human: &str, tick: i64, most: u32) -> rusqlite::Result<Option<Stretch>> {
    // Beside min(), SQLite takes the other columns from the row that has the minimum.
    let read = |row: &Row<'_>| {
        let first: Option<i64> = row.get("first")?;
        first.map(|_| Ok(Stretch { count: row.get("count")?, since: parsed(row, "created_at")? })).transpose()
    };
    connection
        .prepare_cached(
            "SELECT count(*) AS count, min(seq) AS first, created_at FROM (
                 SELECT seq, created_at, details ->> '$.tick' AS tick FROM audit_events
                 WHERE action = 'approval_refused' AND details ->> '$.human' = ?1 ORDER BY seq DESC LIMIT ?3)
             WHERE tick > ?2",
        )?
        .query_row(params![human, tick, most], read)
}

/// The newest alarm that a human raised: when, on the time line, and how many refusals it counted.
pub fn newest_alarm(connection: &Connection, human: &str) -> rusqlite::Result<Option<(i64, u32)>> {
    connection
        .prepare_cached(
            "SELECT details ->> '$.tick', details ->> '$.count' FROM audit_events WHERE action = 'attempts_repeated'
                 AND details ->> '$.human' = ?1 ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([human], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// The newest alarms after `tick`, at most `limit`, newest first.
pub fn alarms(connection: &Connection, tick: i64, limit: u32) -> rusqlite::Result<Vec<Attempts>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, created_at, resource_id, details ->> '$.human' AS human, details ->> '$.rule' AS rule,
             details ->> '$.count' AS count
         FROM (SELECT * FROM audit_events WHERE action = 'attempts_repeated' ORDER BY seq DESC LIMIT ?2)
         WHERE details ->> '$.tick' > ?1",
    )?;
    let rows = statement.query_map(params![tick, limit], |row| {
        Ok(Attempts {
            human: row.get("human")?,
            actor: row.get("resource_id")?,
            rule: row.get("rule")?,
            count: row.get("count")?,
            at: parsed(row, "created_at")?,
            seq: row.get("seq")?,
        })
    })?;
    rows.collect()
}

/// Calls `each` with every rule that has stopped somebody, and how often; returns how many alarms there were.
pub fn totals(connection: &Connection, mut each: impl FnMut(&str, u64)) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare(
        "SELECT details ->> '$.rule', count(*) FROM audit_events WHERE action = 'approval_refused' GROUP BY 1",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row.get_ref(0)?.as_str_or_null()?.unwrap_or_default(), row.get(1)?);
    }
    connection.query_row("SELECT count(*) FROM audit_events WHERE action = 'attempts_repeated'", [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrations::{migrate, newest};

    #[test]
    fn each_look_is_along_an_index_and_never_at_the_whole_ledger() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        for sql in [
            "SELECT details ->> '$.tick' FROM audit_events WHERE action = 'approval_refused'
                 AND details ->> '$.human' = 'a' ORDER BY seq DESC LIMIT 1 OFFSET 5",
            "SELECT details ->> '$.tick', details ->> '$.count' FROM audit_events WHERE action = 'attempts_repeated'
                 AND details ->> '$.human' = 'a' ORDER BY seq DESC LIMIT 1",
        ] {
            let plan: Vec<String> = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap()
                .query_map([], |row| row.get("detail"))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            assert!(plan.len() == 1 && plan[0].contains("audit_attempts (action=? AND <expr>=?)"), "{sql}: {plan:?}");
        }
    }
}
