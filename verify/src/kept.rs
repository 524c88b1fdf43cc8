//! What was signed and sealed of a ledger, and what came back from outside, as its database keeps them: the records are still
//! those.

use countersign_proof::anchor::{Anchor, Roots, Verdict, compare};
use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::note::VerifierKey;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, OptionalExtension};

use crate::damage;
use crate::nodes::digest;

/// Checkpoints, archives and anchors as they were kept before a pass over the records begins.
#[derive(Default)]
pub struct Kept {
    heads: Vec<Head>,
    sealed: Vec<Sealed>,
    /// Each with its record and the digest of its note.
    anchors: Vec<(u64, Digest, Anchor)>,
    log: Option<Log>,
}

struct Head {
    size: u64,
    root: Digest,
    note_agrees: bool,
}

/// An archive as it was sealed.
struct Sealed {
    number: u64,
    /// The record behind the last.
    to_seq: u64,
    /// Of the tree over the first `to_seq` records.
    root: Digest,
    /// The record of it.
    seq: u64,
}

impl Kept {
    /// Reads them; archives where there is a table of them. The keys are those that the database names: they show that it agrees with itself, no more.
    ///
    /// # Errors
    /// The database cannot be read, or holds what is neither a key nor a checkpoint.
    pub fn read(connection: &Connection, with_archives: bool) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT vkey FROM checkpoint_keys ORDER BY id")?;
        let keys = statement.query_map([], |row| {
            row.get_ref(0)?.as_str()?.parse::<VerifierKey>().map_err(|error| unfit(0, error.to_string()))
        })?;
        let keys = keys.collect::<rusqlite::Result<Vec<VerifierKey>>>()?;
        let log = keys.first().map(|first| Log::new(first.name().as_str(), keys.iter().cloned()));

        let mut statement = connection.prepare("SELECT size, root, note FROM checkpoints ORDER BY size")?;
        let heads = statement.query_map([], |row| {
            let (size, root) = (row.get(0)?, digest(row, 1)?);
            let signed = SignedCheckpoint::parse(row.get_ref(2)?.as_str()?.as_bytes());
            let says = |signed: SignedCheckpoint| (signed.checkpoint().size(), signed.checkpoint().root());
            Ok(Head { size, root, note_agrees: signed.is_ok_and(|signed| says(signed) == (size, root)) })
        })?;
        let heads = heads.collect::<rusqlite::Result<_>>()?;

        let sealed = if with_archives { Sealed::all(connection)? } else { Vec::new() };

        let mut statement = connection.prepare("SELECT seq, note FROM anchors ORDER BY row")?;
        let anchors = statement.query_map([], |row| {
            let note = row.get_ref(1)?.as_str()?.as_bytes();
            let anchor = Anchor::parse(note).map_err(|error| unfit(1, error))?;
            Ok((row.get(0)?, Digest::of(&[note]), anchor))
        })?;
        Ok(Self { heads, sealed, anchors: anchors.collect::<rusqlite::Result<_>>()?, log })
    }

    /// The sizes at which the pass has to keep the root.
    pub fn sizes(&self) -> Vec<u64> {
        let heads = self.heads.iter().map(|head| head.size);
        let sealed = self.sealed.iter().map(|sealed| sealed.to_seq);
        heads.chain(sealed).chain(self.anchors.iter().map(|(.., anchor)| anchor.size())).collect()
    }

    /// Compares them with the ledger: the first that does not agree. `beyond` hears of each anchor that disagrees, by its
    /// record and the digest of its note, and returns what is not gone past.
    ///
    /// # Errors
    /// A root could not be read, or that of `beyond`.
    pub fn compare<R: Roots, E: From<R::Error>>(
        &self,
        ledger: &R,
        mut beyond: impl FnMut((u64, Digest), Damage) -> Result<Option<Damage>, E>,
    ) -> Result<Option<Damage>, E> {
        for head in &self.heads {
            if let Some(text) = head.compare(ledger)? {
                return Ok(Some(damage(head.size.checked_sub(1), "checkpoint", text)));
            }
        }
        for sealed in &self.sealed {
            if let Some(found) = sealed.compare(ledger)? {
                return Ok(Some(found));
            }
        }
        for (seq, note, anchor) in &self.anchors {
            let Some(log) = &self.log else {
                let text = "an anchor is kept, and no key under which it could have been signed".to_owned();
                return Ok(Some(damage(Some(*seq), "checkpoint", text)));
            };
            match compare(ledger, log, anchor)? {
                Verdict::Equal { .. } => {}
                verdict @ (Verdict::Ahead { .. } | Verdict::Different { .. }) => {
                    let found = beyond((*seq, *note), damage(None, "anchor", verdict.to_string()))?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                // One whose signature is wrong was exchanged: it is not what was brought.
                verdict @ Verdict::Unusable(_) => {
                    let text = format!("the anchor is not the one that was brought: {verdict}");
                    return Ok(Some(damage(Some(*seq), "state", text)));
                }
            }
        }
        Ok(None)
    }
}

impl Head {
    fn compare<R: Roots>(&self, ledger: &R) -> Result<Option<String>, R::Error> {
        let Self { size, root, note_agrees } = self;
        if !note_agrees {
            return Ok(Some(format!("the note of the checkpoint of {size} records says something else")));
        }
        if *size > ledger.size() {
            return Ok(Some(format!("a checkpoint of {size} records was signed, {} are there", ledger.size())));
        }
        let found = ledger.root_at(*size)?;
        Ok((found != *root)
            .then(|| format!("a checkpoint of {size} records was signed with the root {root}, theirs is {found}")))
    }
}

impl Sealed {
    fn all(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let mut statement =
            connection.prepare("SELECT number, to_seq, root, seq FROM ledger_archives ORDER BY number")?;
        let rows = statement.query_map([], |row| {
            Ok(Self { number: row.get(0)?, to_seq: row.get(1)?, root: digest(row, 2)?, seq: row.get(3)? })
        })?;
        rows.collect()
    }

    fn compare<R: Roots>(&self, ledger: &R) -> Result<Option<Damage>, R::Error> {
        let Self { number, to_seq, root, seq } = self;
        let found = if *to_seq > ledger.size() { None } else { Some(ledger.root_at(*to_seq)?) };
        Ok((found != Some(*root)).then(|| {
            let text = format!("archive {number} was sealed of other records than the first {to_seq} that are there");
            damage(Some(*seq), "archive", text)
        }))
    }
}

/// Each key and each anchor has its record, and the other way round.
const STATES: &[&str] = &[
    "SELECT k.vkey, 'is no key that the ledger tells of' FROM checkpoint_keys k LEFT JOIN audit_events a ON a.seq = k.seq
     WHERE a.details ->> '$.checkpoint_key' IS NOT k.vkey
        OR a.action IS NOT (CASE k.id WHEN 1 THEN 'daemon_started' ELSE 'checkpoint_key_changed' END) LIMIT 1",
    "SELECT a.details ->> '$.checkpoint_key', 'is a key that is gone' FROM audit_events a
     WHERE a.action = 'checkpoint_key_changed' AND NOT EXISTS (SELECT 1 FROM checkpoint_keys k WHERE k.seq = a.seq)
     LIMIT 1",
    "SELECT n.sha256, 'is an anchor that nobody brought' FROM anchors n LEFT JOIN audit_events a ON a.seq = n.seq
     WHERE a.action IS NOT 'anchor_added' OR a.details ->> '$.note_sha256' IS NOT n.sha256
        OR a.details ->> '$.size' IS NOT n.size OR a.details ->> '$.verdict' IS NOT n.verdict
        OR a.details ->> '$.root_sha256' IS NOT lower(hex(n.root)) OR a.created_at IS NOT n.added_at LIMIT 1",
    "SELECT a.details ->> '$.note_sha256', 'is an anchor that is gone' FROM audit_events a
     WHERE a.action = 'anchor_added' AND NOT EXISTS (SELECT 1 FROM anchors n WHERE n.seq = a.seq) LIMIT 1",
];

/// The same of each archive.
const ARCHIVES: &[&str] = &[
    "SELECT n.number, 'is an archive that nobody sealed' FROM ledger_archives n LEFT JOIN audit_events a ON a.seq = n.seq
     WHERE a.action IS NOT 'ledger_sealed' OR a.details ->> '$.archive' IS NOT n.number
        OR a.details ->> '$.from_seq' IS NOT n.from_seq OR a.details ->> '$.to_seq' IS NOT n.to_seq
        OR a.details ->> '$.root_sha256' IS NOT lower(hex(n.root))
        OR a.details ->> '$.file_sha256' IS NOT lower(hex(n.sha256))
        OR a.details ->> '$.octets' IS NOT n.octets OR a.created_at IS NOT n.sealed_at LIMIT 1",
    "SELECT a.details ->> '$.archive', 'is an archive that is gone' FROM audit_events a
     WHERE a.action = 'ledger_sealed' AND NOT EXISTS (SELECT 1 FROM ledger_archives n WHERE n.seq = a.seq) LIMIT 1",
];

/// Where there is no table of them, no record may tell of one.
const NO_ARCHIVES: &[&str] = &["SELECT a.details ->> '$.archive', 'is an archive that is gone' FROM audit_events a
     WHERE a.action = 'ledger_sealed' LIMIT 1"];

/// The first key, archive or anchor that no record explains, or that a record tells of and that is gone.
///
/// # Errors
/// The database cannot be read.
pub fn check(connection: &Connection, with_archives: bool) -> rusqlite::Result<Option<Damage>> {
    for sql in STATES.iter().chain(if with_archives { ARCHIVES } else { NO_ARCHIVES }) {
        let found =
            connection.query_row(sql, [], |row| Ok((named(row.get(0)?), row.get::<_, String>(1)?))).optional()?;
        if let Some((what, is)) = found {
            let text = format!("{:.100} {is}", Untrusted::new(what).safe().to_string());
            return Ok(Some(damage(None, "state", text)));
        }
    }
    let mut statement = connection.prepare("SELECT sha256, note FROM anchors")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sha256, note): (String, String) = (row.get(0)?, row.get(1)?);
        if Digest::of(&[note.as_bytes()]).to_string() != sha256 {
            let text =
                format!("the anchor {:.64} is not the one that was brought", Untrusted::new(sha256).safe().to_string());
            return Ok(Some(damage(None, "state", text)));
        }
    }
    Ok(None)
}

/// What a row says that it is of: a text or a number.
fn named(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        Value::Integer(number) => number.to_string(),
        Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
    }
}

fn unfit(column: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}
