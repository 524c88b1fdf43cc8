//! `checkpoint_keys`, `checkpoints`, `checkpoint_signatures`: what was signed of the ledger, under which keys.

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::{SignatureLine, VerifierKey};
use countersign_shared::digest::Digest;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::nodes::digest;
use super::{parsed, unfit};

/// A checkpoint as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many records it is of.
    pub size: u64,
    /// Their root.
    pub root: Digest,
    /// The note with the ledger's own signatures.
    pub signed: SignedCheckpoint,
    /// When it was signed.
    pub made_at: Timestamp,
}

/// The keys under which checkpoints were signed, the first one first.
pub fn keys(connection: &Connection) -> rusqlite::Result<Vec<VerifierKey>> {
    let mut statement = connection.prepare_cached("SELECT vkey FROM checkpoint_keys ORDER BY id")?;
    let rows = statement.query_map([], |row| parsed(row, "vkey"))?;
    rows.collect()
}

/// Adds the key that is in use from now on, which the record `seq` tells of.
pub fn adopt_key(connection: &Connection, key: &VerifierKey, now: Timestamp, seq: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO checkpoint_keys (vkey, adopted_at, seq) VALUES (?1, ?2, ?3)")?
        .execute(params![key.to_string(), now.to_string(), seq])?;
    Ok(())
}

/// The newest checkpoint.
pub fn newest(connection: &Connection) -> rusqlite::Result<Option<Checkpoint>> {
    connection
        .prepare_cached("SELECT size, root, note, made_at FROM checkpoints ORDER BY size DESC LIMIT 1")?
        .query_row([], read)
        .optional()
}

/// The one of this size.
pub fn of_size(connection: &Connection, size: u64) -> rusqlite::Result<Option<Checkpoint>> {
    connection
        .prepare_cached("SELECT size, root, note, made_at FROM checkpoints WHERE size = ?1")?
        .query_row([size], read)
        .optional()
}

/// Keeps one that was signed.
pub fn insert(connection: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let Checkpoint { size, root, signed, made_at } = checkpoint;
    connection
        .prepare_cached("INSERT INTO checkpoints (size, root, note, made_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![size, root.as_bytes(), signed.to_string(), made_at.to_string()])?;
    Ok(())
}

/// The size and root of each, with whether its note says the same, in order.
pub fn heads(connection: &Connection) -> rusqlite::Result<Vec<(u64, Digest, bool)>> {
    let mut statement = connection.prepare_cached("SELECT size, root, note FROM checkpoints ORDER BY size")?;
    let rows = statement.query_map([], |row| {
        let (size, root) = (row.get(0)?, digest(row, 1)?);
        let signed = SignedCheckpoint::parse(row.get_ref(2)?.as_str()?.as_bytes());
        let says = signed.is_ok_and(|signed| (signed.checkpoint().size(), signed.checkpoint().root()) == (size, root));
        Ok((size, root, says))
    })?;
    rows.collect()
}

/// Keeps a witness's line for the checkpoint of this size; false where there is no such checkpoint, or the line of that
/// key is there already.
pub fn add_cosignature(
    connection: &Connection,
    size: u64,
    line: &SignatureLine,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT INTO checkpoint_signatures (size, name, key_id, line, added_at)
             SELECT size, ?2, ?3, ?4, ?5 FROM checkpoints WHERE size = ?1
             ON CONFLICT (size, name, key_id) DO NOTHING",
        )?
        .execute(params![size, line.name().as_str(), line.id().to_string(), line.to_string(), now.to_string()])?;
    Ok(added == 1)
}

/// The lines of witnesses for the checkpoint of this size.
pub fn cosignatures(connection: &Connection, size: u64) -> rusqlite::Result<Vec<SignatureLine>> {
    let mut statement =
        connection.prepare_cached("SELECT line FROM checkpoint_signatures WHERE size = ?1 ORDER BY name, key_id")?;
    let rows = statement.query_map([size], |row| parsed(row, "line"))?;
    rows.collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    let signed = SignedCheckpoint::parse(row.get_ref(2)?.as_str()?.as_bytes());
    Ok(Checkpoint {
        size: row.get(0)?,
        root: digest(row, 1)?,
        signed: signed.map_err(|error| unfit(2, error.to_string()))?,
        made_at: parsed(row, "made_at")?,
    })
}
