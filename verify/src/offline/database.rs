//! A copied database: its ledger alone, from the first record to the last.

use std::path::Path;

use countersign_proof::tree::leaf_hash;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension, Row};

use super::pass::Pass;
use super::{Against, Kind, Progress, Report, Unusable, wal};
use crate::acknowledged::Acknowledgements;
use crate::columns::GENESIS;
use crate::frontier::{compare_frontier, stored_frontier};
use crate::survey::survey;
use crate::{damage, row};

/// Marks the file as ours: "CSGN".
const APPLICATION_ID: i64 = 0x4353_474E;
/// Records between two words on the progress.
const STEP: u64 = 4096;

pub fn verify(path: &Path, against: &Against, progress: &mut Progress<'_>) -> Result<Report, Unusable> {
    let opened = wal::open(path)?;
    let connection = &opened.connection;
    let application: i64 = match connection.pragma_query_value(None, "application_id", |row| row.get(0)) {
        Ok(application) => application,
        Err(error) => return Ok(unreadable(against, &error)),
    };
    if application != APPLICATION_ID {
        return Err(Unusable::Other("it is a database of another program"));
    }
    let mut findings = match schema(connection) {
        Ok(Schema::Ours(findings)) => findings,
        Ok(Schema::Other(found)) => return Ok(without_records(against, found)),
        Err(error) => return Ok(unreadable(against, &error)),
    };
    let mut pass = Pass::new(against);
    let whole = match records(connection, &mut pass, &mut findings, progress) {
        Ok(()) => match stored_frontier(connection) {
            Ok(stored) if findings.iter().all(|found| found.rule == "schema") => {
                findings.extend(compare_frontier(&stored, pass.frontier()));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => {
                findings.push(database(None, &error));
                Ok(())
            }
        },
        Err(error) => {
            findings.push(database(Some(pass.frontier().size()), &error));
            Err("the records cannot be read up to it")
        }
    };
    let acknowledged = Acknowledgements::read(connection).unwrap_or_default();
    let mut whole = whole;
    if findings.iter().any(|found| found.rule != "schema")
        && !acknowledged.is_empty()
        && let Ok(Some(past)) = past(connection, against, &acknowledged)
    {
        findings.retain(|found| found.rule == "schema");
        (pass, whole) = (past, Ok(()));
    }
    let records = pass.frontier().size();
    let (anchors, covered) = pass.anchors(against, whole);
    Ok(Report {
        kind: Kind::Database,
        intact: false,
        records,
        first_seq: (records > 0).then_some(0),
        last_seq: records.checked_sub(1),
        gaps: 0,
        root_sha256: Some(pass.frontier().root()),
        findings,
        acknowledged: acknowledged.to_report(),
        anchors,
        covered,
    })
}

/// The pass again, past damage that a later record acknowledges; none where there is more.
fn past(connection: &Connection, against: &Against, acknowledged: &Acknowledgements) -> rusqlite::Result<Option<Pass>> {
    let Some(stored) = stored_frontier(connection)? else { return Ok(None) };
    let mut pass = Pass::new(against);
    let survey = survey(connection, (0, GENESIS), &stored, &mut |leaf| {
        pass.advance(leaf);
        Ok(None)
    })?;
    let beyond = survey.blocked.or_else(|| acknowledged.beyond(&survey.found));
    Ok((beyond.is_none() && compare_frontier(&Some(stored), pass.frontier()).is_none()).then_some(pass))
}

/// Every record, in order. The first that is wrong is named; those behind it are hashed as they are, for the anchors.
fn records(
    connection: &Connection,
    pass: &mut Pass,
    findings: &mut Vec<Damage>,
    progress: &mut Progress<'_>,
) -> rusqlite::Result<()> {
    let total: u64 =
        connection.query_row("SELECT coalesce(max(seq) + 1, 0) FROM audit_events", [], |row| row.get(0))?;
    // From the table itself: an index could leave rows out.
    let sql = format!("SELECT {} FROM main.audit_events NOT INDEXED ORDER BY seq", row::COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let (mut scratch, mut right) = (Vec::with_capacity(1024), true);
    while let Some(row) = rows.next()? {
        let at = pass.frontier().size();
        if at.is_multiple_of(STEP) {
            progress(at, total);
        }
        let hash = match right.then(|| row::check(row, at, &pass.prev(), &mut scratch)) {
            Some(Ok(hash)) => hash,
            Some(Err(found)) => {
                findings.push(found);
                right = false;
                hash_of(row)?
            }
            None => hash_of(row)?,
        };
        pass.advance(hash);
    }
    progress(total, total);
    Ok(())
}

fn hash_of(row: &Row<'_>) -> rusqlite::Result<countersign_shared::digest::Digest> {
    Ok(leaf_hash(row.get_ref(10)?.as_bytes()?))
}

enum Schema {
    /// The ledger is a table of ours; what else is not as it should be.
    Ours(Vec<Damage>),
    /// It is not.
    Other(Damage),
}

type Object = (String, String, String);

/// The tables of the ledger and what guards them, beside those of the migration that made them.
fn schema(connection: &Connection) -> rusqlite::Result<Schema> {
    let reference = Connection::open_in_memory()?;
    reference.execute_batch(include_str!("../../../migrations/0001_init.up.sql"))?;
    let (expected, found) = (objects(&reference)?, objects(connection)?);
    let of = |objects: &[Object], kind: &str, name: &str| -> Option<Object> {
        objects.iter().find(|object| object.0 == kind && object.1 == name).cloned()
    };
    for table in ["audit_events", "ledger_frontier"] {
        let (expected, stands) = (of(&expected, "table", table), of(&found, "table", table));
        if stands.is_none() || stands != expected {
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
    let mut findings = Vec::new();
    for object in expected.iter().filter(|object| !found.contains(object)) {
        findings.push(damage(None, "schema", format!("the {} {} is missing or was changed", object.0, object.1)));
    }
    let known = |object: &&Object| expected.iter().any(|known| (&known.0, &known.1) == (&object.0, &object.1));
    for object in found.iter().filter(|object| !known(object)) {
        let (kind, name) = (Untrusted::from(object.0.as_str()), Untrusted::from(object.1.as_str()));
        let text = format!("the {} {} on the ledger is not part of the schema", kind.safe(), name.safe());
        findings.push(damage(None, "schema", text));
    }
    Ok(Schema::Ours(findings))
}

fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let mut statement = connection.prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema
         WHERE tbl_name IN ('audit_events', 'ledger_frontier') AND type <> 'index' ORDER BY type, name",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

fn database(seq: Option<u64>, error: &rusqlite::Error) -> Damage {
    damage(seq, "database", Untrusted::new(format!("SQLite cannot read on: {error}")).safe().to_string())
}

fn unreadable(against: &Against, error: &rusqlite::Error) -> Report {
    without_records(against, database(None, error))
}

fn without_records(against: &Against, found: Damage) -> Report {
    let (anchors, covered) = Pass::new(against).anchors(against, Err("no record can be read"));
    Report {
        kind: Kind::Database,
        intact: false,
        records: 0,
        first_seq: None,
        last_seq: None,
        gaps: 0,
        root_sha256: None,
        findings: vec![found],
        acknowledged: Vec::new(),
        anchors,
        covered,
    }
}
