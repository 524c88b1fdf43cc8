//! What the daemon said of an archive, beside the archive.

use countersign_proof::bundle::RecordProof;
use countersign_proof::request::Continuation;
use countersign_proof::tree::{Frontier, leaf_hash, verify_inclusion};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{ARCHIVE_FORMAT, ArchiveManifest};
use countersign_shared::text::Untrusted;
use serde::Deserialize;

/// The file as it was read.
pub struct Read<'a> {
    /// Its first record, with the hash of the one before it.
    pub first: Option<(u64, Digest)>,
    /// Its last, with its hash.
    pub last: Option<(u64, Digest)>,
    /// Its lines.
    pub rows: u64,
    /// Its octets.
    pub octets: u64,
    /// SHA-256 of them.
    pub sha256: Digest,
    /// The tree up to its last record, where it is known.
    pub tree: Option<&'a Frontier>,
}

/// The first thing in which the two differ, in words.
pub fn compare(manifest: &ArchiveManifest, read: &Read<'_>) -> Option<String> {
    if manifest.format != ARCHIVE_FORMAT {
        let found = Untrusted::from(manifest.format.as_str());
        return Some(format!("the manifest's format is {:.40}, not {ARCHIVE_FORMAT}", found.safe().to_string()));
    }
    let ArchiveManifest { from_seq, to_seq, rows, octets, sha256, prev_sha256, last_sha256, .. } = manifest;
    let mut differs = Differs(None);
    differs.look("rows", rows, &read.rows);
    differs.look("first record", Some(*from_seq), read.first.map(|(seq, _)| seq));
    differs.look("last record", to_seq.checked_sub(1), read.last.map(|(seq, _)| seq));
    differs.look("hash before the first record", Some(*prev_sha256), read.first.map(|(_, prev)| prev));
    differs.look("hash of the last record", Some(*last_sha256), read.last.map(|(_, hash)| hash));
    differs.look("octets", octets, &read.octets);
    differs.look("SHA-256 of the file", sha256, &read.sha256);
    if let Some(tree) = read.tree {
        differs.look("root", manifest.root_sha256, tree.root());
        differs.look("peaks behind the last record", manifest.peaks_after.as_slice(), tree.peaks());
    }
    differs.0.or_else(|| sealed(manifest).err())
}

struct Differs(Option<String>);

impl Differs {
    fn look<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, stated: T, found: T) {
        if self.0.is_none() && stated != found {
            self.0 = Some(format!("{what}: the manifest says {stated:?}, the file has {found:?}"));
        }
    }
}

/// The record that tells of an archive.
#[derive(Deserialize)]
struct Record {
    action: String,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    archive: u64,
    from_seq: u64,
    to_seq: u64,
    root_sha256: Digest,
    file_sha256: Digest,
    octets: u64,
}

/// The record of the seal says the same, and is in the ledger of the checkpoint to which the ledger goes on.
fn sealed(manifest: &ArchiveManifest) -> Result<(), String> {
    let proof = RecordProof::parse(manifest.sealed.as_bytes()).map_err(|error| format!("sealed: {error}"))?;
    let record = proof.extra.as_deref().ok_or("sealed: the proof has no record")?;
    let tree = proof.signed.checkpoint();
    verify_inclusion(&leaf_hash(record), proof.index, tree.size(), &proof.path, &tree.root())
        .map_err(|error| format!("sealed: the record is not in the ledger of its checkpoint: {error}"))?;
    let said: Record = serde_json::from_slice(record).map_err(|error| {
        let error = Untrusted::new(error.to_string());
        format!("sealed: the record is not one of an archive: {}", error.safe())
    })?;
    let Details { archive, from_seq, to_seq, root_sha256, file_sha256, octets } = said.details;
    let same = said.action == "ledger_sealed"
        && (archive, from_seq, to_seq) == (manifest.number, manifest.from_seq, manifest.to_seq)
        && (root_sha256, file_sha256, octets) == (manifest.root_sha256, manifest.sha256, manifest.octets)
        && proof.index == manifest.sealed_seq;
    if !same {
        return Err("sealed: the record of the archive says something else than its manifest".to_owned());
    }
    let continuation =
        Continuation::parse(manifest.continuation.as_bytes()).map_err(|error| format!("continuation: {error}"))?;
    let goes_on = continuation.signed.checkpoint();
    if (goes_on.size(), goes_on.root()) != (tree.size(), tree.root()) {
        return Err("the proofs of the manifest lead to different checkpoints".to_owned());
    }
    Ok(())
}
