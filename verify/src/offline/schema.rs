//! The schema of a copied database, beside that of the migrations that made it.

use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use crate::damage;

/// Every step of the schema, in order, with the version that it leads to.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("../../../migrations/0001_init.up.sql")),
    (2, include_str!("../../../migrations/0002_two_person.up.sql")),
    (3, include_str!("../../../migrations/0003_revocation.up.sql")),
    (4, include_str!("../../../migrations/0004_alerts.up.sql")),
    (5, include_str!("../../../migrations/0005_inventory.up.sql")),
    (6, include_str!("../../../migrations/0006_ledger.up.sql")),
    (7, include_str!("../../../migrations/0007_audit_queries.up.sql")),
    (8, include_str!("../../../migrations/0008_repair.up.sql")),
    (9, include_str!("../../../migrations/0009_signatures.up.sql")),
    (10, include_str!("../../../migrations/0010_archives.up.sql")),
];

/// The newest version.
const NEWEST: i64 = STEPS[STEPS.len() - 1].0;
/// The version from which on nodes, checkpoints and anchors are stored.
const WITH_NODES: i64 = 6;
/// The version from which on archives are.
const WITH_ARCHIVES: i64 = 10;

/// What the schema of a file is.
pub enum Schema {
    /// The ledger is a table of ours; what else is not as it should be.
    Ours {
        /// That.
        findings: Vec<Damage>,
        /// The tables of nodes, checkpoints, keys and anchors are there, and are ours.
        with_nodes: bool,
        /// So is that of archives.
        with_archives: bool,
    },
    /// It is not.
    Other(Damage),
}

/// Type, name and text, as SQLite keeps them.
type Object = (String, String, String);

/// Compares every object with those of the version that the file says it has; one that says a version that is not known
/// is held against the newest.
pub fn schema(connection: &Connection) -> rusqlite::Result<Schema> {
    let says: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut findings = Vec::new();
    // Numbers have gaps: the daemon's way down ends at the one below that of the step.
    let known = (STEPS[0].0..=NEWEST).contains(&says);
    if !known {
        let text = format!("the file says that it has schema {says}; this program knows them up to {NEWEST}");
        findings.push(damage(None, "schema", text));
    }
    let version = if known { says } else { NEWEST };
    let (expected, found) = (objects(&made(version)?)?, objects(connection)?);
    for table in ["audit_events", "ledger_frontier"] {
        if !stands(table, &expected, &found) {
            let kind: Option<String> = connection
                .query_row("SELECT type FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
                .optional()?;
            let text = match kind.as_deref() {
                None => format!("there is no table {table}"),
                Some("table") => format!("the table {table} is made in another way than that of a ledger"),
                Some(other) => format!("{table} is a {}, and not a table", Untrusted::from(other).safe()),
            };
            return Ok(Schema::Other(damage(None, "schema", text)));
        }
    }
    for object in expected.iter().filter(|object| !found.contains(object)) {
        findings.push(damage(None, "schema", format!("the {} {} is missing or was changed", object.0, object.1)));
    }
    let known = |object: &&Object| expected.iter().any(|known| (&known.0, &known.1) == (&object.0, &object.1));
    for object in found.iter().filter(|object| !known(object)) {
        let (kind, name) = (Untrusted::from(object.0.as_str()), Untrusted::from(object.1.as_str()));
        findings.push(damage(None, "schema", format!("the {} {} is not part of the schema", kind.safe(), name.safe())));
    }
    let there = |tables: &[&str]| tables.iter().all(|table| stands(table, &expected, &found));
    let with_nodes = version >= WITH_NODES && there(&["ledger_nodes", "checkpoint_keys", "checkpoints", "anchors"]);
    let with_archives = version >= WITH_ARCHIVES && there(&["ledger_archives"]);
    Ok(Schema::Ours { findings, with_nodes, with_archives })
}

fn stands(table: &str, expected: &[Object], found: &[Object]) -> bool {
    let of = |objects: &[Object]| objects.iter().find(|object| object.0 == "table" && object.1 == table).cloned();
    let found = of(found);
    found.is_some() && found == of(expected)
}

fn made(version: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    // Tables that refer to one another come and go together.
    connection.pragma_update(None, "foreign_keys", 0)?;
    let mut steps = STEPS.iter().filter(|(step, _)| *step <= version);
    steps.try_for_each(|(_, step)| connection.execute_batch(step))?;
    Ok(connection)
}

/// The newest schema, for a file that a test makes.
#[cfg(test)]
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", 0)?;
    let steps: Vec<&str> = STEPS.iter().map(|(_, step)| *step).collect();
    connection.execute_batch(&format!("BEGIN; {}; COMMIT", steps.join(";")))?;
    connection.pragma_update(None, "user_version", NEWEST)?;
    connection.pragma_update(None, "foreign_keys", 1)
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let mut statement = connection.prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'
         ORDER BY type, name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_a_step() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.to_string_lossy().ends_with(".up.sql"));
        files.sort();
        let read = |path: &std::path::PathBuf| {
            let version: i64 = path.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
            (version, std::fs::read_to_string(path).unwrap())
        };
        let found: Vec<(i64, String)> = files.iter().map(read).collect();
        let known: Vec<(i64, String)> = STEPS.iter().map(|(version, step)| (*version, (*step).to_owned())).collect();
        assert_eq!(found, known, "offline verification has to know every migration");
        for (table, from) in [("ledger_nodes", WITH_NODES), ("ledger_archives", WITH_ARCHIVES)] {
            let made = found.iter().find(|(_, text)| text.contains(table)).map(|(version, _)| *version);
            assert_eq!(made, Some(from), "{table}");
        }
    }

    #[test]
    fn the_schema_of_each_version_is_known() {
        for (version, _) in STEPS {
            let connection = made(*version).unwrap();
            connection.pragma_update(None, "user_version", version).unwrap();
            match schema(&connection).unwrap() {
                Schema::Ours { findings, with_nodes, with_archives } => {
                    let stored = (with_nodes, with_archives);
                    let expected = (*version >= WITH_NODES, *version >= WITH_ARCHIVES);
                    assert_eq!((findings, stored), (Vec::new(), expected), "{version}");
                }
                Schema::Other(found) => panic!("{version}: {found:?}"),
            }
        }
    }
}
