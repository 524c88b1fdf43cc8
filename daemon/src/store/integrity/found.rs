//! What was found: each certificate that is looked after is one that the ledger says was found, and none is missing.

use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use crate::store::open::OpenError;

/// Rows that their record does not know, and records without their row. Records from before the first row are of an
/// inventory that a step down of the schema has forgotten.
const LOOKS: [(&str, &str); 2] = [
    (
        "SELECT f.id FROM found_certificates f LEFT JOIN audit_events a ON a.seq = f.seq
         WHERE a.action IS NOT 'certificate_imported' OR a.resource_id IS NOT f.id
            OR a.details ->> '$.sha256' IS NOT f.sha256 LIMIT 1",
        "is not the certificate that was recorded as found",
    ),
    (
        "SELECT a.resource_id FROM audit_events a WHERE a.action = 'certificate_imported'
         AND a.seq > (SELECT min(seq) FROM found_certificates)
         AND NOT EXISTS (SELECT 1 FROM found_certificates f WHERE f.seq = a.seq) LIMIT 1",
        "was recorded as found and is there no more",
    ),
];

/// The first that is not in order is the damage.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    for (query, what) in LOOKS {
        let id: Option<String> = connection.query_row(query, [], |row| row.get(0)).optional()?;
        if let Some(id) = id {
            let text = format!("{:.64} {what}", Untrusted::new(id).safe().to_string());
            return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
        }
    }
    Ok(None)
}
