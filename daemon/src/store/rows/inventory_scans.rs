//! `inventory_scans` and `inventory_findings`: when the host is looked at, and what was in the way.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::InventoryStatus;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{one, parsed, parsed_if};
use crate::inventory::Finding;

/// The newest scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastScan {
    /// 1, 2, …
    pub number: u64,
    /// What it was to look at.
    pub plan_sha256: Digest,
    /// When it began, on the time line.
    pub started_tick: i64,
    /// When the next one is due.
    pub due_tick: i64,
}

/// The newest scan, if there ever was one.
pub fn last(connection: &Connection) -> rusqlite::Result<Option<LastScan>> {
    connection
        .prepare_cached("SELECT number, plan_sha256, started_tick, due_tick FROM inventory_scans WHERE id = 1")?
        .query_row([], |row| {
            Ok(LastScan {
                number: row.get("number")?,
                plan_sha256: parsed(row, "plan_sha256")?,
                started_tick: row.get("started_tick")?,
                due_tick: row.get("due_tick")?,
            })
        })
        .optional()
}

/// Notes that a scan begins. The next one is due already: one that the daemon does not survive is not repeated at once.
pub fn begin(connection: &Connection, scan: &LastScan, at: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO inventory_scans (id, number, plan_sha256, started_tick, due_tick, started_at, sightings, left_out)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, 0, 0)
             ON CONFLICT (id) DO UPDATE SET number = ?1, plan_sha256 = ?2, started_tick = ?3, due_tick = ?4,
                 started_at = ?5, ended_at = NULL",
        )?
        .execute(params![scan.number, scan.plan_sha256.to_string(), scan.started_tick, scan.due_tick, at.to_string()])?;
    Ok(())
}

/// Moves the next scan.
pub fn move_due(connection: &Connection, due_tick: i64) -> rusqlite::Result<()> {
    one(connection.prepare_cached("UPDATE inventory_scans SET due_tick = ?1 WHERE id = 1")?.execute([due_tick])?)
}

/// Notes that the scan has ended, with what it found in the way in place of what earlier ones did.
pub fn finish(
    connection: &Connection,
    number: u64,
    (findings, left_out): (&[Finding], u64),
    sightings: usize,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO inventory_findings VALUES (?1, ?2, ?3, ?4, ?4, ?5)
         ON CONFLICT DO UPDATE SET detail = ?3, last_seen = ?4, scan = ?5",
    )?;
    for finding in findings {
        let (place, detail) = (finding.place.to_string(), finding.problem.to_string());
        statement.execute(params![place, finding.problem.kind(), detail, at.to_string(), number])?;
    }
    connection.prepare_cached("DELETE FROM inventory_findings WHERE scan <> ?1")?.execute([number])?;
    let sightings = i64::try_from(sightings).unwrap_or(i64::MAX);
    let left_out = i64::try_from(left_out).unwrap_or(i64::MAX);
    let changed = connection
        .prepare_cached("UPDATE inventory_scans SET ended_at = ?2, sightings = ?3, left_out = ?4 WHERE number = ?1")?
        .execute(params![number, at.to_string(), sightings, left_out])?;
    one(changed)
}

/// How many findings there are of each problem.
pub fn problems(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut statement =
        connection.prepare_cached("SELECT problem, count(*) AS count FROM inventory_findings GROUP BY problem")?;
    let rows = statement.query_map([], |row| Ok((row.get("problem")?, row.get("count")?)))?;
    rows.collect()
}

/// What `daemon.status` tells; nothing where nothing was ever scanned or imported.
pub fn status(connection: &Connection) -> rusqlite::Result<Option<InventoryStatus>> {
    let (found, watched): (u64, u64) = connection
        .prepare_cached(
            "SELECT count(*) AS found, coalesce(sum(watched), 0) AS watched FROM found_certificates INDEXED BY found_there
             WHERE there = 1",
        )?
        .query_row([], |row| Ok((row.get("found")?, row.get("watched")?)))?;
    let scan = connection
        .prepare_cached(
            "SELECT number, started_at, ended_at, left_out + (SELECT count(*) FROM inventory_findings) AS problems
             FROM inventory_scans WHERE id = 1",
        )?
        .query_row([], |row| {
            Ok(InventoryStatus {
                scans: row.get("number")?,
                started_at: Some(parsed(row, "started_at")?),
                ended_at: parsed_if(row, "ended_at")?,
                found,
                watched,
                problems: row.get("problems")?,
            })
        })
        .optional()?;
    let imports = InventoryStatus { scans: 0, started_at: None, ended_at: None, found, watched, problems: 0 };
    Ok(scan.or_else(|| (found > 0).then_some(imports)))
}
