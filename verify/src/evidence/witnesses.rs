//! Witnesses' lines under the checkpoints of a bundle, and under those that it is held against.

use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::note::{Algorithm, VerifierKey};
use countersign_shared::protocol::EvidencePart;

use super::Findings;
use super::bundle::Bundle;
use crate::cosigned::{self, Keys, RULE};
use crate::offline::{Against, Anchored};

pub(super) fn check(
    bundle: &Bundle,
    (against, anchors): (&Against, &[Anchored]),
    findings: &mut Findings,
    notes: &mut Vec<String>,
) {
    let named = named(bundle, findings);
    // What cannot be read was told where it was read first.
    let own: Vec<(u64, &str, SignedCheckpoint)> = bundle
        .parts
        .iter()
        .filter_map(|(line, part)| match part {
            EvidencePart::Checkpoint(part) => Some((*line, "checkpoint", &part.note)),
            EvidencePart::Earlier(part) => Some((*line, "earlier", &part.note)),
            _ => None,
        })
        .filter_map(|(line, part, note)| Some((line, part, SignedCheckpoint::parse(note.as_bytes()).ok()?)))
        .collect();
    let mut checkpoints: Vec<(&str, &SignedCheckpoint)> = own.iter().map(|(_, part, signed)| (*part, signed)).collect();
    // A proof leads on from records, and a bundle has only some.
    checkpoints.extend(against.checkpoints(anchors, &[]));
    let log = against.log.as_ref().map_or_else(|| keys(bundle), |log| log.keys().to_vec());
    let found = cosigned::check(&checkpoints, Keys { log: &log, outside: &against.witnesses, named: &named });
    for (at, why) in found.wrong {
        match own.get(at) {
            Some((line, part, _)) => findings.add(*line, part, None, RULE, why),
            None => {
                let name = checkpoints.get(at).map(|(name, _)| *name).unwrap_or_default();
                findings.outside(name, RULE, why);
            }
        }
    }
    for witness in &found.missing {
        findings.add(2, "checkpoint", None, RULE, cosigned::not_cosigned(witness));
    }
    notes.extend(found.notes);
}

/// The ledger's keys by the bundle's own word.
fn keys(bundle: &Bundle) -> Vec<VerifierKey> {
    let keys = bundle.parts.iter().filter_map(|(_, part)| match part {
        EvidencePart::Key(part) => part.verifier_key.parse().ok(),
        _ => None,
    });
    Log::new("", keys).keys().to_vec()
}

/// Keys that the bundle says are witnesses'.
fn named(bundle: &Bundle, findings: &mut Findings) -> Vec<VerifierKey> {
    let mut named = Vec::new();
    for (line, part) in &bundle.parts {
        let EvidencePart::Witness(part) = part else { continue };
        match part.verifier_key.parse::<VerifierKey>() {
            Ok(key) if key.algorithm() == Algorithm::CosignatureV1 => named.push(key),
            Ok(_) => findings.add(*line, "witness", None, "key", "it is the key of a ledger, and none of a witness"),
            Err(_) => findings.add(*line, "witness", None, "key", "it is no verifier key"),
        }
    }
    named
}
