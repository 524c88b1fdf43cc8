//! The schema's history: `migrations/NNNN_name.{up,down}.sql`, append-only, each step idempotent.

use rusqlite::Connection;

use super::open::OpenError;
use super::settings::APPLICATION_ID;

/// One step of the schema.
pub struct Migration {
    /// Its number: `user_version` once it is applied.
    pub version: i64,
    /// Leads to it.
    pub up: &'static str,
    /// Leads back.
    pub down: &'static str,
}

/// Every step, in order.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        up: include_str!("../../../migrations/0001_init.up.sql"),
        down: include_str!("../../../migrations/0001_init.down.sql"),
    },
    Migration {
        version: 2,
        up: include_str!("../../../migrations/0002_two_person.up.sql"),
        down: include_str!("../../../migrations/0002_two_person.down.sql"),
    },
    Migration {
        version: 3,
        up: include_str!("../../../migrations/0003_revocation.up.sql"),
        down: include_str!("../../../migrations/0003_revocation.down.sql"),
    },
    Migration {
        version: 4,
        up: include_str!("../../../migrations/0004_alerts.up.sql"),
        down: include_str!("../../../migrations/0004_alerts.down.sql"),
    },
    Migration {
        version: 5,
        up: include_str!("../../../migrations/0005_inventory.up.sql"),
        down: include_str!("../../../migrations/0005_inventory.down.sql"),
    },
    Migration {
        version: 6,
        up: include_str!("../../../migrations/0006_ledger.up.sql"),
        down: include_str!("../../../migrations/0006_ledger.down.sql"),
    },
    Migration {
        version: 7,
        up: include_str!("../../../migrations/0007_audit_queries.up.sql"),
        down: include_str!("../../../migrations/0007_audit_queries.down.sql"),
    },
    Migration {
        version: 8,
        up: include_str!("../../../migrations/0008_repair.up.sql"),
        down: include_str!("../../../migrations/0008_repair.down.sql"),
    },
    Migration {
        version: 9,
        up: include_str!("../../../migrations/0009_signatures.up.sql"),
        down: include_str!("../../../migrations/0009_signatures.down.sql"),
    },
    Migration {
        version: 10,
        up: include_str!("../../../migrations/0010_archives.up.sql"),
        down: include_str!("../../../migrations/0010_archives.down.sql"),
    },
];

/// The version that this program works with.
pub const fn newest() -> i64 {
    MIGRATIONS[MIGRATIONS.len() - 1].version
}

/// Brings the database from wherever it is to `target`, one transaction a step.
pub fn migrate(connection: &mut Connection, target: i64) -> Result<(), OpenError> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0) {
        return Err(OpenError::Foreign);
    }
    if version > newest() {
        return Err(OpenError::Newer { found: version, known: newest() });
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    for step in MIGRATIONS.iter().filter(|step| version < step.version && step.version <= target) {
        run(connection, step.up, step.version)?;
    }
    for step in MIGRATIONS.iter().rev().filter(|step| target < step.version && step.version <= version) {
        run(connection, step.down, step.version - 1)?;
    }
    Ok(())
}

fn run(connection: &mut Connection, sql: &str, version: i64) -> Result<(), OpenError> {
    // Tables that refer to one another come and go together; the references are checked at the end.
    connection.pragma_update(None, "foreign_keys", 0)?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "user_version", version)?;
    let broken: i64 = transaction.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
    if broken > 0 {
        return Err(OpenError::References(broken));
    }
    transaction.commit()?;
    connection.pragma_update(None, "foreign_keys", 1)?;
    Ok(())
}

/// What the schema has to look like: type, name and text of each object, as SQLite keeps them.
pub fn schema_of(connection: &Connection) -> rusqlite::Result<Vec<(String, String, String)>> {
    let mut statement = connection.prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// The first object of the schema that is missing, changed or new; `None` where all is as it should be.
pub fn schema_difference(connection: &Connection) -> Result<Option<String>, OpenError> {
    let mut reference = Connection::open_in_memory()?;
    migrate(&mut reference, newest())?;
    let (expected, found) = (schema_of(&reference)?, schema_of(connection)?);
    if let Some(object) = expected.iter().find(|object| !found.contains(object)) {
        return Ok(Some(format!("the {} {} is missing or was changed", object.0, object.1)));
    }
    Ok(found.iter().find(|object| !expected.contains(object)).map(|object| {
        let name = countersign_shared::text::Untrusted::from(object.1.as_str());
        format!("the {} {} is not part of the schema", object.0, name.safe())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_and_down_and_up_again_and_each_step_twice() {
        let mut connection = Connection::open_in_memory().unwrap();
        let mut schemas = vec![schema_of(&connection).unwrap()];
        for step in MIGRATIONS {
            migrate(&mut connection, step.version).unwrap();
            let reached = schema_of(&connection).unwrap();
            run(&mut connection, step.up, step.version).unwrap();
            assert_eq!(schema_of(&connection).unwrap(), reached, "up to {} again", step.version);
            schemas.push(reached);
        }
        for (step, before) in MIGRATIONS.iter().zip(&schemas).rev() {
            migrate(&mut connection, step.version - 1).unwrap();
            let names = |schema: &[(String, String, String)]| {
                schema.iter().map(|object| object.1.clone()).collect::<Vec<String>>()
            };
            let below = schema_of(&connection).unwrap();
            assert_eq!(names(&below), names(before), "down from {}", step.version);
            run(&mut connection, step.down, step.version - 1).unwrap();
            assert_eq!(schema_of(&connection).unwrap(), below, "down from {} again", step.version);
        }
        migrate(&mut connection, newest()).unwrap();
        assert_eq!(Some(&schema_of(&connection).unwrap()), schemas.last());
        assert_eq!(schema_difference(&connection).unwrap(), None);
    }

    #[test]
    fn every_file_of_the_folder_is_a_step() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, MIGRATIONS.len() * 2);
    }

    #[test]
    fn a_dropped_trigger_is_noticed() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        connection.execute_batch("DROP TRIGGER audit_events_no_update").unwrap();
        let difference = schema_difference(&connection).unwrap();
        assert_eq!(difference.as_deref(), Some("the trigger audit_events_no_update is missing or was changed"));
    }

    #[test]
    fn somebody_elses_database_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (a)").unwrap();
        assert!(matches!(migrate(&mut connection, newest()), Err(OpenError::Foreign)));
        let mut newer = Connection::open_in_memory().unwrap();
        newer.execute_batch("PRAGMA application_id = 1129531214; PRAGMA user_version = 99").unwrap();
        assert!(matches!(migrate(&mut newer, newest()), Err(OpenError::Newer { .. })));
    }
}
