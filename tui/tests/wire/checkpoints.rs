//! What is taken off the host, and what is checked of it without a daemon.

use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::{KeyName, Signer};
use countersign_proof::request::Continuation;
use countersign_proof::short::ShortForm;
use countersign_proof::tree::{Frontier, leaf_hash, node_hash};
use countersign_shared::protocol::CheckpointResult;
use serde_json::json;

use super::fake_daemon::{Answer, FakeDaemon};

fn signer() -> Signer {
    Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[1; 32]).unwrap()
}

/// The records `a`, and `a` and `b`.
fn signed(records: &[&[u8]]) -> SignedCheckpoint {
    let mut frontier = Frontier::default();
    records.iter().for_each(|record| frontier.append(leaf_hash(record)));
    SignedCheckpoint::sign(&signer(), frontier.size(), frontier.root()).unwrap()
}

fn result(signed: &SignedCheckpoint) -> CheckpointResult {
    CheckpointResult {
        note: signed.to_string(),
        short: Some(ShortForm::of(signed, signer().key()).unwrap().to_string()),
        origin: "ca.example/ledger".into(),
        verifier_key: signer().key().to_string(),
        size: signed.checkpoint().size(),
        root_sha256: signed.checkpoint().root(),
        made_at: "2027-01-30T08:00:00Z".parse().unwrap(),
        unanchored: 2,
        unanchored_since: None,
    }
}

#[test]
fn a_checkpoint_is_printed_drawn_and_written() {
    let signed = signed(&[b"a", b"b"]);
    let answer = serde_json::to_string(&result(&signed)).unwrap();
    let daemon = FakeDaemon::start(move |_, _| Answer::Result(answer.clone()));
    let plain = daemon.run("audit checkpoint");
    assert_eq!((plain.code, plain.out), (0, signed.to_string()));
    assert!(plain.err.contains("2 of them not anchored"), "{}", plain.err);
    let short = daemon.run("audit checkpoint --short").out;
    assert_eq!(short.split_whitespace().collect::<String>(), result(&signed).short.unwrap());
    let drawn = daemon.run("audit checkpoint --qr").out;
    assert_eq!((drawn.lines().count(), drawn.lines().next().unwrap().chars().count()), (23, 45));
    assert_eq!(daemon.run("audit checkpoint --verifier-key").out.trim_end(), signer().key().to_string());
    let written = daemon.run("audit checkpoint --out kept.note");
    assert_eq!((written.code, written.out.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(daemon.home.path().join("kept.note")).unwrap(), signed.to_string());
    assert_eq!(daemon.run("audit checkpoint --qr --short").code, 2);
}

#[test]
fn a_checkpoint_that_was_kept_is_not_replaced_unasked() {
    let now = signed(&[b"a", b"b"]);
    let answer = serde_json::to_string(&result(&now)).unwrap();
    let daemon = FakeDaemon::start(move |_, _| Answer::Result(answer.clone()));
    let path = |name: &str| daemon.home.path().join(name);
    let earlier = signed(&[b"a"]).to_string();
    std::fs::write(path("kept"), &earlier).unwrap();
    std::fs::write(path("other"), "precious").unwrap();
    let ran = daemon.run("audit checkpoint --out kept");
    assert!(ran.code == 5 && ran.err.contains("a checkpoint of 1 records of ca.example/ledger"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(path("kept")).unwrap(), earlier);
    let ran = daemon.run("audit checkpoint --out other");
    assert!(ran.code == 5 && ran.err.contains("something else"), "{ran:?}");
    assert_eq!(daemon.run("audit checkpoint --out kept --replace").code, 0);
    assert_eq!(std::fs::read_to_string(path("kept")).unwrap(), now.to_string());
    assert_eq!(daemon.run("audit checkpoint --out kept").code, 0, "it is that one");
    // A stick: a file for each size.
    std::fs::create_dir(path("stick")).unwrap();
    for _ in 0..2 {
        let ran = daemon.run("audit checkpoint --out stick");
        assert!(ran.code == 0 && ran.err.contains("checkpoint-000000000002.txt"), "{ran:?}");
    }
    assert_eq!(std::fs::read_to_string(path("stick/checkpoint-000000000002.txt")).unwrap(), now.to_string());
    // One that is full: what a file may not hold is not there, not even a part of it.
    std::fs::create_dir(path("full")).unwrap();
    let mut full = std::process::Command::new("sh");
    let program = daemon.command("audit checkpoint --out full".split(' '));
    full.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(daemon.home.path())
        .env("COUNTERSIGN_SOCKET", &daemon.socket);
    let output = full.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(path("full")).unwrap().count(), 0);
    assert_eq!(daemon.run("audit checkpoint --replace").code, 2);
}

#[test]
fn a_proof_is_checked_without_a_daemon() {
    let daemon = FakeDaemon::start(|_, _| Answer::Silence);
    let write = |name: &str, text: &str| std::fs::write(daemon.home.path().join(name), text).unwrap();
    let now = signed(&[b"a", b"b"]);
    let proof = RecordProof { extra: Some(b"b".to_vec()), index: 1, path: vec![leaf_hash(b"a")], signed: now.clone() };
    let other = RecordProof { extra: Some(b"a".to_vec()), index: 0, path: vec![leaf_hash(b"b")], signed: now.clone() };
    let key = signer().key().to_string();
    write("ledger.vkey", &format!("{key}\n"));
    write("one", &proof.to_string());
    write("two", &format!("{proof}{other}"));
    write("bent", &RecordProof { extra: Some(b"c".to_vec()), ..proof.clone() }.to_string());
    write("second-bent", &format!("{proof}{}", RecordProof { index: 1, ..other.clone() }));
    write("bare", &RecordProof { extra: None, ..proof.clone() }.to_string());
    write("record", "b");
    write("else", "else\n");
    let grown = Continuation { old: 1, path: vec![leaf_hash(b"b")], signed: now.clone() };
    write("grown", &grown.to_string());
    write("first.note", &signed(&[b"a"]).to_string());
    write("another.note", &signed(&[b"x"]).to_string());
    let stranger = Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[2; 32]).unwrap();
    for (line, code, says) in [
        (format!("one --log {key}"), 0, "record 1 is in the ledger ca.example/ledger of 2 records"),
        ("one --log ledger.vkey".to_owned(), 0, "record 1"),
        ("two --log ledger.vkey".to_owned(), 0, "record 0"),
        ("bent --log ledger.vkey".to_owned(), 3, "leads to the root"),
        ("second-bent --log ledger.vkey".to_owned(), 3, "leads to the root"),
        (format!("one --log {}", stranger.key()), 3, "signed by no key"),
        ("bare --log ledger.vkey".to_owned(), 2, "--record"),
        ("bare --log ledger.vkey --record record".to_owned(), 0, "record 1"),
        ("bare --log ledger.vkey --record else".to_owned(), 3, "leads to the root"),
        ("else --log ledger.vkey".to_owned(), 2, "not a proof"),
        ("missing --log ledger.vkey".to_owned(), 2, "missing"),
        ("one".to_owned(), 2, "--log"),
        (format!("one --log {}", &key[1..]), 2, "id is"),
        ("grown --log ledger.vkey".to_owned(), 2, "--earlier"),
        ("grown --log ledger.vkey --earlier first.note".to_owned(), 0, "begins with the first 1"),
        ("grown --log ledger.vkey --earlier another.note".to_owned(), 3, "not to"),
    ] {
        let ran = daemon.run(&format!("audit check-proof {line}"));
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        assert!(format!("{}{}", ran.out, ran.err).contains(says), "{line}: {ran:?}");
    }
    assert!(daemon.calls().is_empty());
    assert_eq!(now.checkpoint().root(), node_hash(&leaf_hash(b"a"), &leaf_hash(b"b")));
}

#[test]
fn proofs_ask_for_what_was_named_and_come_out_whole() {
    let proved = json!({ "size": 2, "root_sha256": super::samples::digest(), "verifier_key": "k",
        "records": [{ "seq": 0, "proof": "one\n" }, { "seq": 1, "proof": "two\n" }] });
    let daemon = FakeDaemon::start(move |_, _| Answer::Result(proved.to_string()));
    for (line, params) in [
        ("audit proof 7", json!({ "seq": 7 })),
        ("audit proof ar-01", json!({ "resource_id": "ar-01" })),
        ("audit proof --from 5", json!({ "from": 5 })),
    ] {
        let ran = daemon.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (0, "one\ntwo\n"), "{line}");
        assert_eq!(daemon.calls().last().unwrap().1, params, "{line}");
    }
    for line in ["audit proof", "audit proof 7 --from 5"] {
        assert_eq!(daemon.run(line).code, 2, "{line}");
    }
}

#[test]
fn an_anchor_that_shows_damage_has_a_status() {
    for (verdict, code) in [("equal", 0), ("different", 3), ("ahead", 3)] {
        let said = json!({ "verdict": verdict, "text": "so it is", "size": 2, "root_sha256": super::samples::digest(),
            "added": true, "unanchored": 1 });
        let daemon = FakeDaemon::start(move |_, _| Answer::Result(said.to_string()));
        std::fs::write(daemon.home.path().join("note"), "octets\n").unwrap();
        let ran = daemon.run("audit anchor add note");
        assert_eq!(ran.code, code, "{verdict}");
        assert!(ran.out.contains("so it is"), "{ran:?}");
        assert_eq!(daemon.calls()[0].1, json!({ "octets": "octets\n" }));
    }
}
