//! `decision_signatures`, `voice_signatures`: signatures of decisions and of voices, as they were given.
//! [`countersign_verify::signed`] and [`countersign_verify::voices`] read them.

use countersign_proof::sshsig::PublicKey;
use countersign_shared::decision_text::{Salt, Seen};
use rusqlite::{Connection, params};

/// A signature that is given now.
pub struct NewSignature<'a> {
    /// The record of the decision or voice.
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

/// Stores that of a voice: which of the voices of its record, and what of its text no record has.
pub fn insert_voice(
    connection: &Connection,
    new: &NewSignature<'_>,
    (index, account, salt): (u32, &str, &Salt),
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO voice_signatures (seq, idx, account, signature, key, key_fingerprint, salt, origin, size, root)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            new.seq,
            index,
            account,
            new.sshsig,
            new.key.to_string(),
            new.key.fingerprint(),
            salt.as_bytes(),
            new.seen.origin,
            new.seen.size,
            new.seen.root.as_bytes(),
        ])?;
    Ok(())
}
