//! Proposed policies: each is the one that people were asked about, and one that took force was agreed to.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use crate::store::open::OpenError;
use crate::store::rows::proposals;

/// A policy that no approved request of the ledger led to.
const NOT_AGREED: &str = "SELECT p.version FROM policies p JOIN audit_events a ON a.seq = p.seq
     LEFT JOIN approval_requests r ON r.id = a.details ->> '$.request' AND r.state = 'approved'
     LEFT JOIN proposals o ON o.request_id = r.id AND o.sha256 = p.sha256 AND o.base_version = p.version - 1
     LEFT JOIN audit_events v ON v.seq = a.details ->> '$.approved_seq' AND v.action = 'approval_approved'
         AND v.resource_id = r.id AND v.details ->> '$.state' = 'approved' AND v.seq = r.seq
     WHERE a.action = 'policy_changed' AND (o.request_id IS NULL OR v.seq IS NULL) LIMIT 1";

/// A change of the policy that proposes nothing.
const EMPTY: &str = "SELECT r.id FROM approval_requests r LEFT JOIN proposals p ON p.request_id = r.id
     WHERE (r.kind = 'policy_change') <> (p.request_id IS NOT NULL) LIMIT 1";

/// Reads every proposal.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    let damage = |text: String| Ok(Some(Damage { seq: None, rule: "state".into(), text }));
    let empty: Option<String> = connection.query_row(EMPTY, [], |row| row.get(0)).optional()?;
    if let Some(id) = empty {
        return damage(format!("what {} proposes is not there", Untrusted::new(id).safe()));
    }
    let other = |id: String, digest: Digest, proposal: proposals::Proposal| {
        (!proposal.is_what_was_agreed(&digest)).then_some(id)
    };
    if let Some(id) = proposals::find(connection, other)? {
        let id = Untrusted::new(id);
        return damage(format!("{} does not propose the policy that people were asked about", id.safe()));
    }
    let not_agreed: Option<u32> = connection.query_row(NOT_AGREED, [], |row| row.get(0)).optional()?;
    match not_agreed {
        Some(version) => damage(format!("no request that was approved led to policy {version}")),
        None => Ok(None),
    }
}
