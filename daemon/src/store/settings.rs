//! How connections are set up (design §11), and the proof that SQLite took each setting.

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::open::OpenError;

/// Marks the file as ours: "CSGN".
pub const APPLICATION_ID: i64 = 0x4353_474E;
/// Pages of log before the writer folds it back: 16 MiB, so that folding costs few of the fsyncs.
pub const CHECKPOINT_PAGES: i64 = 4000;

/// What the writer keeps of the database in memory: 64 MiB, so that the upper pages of every index of a long queue
/// stay there and a decision reads few pages.
pub const WRITER_CACHE_KIB: i64 = 64 * 1024;

/// Flags of the writer's connection; `NOFOLLOW` refuses a database that is a symbolic link.
pub fn writer_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

/// Flags of a reader's connection.
pub fn reader_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

/// Sets the writer up and reads each setting back.
pub fn apply_to_writer(connection: &Connection) -> Result<(), OpenError> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    apply_to_both(connection)?;
    // What was erased is overwritten, and not only forgotten.
    set(connection, "secure_delete", 1)?;
    set(connection, "synchronous", 2)?;
    set(connection, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    set(connection, "cache_size", -WRITER_CACHE_KIB)?;
    set(connection, "journal_size_limit", 64 * 1024 * 1024)?;
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::Setting { name: "journal_mode", wanted: "wal".into(), found: mode });
    }
    Ok(())
}

/// Sets a reader up; it cannot write whatever it is asked.
pub fn apply_to_reader(connection: &Connection) -> Result<(), OpenError> {
    apply_to_both(connection)?;
    set(connection, "query_only", 1)
}

fn apply_to_both(connection: &Connection) -> Result<(), OpenError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, true),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        // A plan is made once for each statement. Without this, partial indexes let SQLite look at the values that are
        // bound, and it plans anew whenever one of them changes: that was an eighth of what a decision cost.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
    ] {
        connection.set_db_config(config, on)?;
        if connection.db_config(config)? != on {
            return Err(OpenError::Setting { name: "db_config", wanted: on.to_string(), found: (!on).to_string() });
        }
    }
    set(connection, "foreign_keys", 1)?;
    set(connection, "recursive_triggers", 1)?;
    set(connection, "trusted_schema", 0)?;
    set(connection, "cell_size_check", 1)?;
    set(connection, "temp_store", 2)?;
    // A statement or value larger than the largest frame is never ours.
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, 8 * 1024 * 1024)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    Ok(())
}

fn set(connection: &Connection, name: &'static str, wanted: i64) -> Result<(), OpenError> {
    connection.pragma_update(None, name, wanted)?;
    let found: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
    if found == wanted {
        Ok(())
    } else {
        Err(OpenError::Setting { name, wanted: wanted.to_string(), found: found.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_hold_and_a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let writer = Connection::open_with_flags(&path, writer_flags()).unwrap();
        apply_to_writer(&writer).unwrap();
        writer.execute_batch("CREATE TABLE t (a INTEGER) STRICT").unwrap();
        let reader = Connection::open_with_flags(&path, reader_flags()).unwrap();
        apply_to_reader(&reader).unwrap();
        assert!(reader.execute("INSERT INTO t VALUES (1)", []).is_err());
        assert!(writer.execute_batch("PRAGMA writable_schema = on; DELETE FROM sqlite_schema").is_err());
    }
}
