//! The ledger as a daemon would give it: records with octets, a signed checkpoint, proofs, anchors.

use std::convert::Infallible;

use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::{KeyName, Signer};
use countersign_proof::short::ShortForm;
use countersign_proof::tree::{leaf_hash, node_hash};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{
    AnchorMark, AnchorPage, AnchorRow, AnchorVerdict, AuditAction, AuditEvent, AuditPage, AuditRecord, CheckpointMark,
    CheckpointResult, LastVerification, ListAuditParams, ProofResult, RecordProved, StatusResult,
};

use super::samples::{self, at};

/// The name of the ledger.
pub const ORIGIN: &str = "ca.corp.example/countersign";

fn signer() -> Signer {
    Signer::from_seed(KeyName::new(ORIGIN).unwrap(), &[9; 32]).unwrap()
}

/// The octets of a record, as far as a console looks at them.
fn octets(event: &AuditEvent, prev: Digest) -> String {
    let record = serde_json::json!({
        "action": event.action, "actor": event.actor, "details": event.details, "prev": prev, "seq": event.seq,
        "resource_id": event.resource_id, "v": 1
    });
    record.to_string()
}

/// The records, oldest first, each with the hash of its octets and these.
pub fn records(ids: &[String]) -> Vec<AuditRecord> {
    let mut prev = Digest::from_bytes([0; 32]);
    let mut all = Vec::new();
    for (id, seq) in ids.iter().zip(0..) {
        let mut event = samples::record(seq, AuditAction::ApprovalRequested, id);
        if seq % 3 == 1 {
            (event.action, event.actor) = (AuditAction::ApprovalRefused, "mallory (DEMO)".into());
        }
        let record = octets(&event, prev);
        event.record_sha256 = leaf_hash(record.as_bytes());
        prev = event.record_sha256;
        all.push(AuditRecord { event, record });
    }
    all
}

/// A page of those that pass, newest first; a cursor counts rows.
pub fn page(records: &[AuditRecord], params: &ListAuditParams, rows: usize) -> AuditPage {
    let passes = |one: &&AuditRecord| {
        let event = &one.event;
        params.action.is_none_or(|action| action == event.action)
            && params.actor.as_ref().is_none_or(|actor| *actor == event.actor)
            && params.text.as_ref().is_none_or(|text| one.record.contains(text.as_str()))
    };
    let from: usize = params.cursor.as_ref().map_or(0, |cursor| cursor.parse().unwrap());
    let all: Vec<&AuditRecord> = records.iter().rev().filter(passes).collect();
    AuditPage {
        events: all.iter().skip(from).take(rows).map(|one| one.event.clone()).collect(),
        next_cursor: (from + rows < all.len()).then(|| (from + rows).to_string()),
        as_of_seq: records.len() as u64,
    }
}

/// The root over the leaves, and the path of one of them.
fn tree(leaves: &[Digest], index: usize) -> (Digest, Vec<Digest>) {
    if let [leaf] = leaves {
        return (*leaf, Vec::new());
    }
    let half = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(half);
    let ((left, mut path), right, inside) = if index < half {
        (tree(left, index), tree(right, 0).0, true)
    } else {
        let (root, path) = tree(right, index - half);
        ((tree(left, 0).0, path), root, false)
    };
    path.push(if inside { right } else { left });
    (node_hash(&left, &right), path)
}

fn signed(records: &[AuditRecord]) -> SignedCheckpoint {
    let leaves: Vec<Digest> = records.iter().map(|one| one.event.record_sha256).collect();
    SignedCheckpoint::sign(&signer(), records.len() as u64, tree(&leaves, 0).0).unwrap()
}

pub fn checkpoint(records: &[AuditRecord]) -> CheckpointResult {
    let signed = signed(records);
    CheckpointResult {
        note: signed.to_string(),
        short: Some(ShortForm::of(&signed, signer().key()).unwrap().to_string()),
        origin: ORIGIN.into(),
        verifier_key: signer().key().to_string(),
        size: records.len() as u64,
        root_sha256: signed.checkpoint().root(),
        made_at: at(-60),
        unanchored: 5,
        unanchored_since: Some(at(-7200)),
    }
}

pub fn proof(records: &[AuditRecord], seq: u64) -> Result<ProofResult, Infallible> {
    let leaves: Vec<Digest> = records.iter().map(|one| one.event.record_sha256).collect();
    let index = usize::try_from(seq).unwrap();
    let (root, path) = tree(&leaves, index);
    let extra = Some(records[index].record.clone().into_bytes());
    let proof = RecordProof { extra, index: seq, path, signed: signed(records) };
    Ok(ProofResult {
        size: records.len() as u64,
        root_sha256: root,
        verifier_key: signer().key().to_string(),
        records: vec![RecordProved { seq, proof: proof.to_string() }],
        continuation: None,
    })
}

/// One of each verdict.
pub fn anchors(records: &[AuditRecord]) -> AnchorPage {
    let anchor = |seq: u64, size: u64, verdict| AnchorRow {
        size,
        root_sha256: Digest::of(&[b"root", &size.to_be_bytes()]),
        note: checkpoint(records).note,
        verdict,
        added_at: at(-3600 * i64::try_from(20 - seq).unwrap()),
        added_by: "carol (DEMO)".into(),
        seq,
    };
    let anchors = vec![
        anchor(12, 90, AnchorVerdict::Ahead),
        anchor(11, 4, AnchorVerdict::Different),
        anchor(10, 3, AnchorVerdict::Equal),
    ];
    AnchorPage { anchors, next_cursor: None }
}

/// What the status says of it.
pub fn stand(status: &mut StatusResult) {
    (status.unanchored, status.unanchored_since) = (5, Some(at(-7200)));
    status.last_checkpoint = Some(CheckpointMark { size: 9, at: at(-600) });
    status.last_anchor = Some(AnchorMark { size: 4, verdict: AnchorVerdict::Equal, at: at(-9000) });
    status.last_verification = Some(LastVerification { at: at(-1800), records: 9, intact: true });
}

/// Hostile text in everything that can be read.
pub fn poison(records: &mut [AuditRecord], text: &str) {
    for one in records {
        let event = &mut one.event;
        (event.actor, event.resource_type, event.resource_id) = (text.into(), text.into(), text.repeat(9));
        event.details = serde_json::json!({ "profile": text, text: text.repeat(9) });
        event.text = Some(text.into());
        one.record = format!("{{\"prev\":\"{text}\",\"{text}\":\"{}\"}}", text.repeat(30));
    }
}
