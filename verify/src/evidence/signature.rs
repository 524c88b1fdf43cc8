//! Signed decisions and voices in a bundle: the signature is the recorded one, of the recorded text, and the text says what was
//! decided.

use countersign_proof::sshsig::{Hashes, SshSig};
use countersign_shared::decision_text::{NAMESPACE, Value};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{EvidenceDecision, EvidencePart, EvidenceSignature, EvidenceVoice};
use serde::Deserialize;

use super::bundle::{Bundle, Record};
use super::{Findings, policies, shown};
use crate::voices::Listed;

const RULE: &str = "signature";

/// A decision.
pub(super) fn check(bundle: &Bundle, line: u64, part: &EvidenceDecision, record: &Record, findings: &mut Findings) {
    let place = (line, "decision", Some(part.seq));
    let signed = part.signature.as_ref().map(|signature| Digest::of(&[signature.sshsig.as_bytes()]).to_string());
    findings.differ(
        place,
        (RULE, "signature of its record"),
        record.text("signature_sha256"),
        signed.unwrap_or_default(),
    );
    let Some(signature) = &part.signature else { return };
    let mut wrong = |text: String| findings.add(line, "decision", Some(part.seq), RULE, text);
    let Some(hashes) = Hashes::from_hex(record.text("signed_sha256"), record.text("signed_sha512")) else {
        return wrong("its record names no digests of a signed text".to_owned());
    };
    let (key, person) = (record.text("signed_key"), record.text("person"));
    if !is_of(bundle, (&signature.sshsig, &hashes), (key, person, record), &mut wrong) {
        return;
    }
    match (&signature.text, part.said.text.is_some()) {
        (None, false) => {}
        (None, true) => wrong("the text that was signed is not there, and its note was not erased".to_owned()),
        (Some(text), _) if Hashes::of(text.as_bytes()) != hashes => {
            wrong("the text is not the one that was signed".to_owned());
        }
        (Some(text), _) => says(text, &said(part, record), &mut wrong),
    }
}

/// Every voice that a record says was signed, and every signature that is there.
pub(super) fn voices(bundle: &Bundle, findings: &mut Findings) {
    let mut there = std::collections::BTreeSet::new();
    for (line, part) in &bundle.parts {
        if let EvidencePart::Voice(part) = part
            && let Some(record) = bundle.records.get(&part.seq)
        {
            let mut wrong = |text: String| findings.add(*line, "voice", Some(part.seq), RULE, text);
            if !there.insert((part.seq, part.index)) {
                wrong("it is there twice".to_owned());
            }
            voice(bundle, part, record, &mut wrong);
        }
    }
    for (seq, record) in &bundle.records {
        for told in told(record) {
            if !there.contains(&(*seq, told.index)) {
                findings.add(record.line, "record", Some(*seq), "missing", "the signature of a voice in it");
            }
        }
    }
}

fn voice(bundle: &Bundle, part: &EvidenceVoice, record: &Record, wrong: &mut impl FnMut(String)) {
    let Some(told) = told(record).into_iter().find(|told| told.index == part.index) else {
        return wrong("its record tells of no such signature".to_owned());
    };
    let EvidenceSignature { text: Some(text), sshsig } = &part.signature else {
        return wrong("the text that was signed is not there".to_owned());
    };
    let hashes = Hashes::of(text.as_bytes());
    if Digest::of(&[sshsig.as_bytes()]) != told.signature_sha256 || hashes.sha256 != told.signed_sha256 {
        return wrong("the signature or its text is not the recorded one".to_owned());
    }
    let person = speaker(part, record);
    if !is_of(bundle, (sshsig, &hashes), (&told.key, person, record), wrong) {
        return;
    }
    if record.action() == "erasure_asked" && part.account != record.member("actor") {
        wrong("its account is not the one of its record".to_owned());
    }
    let mut said = vec![
        ("spoken-by", Value(person).to_string()),
        ("account", Value(&part.account).to_string()),
        ("policy", record.text("policy_sha256").to_owned()),
        ("ledger-size", told.size.to_string()),
        ("ledger-root", told.root.to_string()),
    ];
    match record.action() {
        "erasure_asked" => said.extend([
            ("voice", "erase".to_owned()),
            ("record", record.number("record_seq").unwrap_or_default().to_string()),
            ("text", record.text("what").to_owned()),
            ("text-sha256", record.text("text_sha256").to_owned()),
        ]),
        _ => {
            said.extend([("voice", "acknowledge".to_owned()), ("damage", record.text("damage_sha256").to_owned())]);
            let pieces = record.list("damage").unwrap_or_default();
            said.extend(pieces.into_iter().map(|piece| ("damaged", format!("\"{piece}\""))));
        }
    }
    says(text, &said, wrong);
}

/// The person whose voice it is, as the record says.
fn speaker<'a>(part: &EvidenceVoice, record: &'a Record) -> &'a str {
    match record.action() {
        "erasure_asked" => record.text("person"),
        _ => {
            let all = record.list("voices").unwrap_or_default();
            let mine = usize::try_from(part.index).ok().and_then(|index| all.get(index).copied());
            mine.and_then(|voice| voice.splitn(3, ' ').nth(2)).unwrap_or_default()
        }
    }
}

/// What a record says of signatures of its voices.
pub fn told(record: &Record) -> Vec<Listed> {
    let listed = match record.action() {
        "damage_acknowledged" => record.list("signatures").unwrap_or_default(),
        "erasure_asked" if !record.text("signature_sha256").is_empty() => {
            let text = |name| record.text(name);
            let one = format!(
                "0 {} {} {} {} {}",
                text("signature_sha256"),
                text("signed_sha256"),
                text("signed_key"),
                record.number("signed_size").unwrap_or_default(),
                text("signed_root_sha256"),
            );
            return Listed::parse(&one).into_iter().collect();
        }
        _ => return Vec::new(),
    };
    listed.into_iter().filter_map(Listed::parse).collect()
}

/// Whether a signature is one of a text, by the key that is recorded, which the policy that was in force says is this person's.
fn is_of(
    bundle: &Bundle,
    (sshsig, hashes): (&str, &Hashes),
    (recorded, person, record): (&str, &str, &Record),
    wrong: &mut impl FnMut(String),
) -> bool {
    let signature = match SshSig::parse(sshsig) {
        Ok(parsed) => match parsed.verify(NAMESPACE, hashes) {
            Ok(_) => parsed,
            Err(error) => {
                wrong(format!("it is none of the recorded text: {error}"));
                return false;
            }
        },
        Err(error) => {
            wrong(error.to_string());
            return false;
        }
    };
    let (key, fingerprint) = (signature.key().to_string(), signature.key().fingerprint());
    if fingerprint != recorded {
        wrong(format!("by the key {fingerprint}, recorded was {}", shown(recorded)));
    }
    if !policies::document(bundle, record.text("policy_sha256"))
        .is_some_and(|document| has_key(&document, person, &key))
    {
        wrong(format!("the key {fingerprint} is none of {} in the policy that was in force", shown(person)));
    }
    true
}

/// Whether a policy says that a person has a key.
fn has_key(document: &str, person: &str, key: &str) -> bool {
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        person: Vec<Person>,
    }
    #[derive(Deserialize)]
    struct Person {
        name: String,
        #[serde(default)]
        keys: Vec<String>,
    }
    // Beside the type and the octets a policy may have a comment.
    let octets = key.split(' ').nth(1).unwrap_or_default();
    let has = |one: &Person| {
        one.name == person && one.keys.iter().any(|known| known.split_whitespace().nth(1) == Some(octets))
    };
    toml::from_str::<Document>(document).is_ok_and(|document| document.person.iter().any(has))
}

/// Whether a text has each of these lines.
fn says(text: &str, lines: &[(&'static str, String)], wrong: &mut impl FnMut(String)) {
    for (member, value) in lines {
        if !text.lines().any(|line| line.split_once(": ") == Some((*member, value.as_str()))) {
            wrong(format!("{member}: the text does not say {}", shown(value)));
        }
    }
}

/// Lines of the text that its record determines.
fn said(part: &EvidenceDecision, record: &Record) -> Vec<(&'static str, String)> {
    vec![
        ("verdict", part.verdict.as_str().to_owned()),
        ("request", part.object.clone()),
        ("version", part.version.to_string()),
        ("content", part.digest.to_string()),
        ("decided-by", Value(record.text("person")).to_string()),
        ("account", Value(record.member("actor")).to_string()),
        ("policy", record.text("policy_sha256").to_owned()),
        ("ledger-size", record.number("signed_size").unwrap_or_default().to_string()),
        ("ledger-root", record.text("signed_root_sha256").to_owned()),
    ]
}
