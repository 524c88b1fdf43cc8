//! `meta`: what is known of the installation as a whole.

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock::line::Mark;

/// The installation's id, `demo` where a demo daemon made it.
pub const ORIGIN: &str = "origin";
/// See [`ORIGIN`].
pub const DEMO: &str = "demo";
const BOOT_ID: &str = "clock_boot_id";
const OFFSET: &str = "clock_offset";
const TICK: &str = "clock_tick";

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

/// Keeps the place that the time line has reached: the ledger says it only as often as something happens.
pub fn keep_tick(connection: &Connection, tick: i64) -> rusqlite::Result<()> {
    set(connection, TICK, &tick.to_string())
}

/// The latest tick that is on record, in the ledger or beside it; 0 where none is.
pub fn last_tick(connection: &Connection) -> rusqlite::Result<i64> {
    let details: Option<String> = connection
        .query_row("SELECT details FROM audit_events ORDER BY seq DESC LIMIT 1", [], |row| row.get(0))
        .optional()?;
    let recorded =
        details.and_then(|details| serde_json::from_str::<serde_json::Value>(&details).ok()?.get("tick")?.as_i64());
    let kept = get(connection, TICK)?.and_then(|raw| raw.parse().ok());
    Ok(recorded.unwrap_or(0).max(kept.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrations::{migrate, newest};

    #[test]
    fn the_last_tick_is_the_later_of_the_ledgers_and_the_kept_one() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        assert_eq!(last_tick(&connection).unwrap(), 0);
        keep_tick(&connection, 20).unwrap();
        assert_eq!(last_tick(&connection).unwrap(), 20);
        for (seq, tick, latest) in [(0, 10, 20), (1, 30, 30)] {
            connection
                .execute(
                    "INSERT INTO audit_events VALUES (?1, 'ev', 't', 'a', 'User', 'x', 'auth', 'r', 'i',
                         json_object('tick', ?2), x'7b7d')",
                    [seq, tick],
                )
                .unwrap();
            assert_eq!(last_tick(&connection).unwrap(), latest);
        }
    }
}
