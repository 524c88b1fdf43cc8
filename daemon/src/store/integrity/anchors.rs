//! What was signed of the ledger, and what came back from outside: the records are still those.

use std::collections::BTreeMap;

use countersign_proof::anchor::{Anchor, Roots, compare};
use countersign_proof::checkpoint::Log;
use countersign_proof::tree::root_at;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use super::Sieve;
use crate::checkpoint::take_back::shown_by;
use crate::ledger::verify::Verified;
use crate::store::open::OpenError;
use crate::store::rows::nodes::StoredNodes;
use crate::store::rows::{anchors, checkpoints};

/// Checkpoints and anchors as they were kept before the pass over the records began.
#[derive(Default)]
pub(super) struct Kept {
    heads: Vec<(u64, Digest, bool)>,
    anchors: Vec<(u64, Anchor)>,
    log: Option<Log>,
}

impl Kept {
    /// Reads them.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let keys = checkpoints::keys(connection)?;
        let log = keys.first().map(|first| Log::new(first.name().as_str(), keys.clone()));
        Ok(Self { heads: checkpoints::heads(connection)?, anchors: anchors::all(connection)?, log })
    }

    /// The sizes at which the pass has to keep the root.
    pub(super) fn sizes(&self) -> Vec<u64> {
        self.heads.iter().map(|(size, ..)| *size).chain(self.anchors.iter().map(|(_, anchor)| anchor.size())).collect()
    }

    /// Compares them with what the pass found. Roots from before the place where it began come from the stored nodes.
    pub(super) fn compare(
        &self,
        connection: &Connection,
        verified: &Verified,
        sieve: &mut Sieve,
    ) -> Result<Option<Damage>, OpenError> {
        let ledger = Passed { connection, size: verified.tail.size(), roots: &verified.roots };
        for (size, root, note_agrees) in &self.heads {
            if let Some(text) = of_head(&ledger, *size, root, *note_agrees)? {
                return Ok(Some(Damage { seq: size.checked_sub(1), rule: "checkpoint".into(), text }));
            }
        }
        for (seq, anchor) in &self.anchors {
            let Some(log) = &self.log else {
                let text = "an anchor is kept, and no key under which it could have been signed".to_owned();
                return Ok(Some(Damage { seq: Some(*seq), rule: "checkpoint".into(), text }));
            };
            let verdict = compare(&ledger, log, anchor)?;
            // One whose signature is wrong was exchanged: it is not what was brought.
            if anchors::verdict(&verdict).is_none() {
                let text = format!("the anchor is not the one that was brought: {verdict}");
                return Ok(Some(Damage { seq: Some(*seq), rule: "state".into(), text }));
            }
            if let Some(damage) = shown_by(&verdict) {
                let note = (*seq, anchors::note_sha256(connection, *seq)?);
                let beyond = sieve.anchor(connection, note, ledger.size, |size| ledger.root_at(size), damage)?;
                if beyond.is_some() {
                    return Ok(beyond);
                }
            }
        }
        Ok(None)
    }
}

fn of_head(ledger: &Passed<'_>, size: u64, root: &Digest, note_agrees: bool) -> rusqlite::Result<Option<String>> {
    if !note_agrees {
        return Ok(Some(format!("the note of the checkpoint of {size} records says something else")));
    }
    if size > ledger.size {
        return Ok(Some(format!("a checkpoint of {size} records was signed, {} are there", ledger.size)));
    }
    let found = ledger.root_at(size)?;
    Ok((found != *root)
        .then(|| format!("a checkpoint of {size} records was signed with the root {root}, theirs is {found}")))
}

/// The ledger as a pass over it left it.
struct Passed<'a> {
    connection: &'a Connection,
    size: u64,
    roots: &'a BTreeMap<u64, Digest>,
}

impl Roots for Passed<'_> {
    type Error = rusqlite::Error;

    fn size(&self) -> u64 {
        self.size
    }

    fn root_at(&self, size: u64) -> rusqlite::Result<Digest> {
        match self.roots.get(&size) {
            Some(root) => Ok(*root),
            None => root_at(&StoredNodes(self.connection), size),
        }
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

/// The first key or anchor that no record explains, or that a record tells of and that is gone.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    for sql in STATES {
        let found = connection
            .query_row(sql, [], |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?)))
            .optional()?;
        if let Some((what, is)) = found {
            let text = format!("{:.100} {is}", Untrusted::new(what.unwrap_or_default()).safe().to_string());
            return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
        }
    }
    let mut statement = connection.prepare("SELECT sha256, note FROM anchors")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sha256, note): (String, String) = (row.get(0)?, row.get(1)?);
        if Digest::of(&[note.as_bytes()]).to_string() != sha256 {
            let text = format!("the anchor {sha256:.64} is not the one that was brought");
            return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
        }
    }
    Ok(None)
}
