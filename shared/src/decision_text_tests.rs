use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::content::{KeyAlgorithm, San};
use crate::revocation::RevocationReason;
use crate::time::Span;

fn content() -> CertificateContent {
    CertificateContent {
        common_name: Some("www.corp.example".into()),
        subject: Vec::new(),
        sans: vec![San::Dns("*.corp.example".into()), San::Dns("www.corp.example".into())],
        key: KeyAlgorithm::EcdsaP256,
        spki_sha256: Digest::of(&[b"spki"]),
        ca: false,
        key_usage: Vec::new(),
        extended_key_usage: Vec::new(),
        valid_for: Span::from_secs(90 * 86_400),
        issuer: "local-ca".into(),
        profile_id: "p-web".into(),
        profile_digest: Digest::of(&[b"profile"]),
    }
}

fn text() -> DecisionText {
    DecisionText {
        request: "ar-1".parse().unwrap(),
        kind: RequestKind::CertIssuance,
        version: 1,
        content: Digest::of(&[b"content"]),
        subject: Subject::Certificate { id: "mc-1".parse().unwrap(), content: Box::new(content()), revocation: None },
        verdict: Verdict::Approve,
        person: "bob".into(),
        account: "bob".into(),
        note: "looked at it".into(),
        salt: Salt::from_bytes([7; 16]),
        policy: Digest::of(&[b"policy"]),
        seen: Seen { origin: "ca.example/ledger".into(), size: 12, root: Digest::of(&[b"root"]) },
    }
}

fn revocation() -> Revocation {
    Revocation {
        certificate_id: "mc-1".parse().unwrap(),
        version: 2,
        issuer: "local-ca".into(),
        serial: "0a0b".into(),
        sha256: Digest::of(&[b"certificate"]),
        reason: RevocationReason::KeyCompromise,
    }
}

fn of_subject(edit: impl FnOnce(&mut CertificateContent, &mut Option<Revocation>)) -> DecisionText {
    let (mut content, mut revocation) = (content(), None);
    edit(&mut content, &mut revocation);
    let subject = Subject::Certificate { id: "mc-1".parse().unwrap(), content: Box::new(content), revocation };
    DecisionText { subject, ..text() }
}

#[test]
fn the_text_of_an_issuance_is_this() {
    let expected = format!(
        "countersign decision 1\nverdict: approve\nrequest: ar-1\nkind: cert_issuance\nversion: 1\ncontent: {}\n\
         certificate: mc-1\nname: dns:*.corp.example\nname: dns:www.corp.example\nkey: ecdsa-p256\nkey-sha256: {}\nca: no\n\
         valid-for: 90d\nissuer: local-ca\nprofile: p-web\ndecided-by: bob\naccount: bob\nnote: \"looked at it\"\n\
         salt: 07070707070707070707070707070707\npolicy: {}\nledger: ca.example/ledger\nledger-size: 12\nledger-root: {}\n",
        Digest::of(&[b"content"]),
        Digest::of(&[b"spki"]),
        Digest::of(&[b"policy"]),
        Digest::of(&[b"root"]),
    );
    assert_eq!(text().to_string(), expected);
}

#[test]
fn every_field_changes_the_text() {
    let seen = |edit: &dyn Fn(&mut Seen)| {
        let mut seen = text().seen;
        edit(&mut seen);
        DecisionText { seen, ..text() }
    };
    let other = Digest::of(&[b"other"]);
    let texts = [
        text(),
        DecisionText { request: "ar-2".parse().unwrap(), ..text() },
        DecisionText { kind: RequestKind::CertRenewal, ..text() },
        DecisionText { version: 2, ..text() },
        DecisionText { content: other, ..text() },
        DecisionText { verdict: Verdict::Reject, ..text() },
        DecisionText { person: "carol".into(), ..text() },
        DecisionText { account: "bob-adm".into(), ..text() },
        DecisionText { note: "".into(), ..text() },
        DecisionText { salt: Salt::from_bytes([8; 16]), ..text() },
        DecisionText { policy: other, ..text() },
        seen(&|seen| seen.origin = "other/ledger".into()),
        seen(&|seen| seen.size = 13),
        seen(&|seen| seen.root = other),
        of_subject(|content, _| content.sans.truncate(1)),
        of_subject(|content, _| content.key = KeyAlgorithm::Ed25519),
        of_subject(|content, _| content.spki_sha256 = other),
        of_subject(|content, _| content.ca = true),
        of_subject(|content, _| content.valid_for = Span::from_secs(86_400)),
        of_subject(|content, _| content.issuer = "other".into()),
        of_subject(|content, _| content.profile_id = "p-other".into()),
        of_subject(|_, ends| *ends = Some(revocation())),
        of_subject(|_, ends| *ends = Some(Revocation { version: 3, ..revocation() })),
        of_subject(|_, ends| *ends = Some(Revocation { serial: "0c".into(), ..revocation() })),
        of_subject(|_, ends| *ends = Some(Revocation { sha256: other, ..revocation() })),
        of_subject(|_, ends| *ends = Some(Revocation { reason: RevocationReason::Superseded, ..revocation() })),
        DecisionText { subject: Subject::Policy { from: other, to: other }, ..text() },
        DecisionText { subject: Subject::Policy { from: text().content, to: other }, ..text() },
        DecisionText { subject: Subject::Policy { from: other, to: text().content }, ..text() },
    ];
    let different: BTreeSet<String> = texts.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), texts.len());
}

#[test]
fn a_note_cannot_imitate_a_line_or_hide() {
    let cases = [
        ("no\nverdict: reject", "note: \"no\\u{a}verdict: reject\""),
        ("a\" b", "note: \"a\\\" b\""),
        ("a\\u{a}b", "note: \"a\\\\u{a}b\""),
        ("\u{202e}evil", "note: \"\\u{202e}evil\""),
        ("zero\u{200b}width", "note: \"zero\\u{200b}width\""),
        ("line\u{2028}separator", "note: \"line\\u{2028}separator\""),
        ("\r", "note: \"\\u{d}\""),
        ("", "note: \"\""),
        ("größer", "note: \"größer\""),
        ("SECOPS-1", "note: SECOPS-1"),
    ];
    let lines = text().to_string().lines().count();
    for (note, expected) in cases {
        let written = DecisionText { note: note.into(), ..text() }.to_string();
        assert_eq!(written.lines().count(), lines, "{note:?}");
        assert!(written.lines().any(|line| line == expected), "{note:?}: {written}");
    }
}

#[test]
fn salts_are_written_and_read() {
    let raw = "00ff10a0b0c0d0e0f00102030405060f";
    assert_eq!(raw.parse::<Salt>().unwrap().to_string(), raw);
    for bad in ["", "00", &raw.to_uppercase(), &format!("{raw}0"), "+0ff10a0b0c0d0e0f00102030405060f"] {
        assert!(bad.parse::<Salt>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn foreign_text_stays_in_its_line_and_two_notes_never_make_one_text(a in ".{0,40}", b in "\\PC{0,40}") {
        let write = |note: &str, name: &str| {
            of_note(note, name).to_string()
        };
        let plain = text().to_string().lines().count();
        prop_assert_eq!(write(&a, &b).lines().count(), plain);
        prop_assert!(!write(&a, &b).chars().any(|c| c != '\n' && is_deceiving(c)));
        prop_assert_eq!(a == b, write(&a, "n") == write(&b, "n"));
        prop_assert_eq!(a == b, write("n", &a) == write("n", &b));
    }
}

fn of_note(note: &str, name: &str) -> DecisionText {
    let mut text = of_subject(|content, _| content.sans[1] = San::Dns(name.into()));
    text.note = note.into();
    text
}
