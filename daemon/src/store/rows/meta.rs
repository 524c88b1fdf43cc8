//! `meta`: what is known of the installation as a whole.

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::line::Mark;

/// The installation's id, `demo` where a demo daemon made it.
pub const ORIGIN: &str = "origin";
/// See [`ORIGIN`].
pub const DEMO: &str = "demo";
const BOOT_ID: &str = "clock_boot_id";
const OFFSET: &str = "clock_offset";

/// Reads a value.
pub fn get(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()
}

/// Writes a value.
pub fn set(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![key, value])?;
    Ok(())
}

/// The time line's place as it was kept.
pub fn mark(connection: &Connection) -> rusqlite::Result<Option<Mark>> {
    let offset = get(connection, OFFSET)?.and_then(|raw| raw.parse().ok());
    Ok(match (get(connection, BOOT_ID)?, offset) {
        (Some(boot_id), Some(offset)) => Some(Mark { boot_id, offset }),
        _ => None,
    })
}

/// Keeps the time line's place.
pub fn keep_mark(connection: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    set(connection, BOOT_ID, &mark.boot_id)?;
    set(connection, OFFSET, &mark.offset.to_string())
}

/// The last tick that a ledger record carries; 0 for an empty ledger.
pub fn last_tick(connection: &Connection) -> rusqlite::Result<i64> {
    let details: Option<String> = connection
        .query_row("SELECT details FROM audit_events ORDER BY seq DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    let tick =
        details.and_then(|details| serde_json::from_str::<serde_json::Value>(&details).ok()?.get("tick")?.as_i64());
    Ok(tick.unwrap_or(0))
}
