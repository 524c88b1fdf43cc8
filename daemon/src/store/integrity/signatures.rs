//! Signed decisions: each signature is there and is one of what was decided, and the ledger that its signer saw is still the
//! one that there was.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_verify::signed::{self, Head};
use rusqlite::{Connection, OptionalExtension};

use crate::store::open::OpenError;

/// States of the ledger that were signed, as they were kept before the pass over the records began.
#[derive(Default)]
pub(super) struct Heads(Vec<Head>);

impl Heads {
    /// Reads them.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        signed::heads(connection).map(Self)
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

/// The first signature that is gone, or that is none.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    let gone: Option<u64> = connection
        .query_row(
            "SELECT a.seq FROM audit_events a WHERE a.action IN ('approval_approved', 'approval_rejected')
                AND a.details ->> '$.signature_sha256' IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM decision_signatures s WHERE s.seq = a.seq) LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(seq) = gone {
        return Ok(Some(state(seq, "lacks its signature")));
    }
    let mut damage = None;
    let looked = signed::each::<rusqlite::Error>(connection, 0, |kept| {
        damage = kept.check().err().map(|why| state(kept.seq, &format!("has a signature that is none: {why}")));
        Ok(damage.is_none())
    });
    match looked {
        // What cannot be read as a signed decision is none.
        Err(rusqlite::Error::FromSqlConversionFailure(_, _, why)) => {
            let text = format!("a signed decision cannot be read: {why}");
            Ok(Some(Damage { seq: None, rule: "state".into(), text }))
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(damage),
    }
}

fn state(seq: u64, what: &str) -> Damage {
    Damage { seq: Some(seq), rule: "state".into(), text: format!("the decision in record {seq} {what}") }
}
