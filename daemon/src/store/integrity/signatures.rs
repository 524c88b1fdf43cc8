//! Signed decisions and voices: each signature is there and is one of what was decided, and the ledger that its signer saw is
//! still the one that there was.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_verify::signed::{self, Head};
use countersign_verify::voices;
use rusqlite::{Connection, OptionalExtension};

use super::Sieve;
use crate::store::open::OpenError;

/// States of the ledger that were signed, as they were kept before the pass over the records began.
#[derive(Default)]
pub(super) struct Heads(Vec<Head>);

impl Heads {
    /// Reads them.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut heads = signed::heads(connection)?;
        heads.extend(voices::heads(connection)?);
        Ok(Self(heads))
    }

    /// The sizes at which the pass has to keep the root.
    pub(super) fn sizes(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|head| head.size)
    }

    /// The first that the records are not.
    pub(super) fn compare(
        &self,
        size: u64,
        root_at: impl Fn(u64) -> rusqlite::Result<Digest>,
    ) -> rusqlite::Result<Option<Damage>> {
        for head in &self.0 {
            let found = if head.size <= size { Some(root_at(head.size)?) } else { None };
            if let Some(damage) = head.compare(found, size) {
                return Ok(Some(damage));
            }
        }
        Ok(None)
    }
}

/// The first signature that is gone, or that is none. One of a decision whose record is damaged says nothing.
pub(super) fn check(connection: &Connection, sieve: &mut Sieve) -> Result<Option<Damage>, OpenError> {
    let mut statement = connection.prepare(
        "SELECT a.seq FROM audit_events a WHERE a.action IN ('approval_approved', 'approval_rejected')
            AND a.details ->> '$.signature_sha256' IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM decision_signatures s WHERE s.seq = a.seq)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found = beyond(connection, sieve, row.get(0)?, "lacks its signature")?;
        if found.is_some() {
            return Ok(found);
        }
    }
    let mut damage = None;
    signed::each_wrong::<rusqlite::Error>(connection, |seq, why| {
        damage = beyond(connection, sieve, seq, &format!("has a signature that is none: {why}"))?;
        Ok(damage.is_none())
    })?;
    if damage.is_none() {
        voices::each_wrong::<rusqlite::Error>(connection, |seq, why| {
            let text = format!("a voice in record {seq} {why}");
            let found = Damage { seq: Some(seq), rule: "state".into(), text };
            damage = sieve.of_record(connection, seq, found)?;
            Ok(damage.is_none())
        })?;
    }
    Ok(damage)
}

fn beyond(connection: &Connection, sieve: &mut Sieve, seq: u64, what: &str) -> rusqlite::Result<Option<Damage>> {
    let damage = Damage { seq: Some(seq), rule: "state".into(), text: format!("the decision in record {seq} {what}") };
    let request: Option<String> =
        connection.query_row("SELECT request_id FROM decisions WHERE seq = ?1", [seq], |row| row.get(0)).optional()?;
    match request {
        Some(id) => sieve.state(connection, &id, damage),
        None => Ok(Some(damage)),
    }
}
