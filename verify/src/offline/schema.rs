//! The schema of a copied database, beside that of the migrations that made it.

use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use crate::damage;

/// Every step of the schema, in order: the first leads to version 1.
const STEPS: &[&str] = &[
    include_str!("../../../migrations/0001_init.up.sql"),
    include_str!("../../../migrations/0002_two_person.up.sql"),
    include_str!("../../../migrations/0003_revocation.up.sql"),
    include_str!("../../../migrations/0004_alerts.up.sql"),
    include_str!("../../../migrations/0005_inventory.up.sql"),
    include_str!("../../../migrations/0006_ledger.up.sql"),
    include_str!("../../../migrations/0007_audit_queries.up.sql"),
    include_str!("../../../migrations/0008_repair.up.sql"),
    include_str!("../../../migrations/0009_signatures.up.sql"),
];

/// The version from which on nodes, checkpoints and anchors are stored.
const WITH_NODES: usize = 6;

/// What the schema of a file is.
pub enum Schema {
    /// The ledger is a table of ours; what else is not as it should be.
    Ours {
        /// That.
        findings: Vec<Damage>,
        /// The tables of nodes, checkpoints, keys and anchors are there, and are ours.
        with_nodes: bool,
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
    let version = usize::try_from(says).ok().filter(|version| (1..=STEPS.len()).contains(version));
    if version.is_none() {
        let text = format!("the file says that it has schema {says}; this program knows 1 to {}", STEPS.len());
        findings.push(damage(None, "schema", text));
    }
    let version = version.unwrap_or(STEPS.len());
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
    let tables = ["ledger_nodes", "checkpoint_keys", "checkpoints", "anchors"];
    let with_nodes = version >= WITH_NODES && tables.iter().all(|table| stands(table, &expected, &found));
    Ok(Schema::Ours { findings, with_nodes })
}

fn stands(table: &str, expected: &[Object], found: &[Object]) -> bool {
    let of = |objects: &[Object]| objects.iter().find(|object| object.0 == "table" && object.1 == table).cloned();
    let found = of(found);
    found.is_some() && found == of(expected)
}

fn made(version: usize) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    // Tables that refer to one another come and go together.
    connection.pragma_update(None, "foreign_keys", 0)?;
    STEPS.iter().take(version).try_for_each(|step| connection.execute_batch(step))?;
    Ok(connection)
}

/// The newest schema, for a file that a test makes.
#[cfg(test)]
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", 0)?;
    connection.execute_batch(&format!("BEGIN; {}; COMMIT", STEPS.join(";")))?;
    connection.pragma_update(None, "user_version", STEPS.len() as i64)?;
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
        let texts: Vec<String> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        assert_eq!(texts, STEPS, "offline verification has to know every migration");
        assert!(!texts[WITH_NODES - 2].contains("ledger_nodes") && texts[WITH_NODES - 1].contains("ledger_nodes"));
    }

    #[test]
    fn the_schema_of_each_version_is_known() {
        for version in 1..=STEPS.len() {
            let connection = made(version).unwrap();
            connection.pragma_update(None, "user_version", version as i64).unwrap();
            match schema(&connection).unwrap() {
                Schema::Ours { findings, with_nodes } => {
                    assert_eq!((findings, with_nodes), (Vec::new(), version >= WITH_NODES), "{version}");
                }
                Schema::Other(found) => panic!("{version}: {found:?}"),
            }
        }
    }
}
