//! What was signed of the ledger, and what came back from outside: the records are still those.

use std::collections::BTreeMap;

use countersign_proof::anchor::Roots;
use countersign_proof::tree::root_at;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
pub(super) use countersign_verify::kept::Kept;
use rusqlite::Connection;

use super::Sieve;
use super::signatures::Heads;
use crate::ledger::verify::Verified;
use crate::store::open::OpenError;
use crate::store::rows::nodes::StoredNodes;

/// Compares them with what the pass found, and what was signed with decisions. Roots from before the place where it began come
/// from the stored nodes.
pub(super) fn compare(
    kept: &Kept,
    signed: &Heads,
    connection: &Connection,
    verified: &Verified,
    sieve: &mut Sieve,
) -> Result<Option<Damage>, OpenError> {
    let ledger = Passed { connection, size: verified.tail.size(), roots: &verified.roots };
    let beyond = |brought: (u64, Digest), damage: Damage| -> rusqlite::Result<Option<Damage>> {
        sieve.anchor(connection, brought, ledger.size, |size| ledger.root_at(size), damage)
    };
    if let Some(damage) = kept.compare(&ledger, beyond)? {
        return Ok(Some(damage));
    }
    Ok(signed.compare(ledger.size, |size| ledger.root_at(size))?)
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

/// The first key, archive or anchor that no record explains, or that a record tells of and that is gone.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    Ok(countersign_verify::kept::check(connection, true)?)
}
