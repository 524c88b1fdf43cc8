//! A copied database: its ledger from the first record to the last, the tree that is stored of it, and the checkpoints,
//! archives and anchors that were kept. These agree with the records, or are findings; that they agree shows nothing about the host, which
//! could make them anew.

use std::path::Path;

use countersign_proof::anchor::Roots as _;
use countersign_proof::tree::leaf_hash;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension as _};

use super::pass::Held;
use super::schema::{Schema, schema};
use super::{Against, Kind, Progress, Report, Unusable, signatures, wal};
use crate::acknowledged::Acknowledgements;
use crate::damage;
use crate::frontier::{compare_frontier, stored_frontier};
use crate::kept::{self, Kept};
use crate::nodes::compare_count;
use crate::pass::{Behind, Pass};

/// Marks the file as ours: "CSGN".
const APPLICATION_ID: i64 = 0x4353_474E;

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
    let (mut findings, with_nodes, with_archives) = match schema(connection) {
        Ok(Schema::Ours { findings, with_nodes, with_archives }) => (findings, with_nodes, with_archives),
        Ok(Schema::Other(found)) => return Ok(without_records(against, found)),
        Err(error) => return Ok(unreadable(against, &error)),
    };
    // Where they cannot be read nothing is gone past.
    let acknowledged = Acknowledgements::read(connection).unwrap_or_default();
    let heads = signatures::heads(connection, &acknowledged, &mut findings);
    let (kept, unread) = match with_nodes.then(|| Kept::read(connection, with_archives)).transpose() {
        Ok(kept) => (kept, None),
        Err(error) => {
            let text = Untrusted::new(format!("what was signed of the ledger cannot be read: {error}"));
            (None, Some(damage(None, "state", text.safe().to_string())))
        }
    };
    let mut also = kept.as_ref().map(Kept::sizes).unwrap_or_default();
    also.extend(heads.iter().map(|head| head.size));
    also.extend(acknowledged.sizes());
    let mut held = Held::new(against, also);
    let mut read = held.pass.records(connection, with_nodes, Behind::Hashed, progress);
    let right = held.pass.damage().is_none() && read.is_ok();
    if !right
        && !acknowledged.is_empty()
        && let Ok(Some(past)) = past(connection, with_nodes, held.anew(), &acknowledged)
    {
        (held.pass, read) = (past, Ok(()));
    }
    let passed = &held.pass;
    let of_records = passed.damage().cloned();
    let in_order = of_records.is_none() && read.is_ok();
    findings.extend(of_records);
    let whole = match read {
        Ok(()) => Ok(()),
        Err(error) => {
            findings.push(database(Some(passed.chain().size()), &error));
            Err("the records cannot be read up to it")
        }
    };
    if in_order {
        findings.extend(beside(connection, with_nodes, passed).unwrap_or_else(|error| Some(database(None, &error))));
        findings.extend(unread);
        findings.extend(kept.and_then(|kept| agrees(connection, with_archives, &kept, passed, &acknowledged)));
    }
    let records = passed.chain().size();
    if whole.is_ok() {
        signatures::check(connection, &heads, (passed, &acknowledged), &mut findings);
    }
    let (anchors, covered) = held.anchors(whole);
    Ok(Report {
        kind: Kind::Database,
        intact: false,
        records,
        first_seq: (records > 0).then_some(0),
        last_seq: records.checked_sub(1),
        gaps: 0,
        root_sha256: Some(passed.chain().frontier().root()),
        findings,
        acknowledged: acknowledged.to_report(),
        anchors,
        covered,
        followed: Vec::new(),
        notes: Vec::new(),
    })
}

/// The pass again, past damage that a later record acknowledges; none where there is more.
fn past(
    connection: &Connection,
    with_nodes: bool,
    mut passed: Pass,
    acknowledged: &Acknowledgements,
) -> rusqlite::Result<Option<Pass>> {
    let Some(stored) = stored_frontier(connection)? else { return Ok(None) };
    let survey = passed.past(connection, with_nodes, &stored)?;
    let beyond = survey.blocked.or_else(|| acknowledged.beyond(&survey.found));
    Ok(beyond.is_none().then_some(passed))
}

/// What the file says of the tree that its records do not make.
fn beside(connection: &Connection, with_nodes: bool, passed: &Pass) -> rusqlite::Result<Option<Damage>> {
    let found = compare_frontier(&stored_frontier(connection)?, passed.chain().frontier());
    if found.is_some() || !with_nodes {
        return Ok(found);
    }
    compare_count(connection, passed.chain().size())
}

/// The first stored checkpoint, key, archive or anchor that does not agree with the records.
fn agrees(
    connection: &Connection,
    with_archives: bool,
    kept: &Kept,
    passed: &Pass,
    acknowledged: &Acknowledgements,
) -> Option<Damage> {
    let beyond = |brought: (u64, Digest), damage: Damage| -> Result<Option<Damage>, u64> {
        let known = acknowledged.of_anchor(brought, passed.size(), |size| passed.root_at(size))?;
        Ok((!known).then_some(damage))
    };
    match kept.compare(passed, beyond) {
        Ok(None) => kept::check(connection, with_archives).unwrap_or_else(|error| Some(database(None, &error))),
        Ok(found) => found,
        Err(size) => Some(damage(None, "checkpoint", format!("the root of {size} records was not kept"))),
    }
}

/// A database beside which other records are read.
pub struct Live(wal::Opened);

impl Live {
    /// Opens it, where the ledger in it is a table of ours.
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        let opened = wal::open(path)?;
        let application: i64 = opened.connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        if application != APPLICATION_ID {
            return Err(Unusable::Other("it is a database of another program"));
        }
        match schema(&opened.connection)? {
            Schema::Ours { .. } => Ok(Self(opened)),
            Schema::Other(_) => Err(Unusable::Other("the ledger in it is not a table as a ledger's is made")),
        }
    }

    /// What is wrong where `record` is not the record `seq` of it.
    pub fn compare(&self, seq: u64, record: &[u8]) -> Option<Damage> {
        let found = self
            .0
            .connection
            .prepare_cached("SELECT record FROM main.audit_events NOT INDEXED WHERE seq = ?1")
            .and_then(|mut statement| {
                statement.query_row([seq], |row| Ok(leaf_hash(row.get_ref(0)?.as_bytes()?))).optional()
            });
        let here = leaf_hash(record);
        let text = match found {
            Ok(Some(there)) if there == here => return None,
            Ok(Some(there)) => format!("its hash is {here} here, and {there} in the database"),
            Ok(None) => format!("its hash is {here}, and it is not in the database"),
            Err(error) => return Some(database(Some(seq), &error)),
        };
        Some(damage(Some(seq), "archive", text))
    }
}

fn database(seq: Option<u64>, error: &rusqlite::Error) -> Damage {
    damage(seq, "database", Untrusted::new(format!("SQLite cannot read on: {error}")).safe().to_string())
}

fn unreadable(against: &Against, error: &rusqlite::Error) -> Report {
    without_records(against, database(None, error))
}

fn without_records(against: &Against, found: Damage) -> Report {
    let (anchors, covered) = Held::new(against, []).anchors(Err("no record can be read"));
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
        followed: Vec::new(),
        notes: Vec::new(),
    }
}
