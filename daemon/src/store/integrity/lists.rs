//! Lists of what was revoked: each that is kept is the one whose digest the ledger holds.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use crate::store::open::OpenError;

/// Reads every list; the first that is not what was recorded is the damage. That its digest is the recorded one, the
/// state was compared with already.
pub(super) fn check(connection: &Connection) -> Result<Option<Damage>, OpenError> {
    let mut statement = connection.prepare("SELECT issuer, number, sha256, der FROM crls")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sha256, der): (String, Vec<u8>) = (row.get("sha256")?, row.get("der")?);
        if Digest::of(&[&der]).to_string() != sha256 {
            let (issuer, number): (String, u64) = (row.get("issuer")?, row.get("number")?);
            let text =
                format!("list {number} of {:.64} is not the list that was recorded", Untrusted::new(issuer).safe());
            return Ok(Some(Damage { seq: None, rule: "state".into(), text }));
        }
    }
    Ok(None)
}
