//! `audit_events` as an export takes them out: which rows, and each as a line.

use std::collections::BinaryHeap;

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Category, ExportLine};
use countersign_shared::time::Timestamp;
use data_encoding::BASE64;
use rusqlite::{Connection, Row, params};
use serde_json::value::RawValue;

use crate::ledger::leaf_hash;

/// Which records an export is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Not before.
    pub from: Timestamp,
    /// Before.
    pub to: Timestamp,
    /// Only this category.
    pub category: Option<Category>,
    /// Only behind this record.
    pub after: Option<u64>,
}

/// The rows of an export, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counted {
    /// How many it has.
    pub rows: u64,
    /// How many it would have without a limit.
    pub matching: u64,
    /// The first and the last.
    pub ends: Option<(u64, u64)>,
}

/// Counts the rows of an export of at most `limit`, from the index of times alone. The clock may have been set: the first
/// of them by their sequence are taken, in whichever order of time they stand.
pub fn count(connection: &Connection, range: &Range, limit: usize) -> rusqlite::Result<Counted> {
    let mut statement = connection.prepare_cached(
        "SELECT seq FROM audit_events INDEXED BY audit_by_time
         WHERE created_at >= ?1 AND created_at < ?2 AND (?3 IS NULL OR category = ?3) AND seq > ?4",
    )?;
    let after = range.after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
    let category = range.category.map(Category::as_str);
    let mut rows = statement.query(params![range.from.to_string(), range.to.to_string(), category, after])?;
    let (mut matching, mut first) = (0, u64::MAX);
    // The largest of what is kept goes when there is a smaller one.
    let mut kept = BinaryHeap::with_capacity(limit.min(1024));
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        matching += 1;
        first = first.min(seq);
        if kept.len() < limit {
            kept.push(seq);
        } else if let Some(mut largest) = kept.peek_mut()
            && seq < *largest
        {
            *largest = seq;
        }
    }
    let ends = kept.peek().map(|last| (first, *last));
    Ok(Counted { rows: kept.len() as u64, matching, ends })
}

/// Octets of lines that a page holds before it ends. Each thread that ever made a page keeps the memory of one, and there are
/// some fifteen of them: a small page, where a large one would hardly be quicker to send.
pub const PAGE_OCTETS: usize = 160 * 1024;
/// Records that a page looks at, at most.
pub const PAGE_ROWS: u32 = 20_000;

/// A page of lines.
#[derive(Debug, Default)]
pub struct Page {
    /// In the order of the ledger.
    pub lines: Vec<Box<RawValue>>,
    /// Where the next one begins; `None` behind the last record of the export.
    pub next: Option<u64>,
}

/// What [`line()`] is made of.
pub const COLUMNS: &str =
    "SELECT seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id,
     details, record FROM audit_events";

/// The lines of an export's records from `begin` on, up to its last.
pub fn page(connection: &Connection, range: &Range, begin: u64, last: u64) -> rusqlite::Result<Page> {
    let category = range.category.map(Category::as_str);
    let conditions = if category.is_some() { "category = ?4 AND" } else { "?4 IS NULL AND" };
    let sql = format!("{COLUMNS} WHERE {conditions} seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![begin, last, PAGE_ROWS, category])?;
    let (from, to) = (range.from.to_string(), range.to.to_string());
    let (mut page, mut octets, mut looked_at, mut next) = (Page::default(), 0, 0, begin);
    while let Some(row) = rows.next()? {
        looked_at += 1;
        next = row.get::<_, u64>(0)? + 1;
        let time = row.get_ref(2)?.as_bytes()?;
        if from.as_bytes() <= time && time < to.as_bytes() {
            let line = line(row)?;
            octets += line.get().len() + 1;
            page.lines.push(line);
        }
        if octets >= PAGE_OCTETS {
            break;
        }
    }
    let ended = next > last || (octets < PAGE_OCTETS && looked_at < PAGE_ROWS);
    page.next = (!ended).then_some(next);
    Ok(page)
}

/// Records from `begin` on and before `end`, each with its number, as lines: as many as make a page.
pub fn from(connection: &Connection, begin: u64, end: u64) -> rusqlite::Result<Vec<(u64, Digest, Box<RawValue>)>> {
    let sql = format!("{COLUMNS} WHERE seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![begin, end, PAGE_ROWS])?;
    let (mut lines, mut octets) = (Vec::new(), 0);
    while octets < PAGE_OCTETS
        && let Some(row) = rows.next()?
    {
        let line = line(row)?;
        octets += line.get().len() + 1;
        lines.push((row.get(0)?, leaf_hash(row.get_ref(10)?.as_blob()?), line));
    }
    Ok(lines)
}

/// A row of [`COLUMNS`] as its line, whatever stands in it.
pub fn line(row: &Row<'_>) -> rusqlite::Result<Box<RawValue>> {
    let text = |index: usize| -> rusqlite::Result<String> {
        Ok(String::from_utf8_lossy(row.get_ref(index)?.as_bytes()?).into_owned())
    };
    let columns = (1..=9).map(|index| Ok(row.get_ref(index)?.as_bytes()?)).collect::<rusqlite::Result<Vec<&[u8]>>>()?;
    let told = columns.iter().all(|column| std::str::from_utf8(column).is_ok());
    let octets = row.get_ref(10)?.as_blob()?;
    let record = std::str::from_utf8(octets).ok();
    let line = ExportLine {
        seq: row.get(0)?,
        event_id: text(1)?,
        created_at: text(2)?,
        actor: text(3)?,
        actor_type: text(4)?,
        action: text(5)?,
        category: text(6)?,
        resource_type: text(7)?,
        resource_id: text(8)?,
        details: json(text(9)?).map_err(unwritable)?,
        record_sha256: leaf_hash(octets),
        record: record.map(str::to_owned),
        record_base64: record.is_none().then(|| BASE64.encode(octets)),
        columns_base64: (!told).then(|| columns.iter().map(|column| BASE64.encode(column)).collect()),
    };
    serde_json::value::to_raw_value(&line).map_err(unwritable)
}

/// Canonical JSON as it stands; anything else, which only a damaged ledger has, as a string.
fn json(details: String) -> serde_json::Result<Box<RawValue>> {
    // White space behind it would not come over.
    if details.starts_with('{')
        && details.ends_with('}')
        && !details.contains(|c: char| c.is_control())
        && let Ok(value) = RawValue::from_string(details.clone())
    {
        return Ok(value);
    }
    serde_json::value::to_raw_value(&details)
}

fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.into())
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
