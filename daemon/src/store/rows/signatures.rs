//! `decision_signatures`: signatures of decisions, as they were given. [`countersign_verify::signed`] reads them.

use countersign_proof::sshsig::PublicKey;
use countersign_shared::decision_text::Seen;
use rusqlite::{Connection, params};

/// A signature that is given now.
pub struct NewSignature<'a> {
    /// The decision's record.
    pub seq: u64,
    /// Armored.
    pub sshsig: &'a str,
    /// The key.
    pub key: &'a PublicKey,
    /// The ledger as the signer saw it.
    pub seen: &'a Seen,
}

/// Stores one, behind its decision.
pub fn insert(connection: &Connection, new: &NewSignature<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO decision_signatures (seq, signature, key, key_fingerprint, origin, size, root)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            new.seq,
            new.sshsig,
            new.key.to_string(),
            new.key.fingerprint(),
            new.seen.origin,
            new.seen.size,
            new.seen.root.as_bytes(),
        ])?;
    Ok(())
}
