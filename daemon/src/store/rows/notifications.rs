//! `notification_events`: the outbox, written in the transaction that causes it.

use countersign_shared::time::Timestamp;
use rusqlite::{Connection, params};

/// Notes that people should be told. Without a configured channel nobody can be, and the row says so.
pub fn insert(connection: &Connection, kind: &str, resource_id: &str, at: Timestamp, seq: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO notification_events (created_at, kind, resource_id, channel, state, detail, seq)
             VALUES (?1, ?2, ?3, NULL, 'skipped', 'no channel is configured', ?4)",
        )?
        .execute(params![at.to_string(), kind, resource_id, seq])?;
    Ok(())
}
