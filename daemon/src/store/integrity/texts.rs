//! Free texts: each that is kept is the one whose salted digest the ledger holds. An erased one is gone with its
//! salt, and a record says so.

use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::Sieve;
use crate::store::open::OpenError;
use crate::store::transaction::salted;

/// Each text with its salt, the digest under which it was agreed to or recorded, and whether people had it erased.
const TEXTS: &[(&str, &str)] = &[
    (
        "SELECT m.request_id AS id, m.text AS text, m.text_salt AS salt,
                coalesce(a.details ->> '$.text_sha256', a.details ->> '$.reason_sha256') AS sha256,
                EXISTS (SELECT 1 FROM erasures e WHERE e.seq = m.seq AND e.what <> 'note') AS erased
         FROM remarks m LEFT JOIN audit_events a ON a.seq = m.seq",
        "a remark on",
    ),
    (
        "SELECT d.request_id AS id, d.note AS text, d.note_salt AS salt, a.details ->> '$.note_sha256' AS sha256,
                EXISTS (SELECT 1 FROM erasures e WHERE e.seq = d.seq AND e.what = 'note') AS erased
         FROM decisions d LEFT JOIN audit_events a ON a.seq = d.seq",
        "a note on",
    ),
    // A submission's digest is part of the content that is agreed to.
    (
        "SELECT s.digest AS id, s.reason AS text, s.reason_salt AS salt, s.reason_sha256 AS sha256,
                EXISTS (SELECT 1 FROM erasures e WHERE e.sha256 = s.reason_sha256 AND e.what = 'reason') AS erased
         FROM submissions s WHERE s.reason_sha256 IS NOT NULL OR s.reason <> ''",
        "the reason of content",
    ),
    (
        "SELECT p.request_id AS id, p.reason AS text, p.reason_salt AS salt, p.reason_sha256 AS sha256,
                EXISTS (SELECT 1 FROM erasures e WHERE e.sha256 = p.reason_sha256 AND e.what = 'reason') AS erased
         FROM proposals p",
        "the reason of",
    ),
    (
        "SELECT d.id AS id, d.reason AS text, d.reason_salt AS salt, a.details ->> '$.reason_sha256' AS sha256,
                EXISTS (SELECT 1 FROM erasures e WHERE e.seq = d.seq AND e.what = 'reason') AS erased
         FROM delegations d LEFT JOIN audit_events a ON a.seq = d.seq",
        "the reason of",
    ),
    (
        "SELECT a.resource_id AS id, r.reason AS text, r.reason_salt AS salt, a.details ->> '$.reason_sha256' AS sha256,
                0 AS erased
         FROM erasure_reasons r LEFT JOIN audit_events a ON a.seq = r.seq",
        "why people erased",
    ),
];

/// Reads every text; the first that is not what was recorded is the damage.
pub(super) fn check(connection: &Connection, sieve: &mut Sieve) -> Result<Option<Damage>, OpenError> {
    for (query, what) in TEXTS {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (text, salt): (String, Vec<u8>) = (row.get("text")?, row.get("salt")?);
            let (recorded, erased): (Option<String>, bool) = (row.get("sha256")?, row.get("erased")?);
            let as_recorded = match &recorded {
                Some(recorded) => *recorded == salted(&salt, &text).to_string(),
                None => text.is_empty(),
            };
            let gone = text.is_empty() && salt.is_empty();
            // What was erased is gone, and what is gone was erased.
            let in_order = if erased { gone } else { as_recorded };
            if !in_order {
                let id: Option<String> = row.get("id")?;
                let id = id.unwrap_or_default();
                let shown = Untrusted::from(id.as_str());
                let is = if erased { "was erased and is there" } else { "is not the text that was recorded" };
                let text = format!("{what} {} {is}", shown.safe());
                let damage = sieve.state(connection, &id, Damage { seq: None, rule: "state".into(), text })?;
                if damage.is_some() {
                    return Ok(damage);
                }
            }
        }
    }
    Ok(None)
}
