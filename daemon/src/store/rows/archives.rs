//! `ledger_archives`: what was sealed of the ledger, from its first record on.

use countersign_proof::tree::Frontier;
use countersign_shared::digest::{Digest, Hasher};
use countersign_shared::protocol::{ArchiveRow, Damage};
use countersign_shared::time::Timestamp;
use countersign_verify::acknowledged::Acknowledgements;
use countersign_verify::damage;
use countersign_verify::row::{self, Values};
use countersign_verify::survey::digest_of_row;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::export::{self, line};
use super::nodes::digest;
use super::page::{Conditions, Window, cut};
use super::parsed;
use super::{acknowledged, audit};
use crate::ledger::record::GENESIS;
use crate::ledger::{Tail, leaf_hash};

/// An archive as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// 1, 2, 3, …
    pub number: u64,
    /// The first record.
    pub from_seq: u64,
    /// The record behind the last.
    pub to_seq: u64,
    /// Of the tree over the first `to_seq` records.
    pub root: Digest,
    /// Of the file's octets.
    pub sha256: Digest,
    /// How many there are.
    pub octets: u64,
    /// When.
    pub sealed_at: Timestamp,
    /// The record of it.
    pub seq: u64,
}

const COLUMNS: &str = "SELECT number, from_seq, to_seq, root, sha256, octets, sealed_at, seq FROM ledger_archives";

fn read(row: &Row<'_>) -> rusqlite::Result<Sealed> {
    Ok(Sealed {
        number: row.get(0)?,
        from_seq: row.get(1)?,
        to_seq: row.get(2)?,
        root: digest(row, 3)?,
        sha256: digest(row, 4)?,
        octets: row.get(5)?,
        sealed_at: parsed(row, "sealed_at")?,
        seq: row.get(7)?,
    })
}

/// One of them.
pub fn get(connection: &Connection, number: u64) -> rusqlite::Result<Option<Sealed>> {
    connection.prepare_cached(&format!("{COLUMNS} WHERE number = ?1"))?.query_row([number], read).optional()
}

/// The last of them.
pub fn last(connection: &Connection) -> rusqlite::Result<Option<Sealed>> {
    connection.prepare_cached(&format!("{COLUMNS} ORDER BY number DESC LIMIT 1"))?.query_row([], read).optional()
}

/// Keeps one.
pub fn insert(connection: &Connection, sealed: &Sealed) -> rusqlite::Result<()> {
    let Sealed { number, from_seq, to_seq, root, sha256, octets, sealed_at, seq } = sealed;
    connection
        .prepare_cached(
            "INSERT INTO ledger_archives (number, from_seq, to_seq, root, sha256, octets, sealed_at, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            number,
            from_seq,
            to_seq,
            root.as_bytes(),
            sha256.as_bytes(),
            octets,
            sealed_at.to_string(),
            seq
        ])?;
    Ok(())
}

/// A page, newest first.
pub fn page(connection: &Connection, window: Window) -> rusqlite::Result<(Vec<ArchiveRow>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("n.number < ?", window.before);
    let sql = format!(
        "SELECT n.number, n.from_seq, n.to_seq, n.root, n.sha256, n.octets, n.sealed_at, n.seq, a.actor
         FROM ledger_archives n JOIN audit_events a ON a.seq = n.seq{} ORDER BY n.number DESC LIMIT {}",
        conditions.sql(),
        window.limit + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| {
        let Sealed { number, from_seq, to_seq, root, sha256, octets, sealed_at, seq } = read(row)?;
        let sealed_by = row.get("actor")?;
        let archive =
            ArchiveRow { number, from_seq, to_seq, octets, sha256, root_sha256: root, sealed_at, sealed_by, seq };
        Ok((row.get(0)?, archive))
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, ArchiveRow)>>>()?;
    let next = cut(&mut rows, window.limit);
    Ok((rows.into_iter().map(|(_, row)| row).collect(), next))
}

/// The first record from `begin` on whose time is `until` or later; none where there is none.
pub fn first_at(connection: &Connection, begin: u64, until: Timestamp) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached(
            "SELECT min(seq) FROM audit_events INDEXED BY audit_by_time WHERE created_at >= ?1 AND seq >= ?2",
        )?
        .query_row(params![until.to_string(), begin], |row| row.get(0))
}

/// How many records from one number on and before another are there: all, but those of which it is acknowledged that they are
/// missing.
pub fn rows(connection: &Connection, from: u64, to: u64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM audit_events WHERE seq >= ?1 AND seq < ?2")?
        .query_row([from, to], |row| row.get(0))
}

/// The hash that is recorded for the record before `seq`.
pub fn prev(connection: &Connection, seq: u64) -> rusqlite::Result<Digest> {
    let Some(before) = seq.checked_sub(1) else { return Ok(GENESIS) };
    if let Some(recorded) = acknowledged::recorded(connection, before)? {
        return Ok(recorded);
    }
    let record = audit::record(connection, before)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(leaf_hash(&record))
}

/// The octets of a file that is to be, read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// SHA-256.
    pub sha256: Digest,
    /// How many.
    pub octets: u64,
    /// The root of the tree up to its last record.
    pub root: Digest,
}

/// Reads the records from the end of `tree` on and before `to` as lines, one at a time, and verifies each of them, or goes past
/// damage that people acknowledged.
pub fn facts(connection: &Connection, tree: Frontier, to: u64) -> rusqlite::Result<Result<FileFacts, Damage>> {
    let known = Acknowledgements::read(connection)?;
    let mut tail = Tail::from_parts(prev(connection, tree.size())?, tree);
    let mut statement =
        connection.prepare_cached(&format!("{} WHERE seq >= ?1 AND seq < ?2 ORDER BY seq", export::COLUMNS))?;
    let mut rows = statement.query(params![tail.size(), to])?;
    let (mut hasher, mut octets, mut scratch) = (Hasher::default(), 0, Vec::new());
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        known.gone(tail.size(), seq).into_iter().flatten().for_each(|leaf| tail.advance(leaf, |_| {}));
        let standing = if known.is_damaged(seq) { known.standing(seq, digest_of_row(row)?) } else { None };
        let hash = match standing {
            Some(leaf) => Ok(leaf),
            None => row::check(&Values::read(row)?, tail.size(), &tail.prev(), &mut scratch),
        };
        match hash {
            Ok(hash) => tail.advance(hash, |_| {}),
            Err(damage) => return Ok(Err(damage)),
        }
        let line = line(row)?;
        hasher.update(line.get().as_bytes());
        hasher.update(b"\n");
        octets += line.get().len() as u64 + 1;
    }
    known.gone(tail.size(), to).into_iter().flatten().for_each(|leaf| tail.advance(leaf, |_| {}));
    if tail.size() != to {
        let text = format!("{to} records were committed, {} are there", tail.size());
        return Ok(Err(damage(Some(tail.size()), "missing", text)));
    }
    Ok(Ok(FileFacts { sha256: hasher.finish(), octets, root: tail.frontier().root() }))
}
