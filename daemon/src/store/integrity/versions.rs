//! Issued certificates: each chain that is kept begins with the certificate that the ledger names.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::Sieve;
use crate::store::open::OpenError;
use crate::x509::pem;

/// Each version beside what its record says of it; a quarantined certificate is recorded by its digest alone.
const VERSIONS: &str = "SELECT v.certificate_id, v.version, v.chain_pem, v.sha256, v.serial, v.spki_sha256,
        coalesce(a.details ->> '$.sha256', a.details ->> '$.quarantined_sha256') AS recorded_sha256,
        coalesce(a.details ->> '$.serial', v.serial) AS recorded_serial,
        coalesce(a.details ->> '$.spki_sha256', v.spki_sha256) AS recorded_spki
     FROM certificate_versions v LEFT JOIN audit_events a ON a.seq = v.seq";

/// Reads every chain; the first that is not what was recorded is the damage.
pub(super) fn check(connection: &Connection, sieve: &mut Sieve) -> Result<Option<Damage>, OpenError> {
    let mut statement = connection.prepare(VERSIONS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let chain: String = row.get("chain_pem")?;
        let same = |ours: &str, recorded: &str| -> rusqlite::Result<bool> {
            Ok(row.get::<_, Option<String>>(ours)? == row.get::<_, Option<String>>(recorded)?)
        };
        let as_recorded = leaf_sha256(&chain) == row.get("recorded_sha256")?
            && same("sha256", "recorded_sha256")?
            && same("serial", "recorded_serial")?
            && same("spki_sha256", "recorded_spki")?;
        if !as_recorded {
            let (id, version): (String, u32) = (row.get("certificate_id")?, row.get("version")?);
            let shown = Untrusted::from(id.as_str());
            let text = format!("version {version} of {} is not the certificate that was recorded", shown.safe());
            let damage = sieve.state(connection, &id, Damage { seq: None, rule: "state".into(), text })?;
            if damage.is_some() {
                return Ok(damage);
            }
        }
    }
    Ok(None)
}

fn leaf_sha256(chain: &str) -> Option<String> {
    let blocks = pem::blocks(chain, crate::x509::certificate::MAX_CHAIN).ok()?;
    blocks.first().map(|leaf| Digest::of(&[&leaf.der]).to_string())
}
