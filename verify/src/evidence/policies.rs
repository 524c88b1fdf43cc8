//! Policy documents: each is the one that a record names, and each that a record of people's acts names is there.

use std::collections::BTreeMap;

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{EvidencePart, EvidencePolicy};
use data_encoding::BASE64;

use super::Findings;
use super::bundle::Bundle;

/// Records that say what somebody asked for or decided under a policy.
const UNDER: [&str; 9] = [
    "approval_requested",
    "approval_amended",
    "approval_approved",
    "approval_rejected",
    "approval_voided",
    "approval_bypassed",
    "issuance_requested",
    "revocation_requested",
    "policy_proposed",
];

pub(super) fn check(bundle: &Bundle, findings: &mut Findings) {
    // The record by which each took force; none where it was only proposed.
    let mut there: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for (line, part) in &bundle.parts {
        let EvidencePart::Policy(part) = part else { continue };
        let place = (*line, "policy", Some(part.seq));
        match octets(part) {
            None => findings.add(*line, "policy", Some(part.seq), "policy", "it has no document, or two"),
            Some(document) => {
                findings.differ(place, ("policy", "sha256 of the document"), part.sha256, Digest::of(&[&document]));
            }
        }
        let record = bundle.records.get(&part.seq);
        let named = record.map(|record| match record.action() {
            "policy_loaded" if record.flag("adopted") => record.text("policy_sha256"),
            "policy_changed" => record.text("policy_sha256"),
            "policy_proposed" => record.text("policy_to"),
            _ => "",
        });
        match named {
            None => findings.add(*line, "policy", Some(part.seq), "missing", "the record by which it took force"),
            Some(named) => findings.differ(place, ("policy", "the policy of its record"), named, part.sha256),
        }
        let took_force = record.is_some_and(|record| record.action() != "policy_proposed").then_some(part.seq);
        let known = there.entry(part.sha256.to_string()).or_default();
        *known = [*known, took_force].into_iter().flatten().min();
    }
    for (seq, record) in &bundle.records {
        let named = record.text("policy_sha256");
        if !UNDER.contains(&record.action()) || named.is_empty() {
            continue;
        }
        let (rule, what) = match there.get(named) {
            None => ("missing", "is not in the bundle"),
            Some(Some(since)) if since < seq => continue,
            Some(_) => ("policy", "was not in force then"),
        };
        let text = format!("the policy {} that it stands under {what}", super::shown(named));
        findings.add(record.line, "record", Some(*seq), rule, text);
    }
}

/// The document with this digest, as far as it is a text.
pub(super) fn document(bundle: &Bundle, sha256: &str) -> Option<String> {
    let mut parts = bundle.parts.iter().filter_map(|(_, part)| match part {
        EvidencePart::Policy(part) if part.sha256.to_string() == sha256 => octets(part),
        _ => None,
    });
    parts.next().and_then(|octets| String::from_utf8(octets).ok())
}

fn octets(part: &EvidencePolicy) -> Option<Vec<u8>> {
    match (&part.document, &part.document_base64) {
        (Some(document), None) => Some(document.clone().into_bytes()),
        (None, Some(text)) => BASE64.decode(text.as_bytes()).ok(),
        (Some(_), Some(_)) | (None, None) => None,
    }
}
