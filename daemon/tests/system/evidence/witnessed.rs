//! Witnesses' lines in a bundle: which hold, and by whose word a key is a witness's.

use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::cosignature::Cosigner;
use countersign_proof::note::{KeyName, SignatureLine, VerifierKey};
use countersign_proof::request::Continuation;
use countersign_proof::witness::{Head, judge};
use countersign_shared::protocol::method::{AuditAnchor, AuditCheckpoint, AuditProof};
use countersign_shared::protocol::{AnchorParams, NoParams, ProofParams};
use countersign_verify::offline::{Against, Report};

use super::{bundle, ended, of_request, report};
use crate::support::{ALICE, DAVE, Host, can_be_people, policy};

const NAME: &str = "witness.example";

fn witness(seed: u8) -> Cosigner {
    Cosigner::from_seed(KeyName::new(NAME).unwrap(), &[seed; 32]).unwrap()
}

/// What the daemon offers, with the line of a witness that saw nothing before.
fn cosigned(host: &Host, log: &Log, cosigner: &Cosigner) -> (SignedCheckpoint, SignatureLine) {
    let params = ProofParams { from: Some(0), ..ProofParams::default() };
    let proof = host.user(DAVE).call::<AuditProof>(&params).continuation.unwrap();
    let offered = Continuation::parse(proof.as_bytes()).unwrap();
    let logs = [log.clone()];
    let line = judge(&offered, &logs, |_| Head::none()).unwrap().cosign(cosigner, 1_790_000_000);
    (offered.signed, line)
}

fn rules(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|found| found.rule.as_str()).collect()
}

#[test]
fn a_cosignature_is_checked_and_its_key_is_trusted_from_outside_alone() {
    if !can_be_people() {
        return;
    }
    let known = witness(9);
    let mut host = Host::prepared(&policy());
    let settings = format!("[checkpoint]\nwitnesses = [\"{}\"]\n", known.key());
    std::fs::write(host.path("countersign.toml"), settings).unwrap();
    host.start();
    let log = Log::of_key(host.user(DAVE).call::<AuditCheckpoint>(&NoParams {}).verifier_key.parse().unwrap());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let (signed, line) = cosigned(&host, &log, &known);
    let stranger = cosigned(&host, &log, &witness(10)).1;
    let note = format!("{signed}{line}\n{stranger}\n");
    host.user(DAVE).call::<AuditAnchor>(&AnchorParams { octets: note.clone() });

    let lines = bundle(&mut host.user(DAVE), of_request(&request));
    let named: Vec<&String> = lines.iter().filter(|line| line.starts_with("{\"part\":\"witness\"")).collect();
    assert_eq!(named, [&format!("{{\"part\":\"witness\",\"verifier_key\":\"{}\"}}", known.key())]);
    let by = |witnesses: &[&VerifierKey]| Against {
        log: Some(log.clone()),
        witnesses: witnesses.iter().map(|key| (*key).clone()).collect(),
        ..Against::default()
    };
    let says =
        |report: &Report, words: &[&str]| report.notes.iter().any(|note| words.iter().all(|word| note.contains(word)));

    // By its own word, and from outside.
    let alone = report(&lines, &by(&[]));
    assert!(alone.intact && says(&alone, &["earlier", "2026-09-21T", NAME, "the bundle itself names"]), "{alone:#?}");
    let given = report(&lines, &by(&[known.key()]));
    assert!(given.intact && says(&given, &["earlier", NAME, "was given from outside"]), "{given:#?}");
    assert!(!says(&given, &["the bundle itself names"]), "{given:#?}");
    // One that cosigned nothing of it.
    let other = report(&lines, &by(&[known.key(), witness(11).key()]));
    assert_eq!(rules(&other), ["cosignature"], "{other:#?}");
    assert!(other.findings[0].text.contains(&format!("{NAME}+{}", witness(11).key().id())), "{other:#?}");

    // A line of another checkpoint, of a known witness and of one that the bundle names.
    let (next, later) = cosigned(&host, &log, &known);
    assert_ne!(next.checkpoint(), signed.checkpoint());
    let escaped =
        |line: &SignatureLine| serde_json::to_string(&format!("{line}\n")).unwrap().trim_matches('"').to_owned();
    let swapped = |lines: &[String]| {
        let body = lines[..lines.len() - 1].iter().map(|text| text.replace(&escaped(&line), &escaped(&later)));
        ended(body.collect())
    };
    for against in [by(&[]), by(&[known.key()])] {
        let found = report(&swapped(&lines), &against);
        assert!(rules(&found).contains(&"cosignature"), "{found:#?}");
        assert!(found.findings.iter().any(|found| found.text.starts_with("line 3 (earlier): ")), "{found:#?}");
    }
    // A key of the ledger passed off as a witness's, and one that is none.
    for (from, to) in [(known.key().to_string(), log.keys()[0].to_string()), (known.key().to_string(), "x".to_owned())]
    {
        let body = lines[..lines.len() - 1].iter().map(|text| text.replace(&from, &to)).collect();
        let found = report(&ended(body), &by(&[]));
        assert_eq!(rules(&found), ["key"], "{found:#?}");
    }

    // An anchor from outside has lines too.
    let anchored = |note: &str, witnesses: &[&VerifierKey]| {
        let anchor = Anchor::parse(note.as_bytes()).unwrap();
        report(&lines, &Against { anchors: vec![("kept".to_owned(), anchor)], ..by(witnesses) })
    };
    let kept = anchored(&note, &[known.key()]);
    assert!(kept.intact && says(&kept, &["kept", "was given from outside"]), "{kept:#?}");
    assert!(says(&kept, &["kept: 1 further signatures"]), "{kept:#?}");
    let both = anchored(&note, &[known.key(), witness(10).key()]);
    assert!(both.intact && !says(&both, &["further signatures"]), "{both:#?}");
    let bent = anchored(&format!("{signed}{later}\n"), &[known.key()]);
    assert_eq!(rules(&bent), ["cosignature"], "{bent:#?}");
    assert!(bent.findings[0].text.starts_with("kept: "), "{bent:#?}");

    // The same beside a copy of the database.
    host.stop();
    let copied = |note: &str, witnesses: &[&VerifierKey]| {
        let anchors = vec![("kept".to_owned(), Anchor::parse(note.as_bytes()).unwrap())];
        let against = Against { anchors, ..by(witnesses) };
        countersign_verify::offline::verify(&host.database(), &against, &mut |_, _| {}).unwrap()
    };
    let found = copied(&note, &[known.key()]);
    assert!(found.intact && says(&found, &["kept", "was given from outside"]), "{found:#?}");
    assert_eq!(rules(&copied(&note, &[witness(11).key()])), ["cosignature"]);
    assert_eq!(rules(&copied(&format!("{signed}{later}\n"), &[])), [] as [&str; 0]);
    assert_eq!(rules(&copied(&format!("{signed}{later}\n"), &[known.key()])), ["cosignature", "cosignature"]);
}
