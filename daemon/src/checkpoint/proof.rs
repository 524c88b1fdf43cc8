//! Proofs for those who hold a checkpoint: of records, and of growth. Each is verified before it is handed out, since the
//! stored nodes that it is made of are a cache.

use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::request::Continuation;
use countersign_proof::tree::{
    Frontier, leaf_hash, peaks_at, prove_consistency, prove_inclusion, root_at, verify_consistency, verify_inclusion,
};
use countersign_shared::protocol::{Damage, RecordProved};
use rusqlite::Connection;

use crate::store::rows::checkpoints::{self, Checkpoint};
use crate::store::rows::nodes::StoredNodes;
use crate::store::transaction::Failure;

/// The checkpoint's note with the lines of witnesses that are kept for it.
pub fn with_witnesses(connection: &Connection, checkpoint: &Checkpoint) -> rusqlite::Result<SignedCheckpoint> {
    let mut signed = checkpoint.signed.clone();
    for line in checkpoints::cosignatures(connection, checkpoint.size)? {
        // 32 signatures at most: whoever needs more of them looks at the anchors.
        if signed.add(line).is_err() {
            break;
        }
    }
    Ok(signed)
}

/// That the record with these octets is number `seq` of what `checkpoint` is of; the octets stand in the proof.
pub fn of_record(
    connection: &Connection,
    checkpoint: &Checkpoint,
    signed: &SignedCheckpoint,
    (seq, record): (u64, Vec<u8>),
) -> Result<RecordProved, Failure> {
    let (size, root) = (checkpoint.size, checkpoint.root);
    let path = prove_inclusion(&StoredNodes(connection), seq, size)?.unwrap_or_default();
    verify_inclusion(&leaf_hash(&record), seq, size, &path, &root)
        .map_err(|error| wrong(Some(seq), format!("the record is not what was signed: {error}")))?;
    let proof = RecordProof { extra: Some(record), index: seq, path, signed: signed.clone() };
    Ok(RecordProved { seq, proof: proof.to_string() })
}

/// That what `checkpoint` is of begins with the first `old` records.
pub fn of_growth(
    connection: &Connection,
    checkpoint: &Checkpoint,
    signed: &SignedCheckpoint,
    old: u64,
) -> Result<Continuation, Failure> {
    let nodes = StoredNodes(connection);
    let path = prove_consistency(&nodes, old, checkpoint.size)?.unwrap_or_default();
    let continuation = Continuation { old, path, signed: signed.clone() };
    let old_root = root_at(&nodes, old)?;
    continuation.verify(&old_root).map_err(|error| wrong(None, format!("the tree is not what was signed: {error}")))?;
    Ok(continuation)
}

/// The tree of the first `size` records, of which `checkpoint` is a continuation.
pub fn tree_at(connection: &Connection, checkpoint: &Checkpoint, size: u64) -> Result<Frontier, Failure> {
    let nodes = StoredNodes(connection);
    let malformed = || wrong(None, format!("the tree of {size} records cannot be made of its nodes"));
    let tree = Frontier::from_parts(size, peaks_at(&nodes, size)?).ok_or_else(malformed)?;
    let path = prove_consistency(&nodes, size, checkpoint.size)?.unwrap_or_default();
    verify_consistency(size, &tree.root(), checkpoint.size, &checkpoint.root, &path)
        .map_err(|error| wrong(None, format!("the tree of {size} records is not what was signed: {error}")))?;
    Ok(tree)
}

fn wrong(seq: Option<u64>, text: String) -> Failure {
    Failure::Damage(Damage { seq, rule: "checkpoint".into(), text })
}
