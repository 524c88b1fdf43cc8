//! The checkpoint, the proofs that lead to it, the keys, and what the record of the making says of the bundle.

use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::{Checkpoint, Log, SignedCheckpoint};
use countersign_proof::note::VerifierKey;
use countersign_proof::tree::{verify_consistency, verify_inclusion};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{EvidenceHead, EvidenceKey, EvidencePart};

use super::bundle::Bundle;
use super::{Findings, shown};
use crate::offline::{Against, Anchored};

/// Checks them; what the anchors say.
pub(super) fn check(
    bundle: &Bundle,
    against: &Against,
    findings: &mut Findings,
    notes: &mut Vec<String>,
) -> Vec<Anchored> {
    let Some(head) = &bundle.head else { return Vec::new() };
    let own = keys(bundle, findings);
    let log = match &against.log {
        Some(log) => log.clone(),
        None => {
            notes.push(
                "the checkpoint was held against the key that the bundle itself names: whoever made the file could have \
                 signed it. --key with the verifier key from outside shows that the ledger's own key did"
                    .to_owned(),
            );
            Log::new(head.origin.clone(), own)
        }
    };
    let checkpoint = checkpoint(bundle, head, &log, findings);
    let mut trees: Vec<(u64, Digest)> = checkpoint.iter().map(|found| (found.size(), found.root())).collect();
    if let Some(checkpoint) = &checkpoint {
        trees.extend(earlier(bundle, checkpoint, &log, findings));
    }
    records(bundle, head, findings);
    making(bundle, head, findings, notes);
    against.anchors.iter().map(|(name, anchor)| beside(&trees, against, name, anchor)).collect()
}

/// Keys that a record says are in use.
fn keys(bundle: &Bundle, findings: &mut Findings) -> Vec<VerifierKey> {
    let mut keys = Vec::new();
    for (line, part) in &bundle.parts {
        let EvidencePart::Key(EvidenceKey { seq, verifier_key }) = part else { continue };
        let place = (*line, "key", Some(*seq));
        let record = bundle.records.get(seq);
        let says = record.filter(|record| matches!(record.action(), "daemon_started" | "checkpoint_key_changed"));
        match says {
            None => findings.add(*line, "key", Some(*seq), "key", "there is no record that it is in use"),
            Some(record) => {
                findings.differ(place, ("key", "verifier_key"), record.text("checkpoint_key"), verifier_key);
            }
        }
        match verifier_key.parse() {
            Ok(key) => keys.push(key),
            Err(_) => findings.add(*line, "key", Some(*seq), "key", "it is no verifier key"),
        }
    }
    keys
}

fn checkpoint(bundle: &Bundle, head: &EvidenceHead, log: &Log, findings: &mut Findings) -> Option<Checkpoint> {
    let mut found = bundle.parts.iter().filter_map(|(line, part)| match part {
        EvidencePart::Checkpoint(part) => Some((*line, &part.note)),
        _ => None,
    });
    let Some((line, note)) = found.next() else {
        findings.add(2, "checkpoint", None, "missing", "there is no checkpoint, to which the proofs could lead");
        return None;
    };
    if line != 2 || found.next().is_some() {
        findings.add(line, "checkpoint", None, "format", "the second line, and no other, is the checkpoint");
    }
    let signed = read(note, line, "checkpoint", log, findings)?;
    let (place, checkpoint) = ((line, "checkpoint", None), signed.checkpoint());
    findings.differ(place, ("checkpoint", "origin"), &head.origin, checkpoint.origin());
    findings.differ(place, ("checkpoint", "size"), head.size, checkpoint.size());
    findings.differ(place, ("checkpoint", "root"), head.root_sha256, checkpoint.root());
    Some(checkpoint.clone())
}

fn read(note: &str, line: u64, part: &str, log: &Log, findings: &mut Findings) -> Option<SignedCheckpoint> {
    let signed = match SignedCheckpoint::parse(note.as_bytes()) {
        Ok(signed) => signed,
        Err(error) => {
            findings.add(line, part, None, "checkpoint", shown(&error.to_string()));
            return None;
        }
    };
    if let Err(error) = log.verify(&signed) {
        findings.add(line, part, None, "checkpoint", shown(&error.to_string()));
    }
    Some(signed)
}

/// Earlier checkpoints that the one of the bundle continues.
fn earlier(bundle: &Bundle, checkpoint: &Checkpoint, log: &Log, findings: &mut Findings) -> Vec<(u64, Digest)> {
    let mut trees = Vec::new();
    for (line, part) in &bundle.parts {
        let EvidencePart::Earlier(part) = part else { continue };
        let Some(signed) = read(&part.note, *line, "earlier", log, findings) else { continue };
        let before = signed.checkpoint();
        let (size, root) = (before.size(), before.root());
        match verify_consistency(size, &root, checkpoint.size(), &checkpoint.root(), &part.path) {
            Ok(()) => trees.push((size, root)),
            Err(error) => findings.add(*line, "earlier", None, "consistency", error),
        }
    }
    trees
}

/// Each record is in the tree at its place, and follows its neighbour.
fn records(bundle: &Bundle, head: &EvidenceHead, findings: &mut Findings) {
    for (line, part) in &bundle.parts {
        let EvidencePart::Record(part) = part else { continue };
        let Some(record) = bundle.records.get(&part.seq) else { continue };
        if let Err(error) = verify_inclusion(&record.hash, part.seq, head.size, &part.path, &head.root_sha256) {
            findings.add(*line, "record", Some(part.seq), "inclusion", error);
        }
        let before = part.seq.checked_sub(1).and_then(|seq| bundle.records.get(&seq));
        if let Some(before) = before {
            let place = (*line, "record", Some(part.seq));
            findings.differ(place, ("chain", "prev"), before.hash, record.member("prev"));
        }
    }
}

/// The making is on record, with what there was to be taken out.
fn making(bundle: &Bundle, head: &EvidenceHead, findings: &mut Findings, notes: &mut Vec<String>) {
    let place = (1, "head", Some(head.made_seq));
    let Some(made) = bundle.records.get(&head.made_seq).filter(|record| record.action() == "audit.evidence") else {
        findings.add(1, "head", Some(head.made_seq), "missing", "there is no record of the making under made_seq");
        return;
    };
    let period =
        |time: Option<countersign_shared::time::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let object = head.request.as_deref().or(head.certificate.as_deref()).unwrap_or_default();
    findings.differ(place, ("made", "origin"), made.member("resource_id"), &head.origin);
    findings.differ(place, ("made", "request or certificate"), made.text("object"), object);
    findings.differ(place, ("made", "from"), made.text("from"), period(head.from));
    findings.differ(place, ("made", "to"), made.text("to"), period(head.to));
    if head.request.is_some() && head.certificate.is_some() {
        findings.add(1, "head", None, "made", "it is of a request and of a certificate at once");
    }
    let prefix = if head.request.is_some() { "ar-" } else { "mc-" };
    if !object.is_empty() && !object.starts_with(prefix) {
        findings.add(1, "head", None, "made", "the id is not one of what it stands for");
    }
    let parts = bundle.parts.iter().filter(|(_, part)| match part {
        EvidencePart::Record(record) => record.seq != head.made_seq,
        _ => true,
    });
    let (mut count, mut listed) = (0_i64, String::new());
    for text in parts.filter_map(|(_, part)| part.listed()) {
        count += 1;
        listed.push_str(&text);
        listed.push('\n');
    }
    let expected = made.number("parts").unwrap_or_default();
    findings.differ(place, ("contents", "number of parts that were taken out"), expected, count);
    let digest = Digest::of(&[listed.as_bytes()]);
    let what = "digest of the list of parts: a part was dropped, added, moved or erased";
    findings.differ(place, ("contents", what), made.text("contents_sha256"), digest);
    if let Some(left_out) = made.number("attempts_left_out") {
        notes.push(format!(
            "{left_out} further attempts on this that were refused are in the ledger and not in this file, as record {} says",
            head.made_seq
        ));
    }
}

/// An anchor beside the roots that the bundle shows.
fn beside(trees: &[(u64, Digest)], against: &Against, name: &str, anchor: &Anchor) -> Anchored {
    let (verdict, text) = match against.log.as_ref().map(|log| anchor.open(log)) {
        None => {
            ("unusable", "no key from outside was given, by which it could be told that it is the ledger's".to_owned())
        }
        Some(Err(error)) => ("unusable", error.to_string()),
        Some(Ok(anchored)) => match trees.iter().find(|(size, _)| *size == anchored.size()) {
            None => {
                let text = format!(
                    "it is of {} records, of which the bundle has no root: prove that they belong together with a \
                     continuation (audit proof --from)",
                    anchored.size()
                );
                ("unreached", text)
            }
            Some((size, root)) if *root == anchored.root() => {
                ("equal", format!("the first {size} records are those that were anchored"))
            }
            Some((size, root)) => {
                let text = format!(
                    "the first {size} records are not those that were anchored (root {root} instead of {})",
                    anchored.root()
                );
                ("different", text)
            }
        },
    };
    Anchored { anchor: name.to_owned(), verdict, text }
}
