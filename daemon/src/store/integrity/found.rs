//! What was found: each certificate that is looked after is one that the ledger says was found, and none is missing.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension};

use crate::store::open::OpenError;

/// Rows that their record does not know, and records without their row. Records from before the first row are of an
/// inventory that a step down of the schema has forgotten.
const LOOKS: [(&str, &str); 6] = [
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
    (
        "SELECT f.id FROM found_certificates f JOIN audit_events a ON a.seq = f.seq
         JOIN inventory_certificates c ON c.sha256 = f.sha256
         WHERE a.details ->> '$.not_after' IS NOT c.not_after
            OR a.details ->> '$.source' IS NOT f.source OR a.details ->> '$.owner_uid' IS NOT f.owner_uid
            OR f.usable_until > c.not_after
            OR (f.version = 1 AND a.details ->> '$.usable_until' IS NOT f.usable_until) LIMIT 1",
        "does not end, or belong, as was recorded when it was found",
    ),
    (
        "SELECT f.id FROM found_certificates f LEFT JOIN audit_events a ON a.seq = f.given_seq
         WHERE f.given_seq IS NOT NULL AND (a.action IS NOT 'certificate_assigned' OR a.resource_id IS NOT f.id
            OR a.details ->> '$.to_uid' IS NOT f.given_uid OR a.details ->> '$.to_account' IS NOT f.given_account
            OR a.details ->> '$.to_person' IS NOT f.given_person)
         UNION ALL SELECT a.resource_id FROM audit_events a WHERE a.action = 'certificate_assigned'
         AND a.seq > (SELECT min(seq) FROM found_certificates)
         AND NOT EXISTS (SELECT 1 FROM found_certificates f WHERE f.id = a.resource_id AND f.given_seq >= a.seq) LIMIT 1",
        "belongs to somebody else than was recorded",
    ),
    (
        "SELECT f.id FROM found_certificates f WHERE f.retired IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM audit_events a WHERE a.resource_id = f.id AND a.action = 'certificate_retired'
             AND a.details ->> '$.version' = f.retired) LIMIT 1",
        "is not watched any more, and nobody has retired it",
    ),
    (
        "SELECT f.id FROM found_certificates f LEFT JOIN expiry_watch w ON w.certificate_id = f.id
         WHERE f.watched = (w.certificate_id IS NULL) OR w.version <> f.version OR w.not_after <> f.usable_until
         UNION ALL SELECT w.certificate_id FROM expiry_watch w
         WHERE NOT EXISTS (SELECT 1 FROM found_certificates f WHERE f.id = w.certificate_id)
           AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.id = w.certificate_id) LIMIT 1",
        "is not watched as it stands among what was found",
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
    // What stands there is what the fingerprint says.
    let mut statement = connection.prepare(
        "SELECT f.id, c.sha256, c.der FROM found_certificates f \
                                            JOIN inventory_certificates c ON c.sha256 = f.sha256",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (der, sha256): (Vec<u8>, String) = (row.get("der")?, row.get("sha256")?);
        if Digest::of(&[&der]).to_string() != sha256 {
            let id = Untrusted::new(row.get::<_, String>("id")?);
            let text = format!("{:.64} is another certificate than the one that was found", id.safe().to_string());
            return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
        }
    }
    Ok(None)
}
