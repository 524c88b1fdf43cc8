//! A signed decision in a bundle: the signature is the recorded one, of the recorded text, and the text says what was decided.

use countersign_proof::sshsig::{Hashes, SshSig};
use countersign_shared::decision_text::NAMESPACE;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::EvidenceDecision;

use super::bundle::{Bundle, Record};
use super::{Findings, policies, shown};

const RULE: &str = "signature";

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
    let signature = match SshSig::parse(&signature.sshsig) {
        Ok(parsed) => match parsed.verify(NAMESPACE, &hashes) {
            Ok(_) => parsed,
            Err(error) => return wrong(format!("it is none of the recorded text: {error}")),
        },
        Err(error) => return wrong(error.to_string()),
    };
    let (key, fingerprint) = (signature.key().to_string(), signature.key().fingerprint());
    if fingerprint != record.text("signed_key") {
        wrong(format!("by the key {fingerprint}, recorded was {}", shown(record.text("signed_key"))));
    }
    // Whose key it is, the document says beside it.
    let octets = key.split(' ').next_back().unwrap_or_default();
    if !policies::document(bundle, record.text("policy_sha256")).is_some_and(|document| document.contains(octets)) {
        wrong(format!("the key {fingerprint} is not in the policy that was in force"));
    }
    let text = part.signature.as_ref().and_then(|signature| signature.text.as_ref());
    match (text, part.said.text.is_some()) {
        (None, false) => {}
        (None, true) => wrong("the text that was signed is not there, and its note was not erased".to_owned()),
        (Some(text), _) if Hashes::of(text.as_bytes()) != hashes => {
            wrong("the text is not the one that was signed".to_owned());
        }
        (Some(text), _) => {
            for (member, value) in said(part, record) {
                if !text.lines().any(|line| line.split_once(": ") == Some((member, value.as_str()))) {
                    wrong(format!("{member}: the text does not say {}", shown(&value)));
                }
            }
        }
    }
}

/// Lines of the text that its record determines, none of which is ever quoted.
fn said(part: &EvidenceDecision, record: &Record) -> Vec<(&'static str, String)> {
    vec![
        ("verdict", part.verdict.as_str().to_owned()),
        ("request", part.object.clone()),
        ("version", part.version.to_string()),
        ("content", part.digest.to_string()),
        ("policy", record.text("policy_sha256").to_owned()),
        ("ledger-size", record.number("signed_size").unwrap_or_default().to_string()),
        ("ledger-root", record.text("signed_root_sha256").to_owned()),
    ]
}
