//! The example of docs/checkpoint.md: made by this crate, and checked by the commands that stand there.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::Log;
use countersign_proof::cosignature::Cosigner;
use countersign_proof::note::Signer;
use countersign_proof::qr::{Ink, draw_short};
use countersign_proof::request::Continuation;
use countersign_proof::short::ShortForm;
use countersign_proof::tree::{prove_consistency, prove_inclusion};
use countersign_proof::witness::{Head, judge};

use super::{Ledger, installed, name};

const RECORDS: [&str; 5] = ["zero", "one", "two", "three", "four"];

/// The block behind the mark `<!-- example: NAME -->`; nothing where there is none.
fn block(name: &str) -> String {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/checkpoint.md")).unwrap();
    let behind = document.split_once(&format!("<!-- example: {name} -->\n")).map(|(_, behind)| behind);
    let body = behind.and_then(|behind| behind.split_once('\n')).and_then(|(_, body)| body.split_once("```"));
    body.map(|(block, _)| block.to_owned()).unwrap_or_default()
}

/// Every file of the example, by its mark.
fn files() -> Vec<(&'static str, String)> {
    let signer = Signer::from_seed(name("ca.corp.example/countersign"), &[3; 32]).unwrap();
    let cosigner = Cosigner::from_seed(name("witness.corp.example"), &[4; 32]).unwrap();
    let ledger = Ledger::of(RECORDS);
    let mut signed = ledger.checkpoint(&signer);
    let short = ShortForm::of(&signed, signer.key()).unwrap();
    let before = Ledger::of(&RECORDS[..3]);
    let path = prove_consistency(&ledger, 3, 5).unwrap().unwrap();
    let offered = Continuation { old: 3, path, signed: signed.clone() };
    let seen = Head { size: 3, root: before.frontier.root() };
    let log = Log::of_key(signer.key().clone());
    let accepted = judge(&offered, &[log], |_| seen).unwrap();
    signed.add(accepted.cosign(&cosigner, 1_790_000_000)).unwrap();
    let path = prove_inclusion(&ledger, 1, 5).unwrap().unwrap();
    let proof = RecordProof { extra: None, index: 1, path, signed: signed.clone() };
    vec![
        ("checkpoint.note", signed.to_string()),
        ("ledger.vkey", format!("{}\n", signer.key())),
        ("witness.vkey", format!("{}\n", cosigner.key())),
        ("record.tlog-proof", proof.to_string()),
        ("next.continuation", offered.to_string()),
        ("earlier.note", before.checkpoint(&signer).to_string()),
        ("checkpoint.short", short.grouped().join("\n") + "\n"),
        ("checkpoint.qr", draw_short(&short).unwrap().render(Ink::Light)),
    ]
}

#[test]
fn the_example_is_what_the_crate_writes() {
    let mut differing = String::new();
    for (name, expected) in files().iter().filter(|(name, _)| *name != "checkpoint.qr") {
        if block(name) != *expected {
            writeln!(differing, "{name}:\n{expected}").unwrap();
        }
    }
    assert!(differing.is_empty(), "docs/checkpoint.md has other examples than these:\n{differing}");
}

#[test]
fn the_commands_of_the_document_check_the_example() {
    let programs =
        [("bash", "--version"), ("openssl", "version"), ("python3", "--version"), ("sha256sum", "--version")];
    if !installed("commands of docs/checkpoint.md", &programs) {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    for (name, text) in files() {
        fs::write(work.path().join(name), text).unwrap();
    }
    fs::write(work.path().join("record"), RECORDS[1]).unwrap();
    let run = |name: &str| {
        let output = Command::new("bash").args(["-euc", &block(name)]).current_dir(work.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let steps = [
        ("signature", "Signature Verified Successfully"),
        ("key", "the key id is right"),
        ("cosignature", "Signature Verified Successfully"),
        ("record", "the record is in the ledger"),
        ("continuation", "the ledger continues the earlier one"),
        ("short", "the short form is the checkpoint"),
    ];
    for (step, says) in steps {
        let (done, said) = run(step);
        assert!(done && said.contains(says), "{step}: {said}");
    }

    // Each of them notices.
    let bend = |file: &str, from: &str, to: &str| {
        let path: PathBuf = work.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        text
    };
    let bent = [
        ("signature", "checkpoint.note", "\n5\n", "\n6\n"),
        ("cosignature", "checkpoint.note", "\n5\n", "\n6\n"),
        ("key", "ledger.vkey", "ca.", "cb."),
        ("record", "record", "one", "One"),
        ("continuation", "earlier.note", "\n3\n", "\n2\n"),
        ("short", "checkpoint.short", " ", "0"),
    ];
    for (step, file, from, to) in bent {
        let before = bend(file, from, to);
        let says = steps.iter().find(|(name, _)| *name == step).unwrap().1;
        let (done, said) = run(step);
        assert!(!(done && said.contains(says)), "{step}: {said}");
        fs::write(work.path().join(file), before).unwrap();
    }
}
