//! `anchors`: checkpoints that came back from outside, and how far they reach.

use countersign_proof::anchor::{Anchor, Verdict};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{AnchorRow, AnchorVerdict, AuditAction};
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::nodes::digest;
use super::page::{Conditions, Window, cut};
use super::{parsed, unfit};

/// An anchor that is to be kept.
pub struct NewAnchor<'a> {
    /// Of the note.
    pub sha256: Digest,
    /// How many records it is of.
    pub size: u64,
    /// Their root, as it says.
    pub root: Digest,
    /// The note, with those signatures alone that are known to be right.
    pub note: &'a str,
    /// What it says of the ledger.
    pub verdict: AnchorVerdict,
    /// The record of it.
    pub seq: u64,
}

/// How far the ledger is anchored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// So many records are anchored, from the first on.
    pub anchored: u64,
    /// When the oldest of the others was written, those apart that only tell of anchors.
    pub since: Option<Timestamp>,
}

/// The word for a verdict that an anchor can have which is one of this ledger.
pub fn verdict(verdict: &Verdict) -> Option<AnchorVerdict> {
    match verdict {
        Verdict::Equal { .. } => Some(AnchorVerdict::Equal),
        Verdict::Ahead { .. } => Some(AnchorVerdict::Ahead),
        Verdict::Different { .. } => Some(AnchorVerdict::Different),
        Verdict::Unusable(_) => None,
    }
}

/// Keeps one.
pub fn insert(connection: &Connection, anchor: &NewAnchor<'_>, now: Timestamp) -> rusqlite::Result<()> {
    let NewAnchor { sha256, size, root, note, verdict, seq } = anchor;
    connection
        .prepare_cached(
            "INSERT INTO anchors (row, sha256, size, root, note, verdict, added_at, seq)
             SELECT coalesce(max(row), 0) + 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7 FROM anchors",
        )?
        .execute(params![sha256.to_string(), size, root.as_bytes(), note, verdict.as_str(), now.to_string(), seq])?;
    Ok(())
}

/// True where the note with this digest is kept.
pub fn knows(connection: &Connection, sha256: &Digest) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM anchors WHERE sha256 = ?1")?
        .query_row([sha256.to_string()], |_| Ok(()))
        .optional()
        .map(|row| row.is_some())
}

/// Every anchor, in the order in which they came, each with the sequence number of its record.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<(u64, Anchor)>> {
    let mut statement = connection.prepare_cached("SELECT seq, note FROM anchors ORDER BY row")?;
    let rows = statement.query_map([], |row| {
        let anchor = Anchor::parse(row.get_ref(1)?.as_str()?.as_bytes()).map_err(|error| unfit(1, error))?;
        Ok((row.get(0)?, anchor))
    })?;
    rows.collect()
}

/// The digest of the note that the record `seq` brought.
pub fn note_sha256(connection: &Connection, seq: u64) -> rusqlite::Result<Digest> {
    connection
        .prepare_cached("SELECT sha256 FROM anchors WHERE seq = ?1")?
        .query_row([seq], |row| parsed(row, "sha256"))
}

/// A page, newest first.
pub fn page(connection: &Connection, window: Window) -> rusqlite::Result<(Vec<AnchorRow>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("n.row < ?", window.before);
    let sql = format!(
        "SELECT n.row, n.size, n.root, n.note, n.verdict, n.added_at, n.seq, a.actor FROM anchors n
         JOIN audit_events a ON a.seq = n.seq{} ORDER BY n.row DESC LIMIT {}",
        conditions.sql(),
        window.limit + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| {
        let found = AnchorRow {
            size: row.get("size")?,
            root_sha256: digest(row, 2)?,
            note: row.get("note")?,
            verdict: parsed(row, "verdict")?,
            added_at: parsed(row, "added_at")?,
            added_by: row.get("actor")?,
            seq: row.get("seq")?,
        };
        Ok((row.get("row")?, found))
    })?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, AnchorRow)>>>()?;
    let next = cut(&mut rows, window.limit);
    Ok((rows.into_iter().map(|(_, row)| row).collect(), next))
}

/// How far the ledger is anchored as `connection` sees it.
pub fn standing(connection: &Connection) -> rusqlite::Result<Standing> {
    let anchored = connection
        .prepare_cached("SELECT coalesce(max(size), 0) FROM anchors WHERE verdict = 'equal'")?
        .query_row([], |row| row.get(0))?;
    let since = connection
        .prepare_cached("SELECT created_at FROM audit_events WHERE seq >= ?1 AND action <> ?2 ORDER BY seq LIMIT 1")?
        .query_row(params![anchored, AuditAction::AnchorAdded.as_str()], |row| parsed(row, "created_at"))
        .optional()?;
    Ok(Standing { anchored, since })
}
