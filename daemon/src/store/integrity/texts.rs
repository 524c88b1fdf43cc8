//! Free texts: each that is kept is the one whose salted digest the ledger holds. An erased one is empty, and says
//! nothing.

use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use crate::store::open::OpenError;
use crate::store::transaction::salted;

/// Each text with its salt, and the digest under which it was agreed to or recorded.
const TEXTS: &[(&str, &str)] = &[
    (
        "SELECT m.request_id AS id, m.text AS text, m.text_salt AS salt,
                coalesce(a.details ->> '$.text_sha256', a.details ->> '$.reason_sha256') AS sha256
         FROM remarks m LEFT JOIN audit_events a ON a.seq = m.seq WHERE m.text <> ''",
        "a remark on",
    ),
    (
        "SELECT d.request_id AS id, d.note AS text, d.note_salt AS salt, a.details ->> '$.note_sha256' AS sha256
         FROM decisions d LEFT JOIN audit_events a ON a.seq = d.seq WHERE d.note <> ''",
        "a note on",
    ),
    // A submission's digest is part of the content that is agreed to.
    (
        "SELECT s.digest AS id, s.reason AS text, s.reason_salt AS salt, s.reason_sha256 AS sha256
         FROM submissions s WHERE s.reason <> ''",
        "the reason of content",
    ),
    (
        "SELECT p.request_id AS id, p.reason AS text, p.reason_salt AS salt, p.reason_sha256 AS sha256
         FROM proposals p WHERE p.reason <> ''",
        "the reason of",
    ),
];

/// Reads every text; the first that is not what was recorded is the damage.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    for (query, what) in TEXTS {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (text, salt): (String, Vec<u8>) = (row.get("text")?, row.get("salt")?);
            let recorded: Option<String> = row.get("sha256")?;
            if recorded != Some(salted(&salt, &text).to_string()) {
                let id: String = row.get("id")?;
                let text = format!("{what} {} is not the text that was recorded", Untrusted::new(id).safe());
                return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
            }
        }
    }
    Ok(None)
}
