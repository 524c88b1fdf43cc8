//! `checker.py`, the second implementation: both accept the same, refuse the same, and read what the other wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use countersign_proof::anchor::Anchor;
use countersign_proof::bundle::RecordProof;
use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::note::VerifierKey;
use countersign_proof::request::Continuation;
use countersign_proof::short::ShortForm;
use countersign_proof::tree::{prove_consistency, prove_inclusion, root_at};
use countersign_proof::witness::{Head, judge};
use countersign_shared::digest::Digest;

use super::{Ledger, cosigner, installed, signer};

fn run(command: &str, directory: &Path) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/checker.py");
    let output = Command::new("python3").args(["-B", script, command]).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The verdicts of the second implementation, by file.
fn verdicts(directory: &Path) -> BTreeMap<String, bool> {
    let lines = run("check", directory);
    lines.lines().filter_map(|line| line.split_once(' ')).map(|(file, said)| (file.to_owned(), said == "ok")).collect()
}

/// What this crate says of the same file.
fn ours(file: &Path, log: &Log) -> bool {
    let octets = fs::read(file).unwrap();
    let beside = |extension| fs::read(file.with_extension(extension)).unwrap();
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("tlog-proof") => {
            RecordProof::parse(&octets).is_ok_and(|proof| proof.verify(&beside("record"), log).is_ok())
        }
        Some("continuation") => {
            let old_root: Digest = String::from_utf8(beside("old-root")).unwrap().parse().unwrap();
            Continuation::parse(&octets)
                .is_ok_and(|offered| log.verify(&offered.signed).is_ok() && offered.verify(&old_root).is_ok())
        }
        Some("note" | "short") => Anchor::parse(&octets).is_ok_and(|anchor| anchor.open(log).is_ok()),
        other => panic!("{other:?}"),
    }
}

/// Files of every kind over ledgers of several sizes, all of them right.
fn right(directory: &Path) {
    let signer = signer();
    for size in [1, 2, 3, 7, 8, 21, 300] {
        let ledger = Ledger::numbered(size);
        let signed = ledger.checkpoint(&signer);
        let write = |file: String, text: String| fs::write(directory.join(file), text).unwrap();
        write(format!("{size}.note"), signed.to_string());
        write(format!("{size}.short"), ShortForm::of(&signed, signer.key()).unwrap().grouped().join("\n"));
        for index in [0, size / 2, size - 1] {
            let path = prove_inclusion(&ledger, index, size).unwrap().unwrap();
            let proof = RecordProof { extra: None, index, path, signed: signed.clone() };
            write(format!("{size}-{index}.tlog-proof"), proof.to_string());
            write(format!("{size}-{index}.record"), format!("record {index}"));
        }
        for old in [0, 1, size / 2, size - 1, size] {
            let path = prove_consistency(&ledger, old, size).unwrap().unwrap();
            let offered = Continuation { old, path, signed: signed.clone() };
            write(format!("{size}-{old}.continuation"), offered.to_string());
            write(format!("{size}-{old}.old-root"), root_at(&ledger, old).unwrap().to_string());
        }
    }
    let offered = Continuation { old: 0, path: Vec::new(), signed: Ledger::numbered(5).checkpoint(&signer) };
    let accepted = judge(&offered, &[Log::of_key(signer.key().clone())], |_| Head::none()).unwrap();
    let mut cosigned = offered.signed.clone();
    cosigned.add(accepted.cosign(&cosigner(), 1_790_000_000)).unwrap();
    fs::write(directory.join("cosigned.note"), cosigned.to_string()).unwrap();
    fs::write(directory.join("keys"), format!("{}\n{}\n", signer.key(), cosigner().key())).unwrap();
}

#[test]
fn the_second_implementation_accepts_what_we_write() {
    if !installed("second implementation", &[("python3", "--version"), ("openssl", "version")]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    right(directory.path());
    let verdicts = verdicts(directory.path());
    assert!(verdicts.len() >= 60, "{}", verdicts.len());
    let refused: Vec<_> = verdicts.iter().filter(|(_, accepted)| !**accepted).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn both_implementations_refuse_the_same() {
    if !installed("second implementation", &[("python3", "--version"), ("openssl", "version")]) {
        return;
    }
    let (right_ones, bent_ones) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    right(right_ones.path());
    let log = Log::of_key(signer().key().clone());
    let mut places = 0;
    for (number, entry) in fs::read_dir(right_ones.path()).unwrap().map(Result::unwrap).enumerate() {
        let name = entry.file_name().into_string().unwrap();
        let mut octets = fs::read(entry.path()).unwrap();
        if name.starts_with("21-") || name.starts_with("cosigned") || name.starts_with("8.") {
            // Other octets of one file in other runs of the loop; the records and keys stay as they are.
            if !name.ends_with("record") && !name.ends_with("old-root") {
                let place = (number * 7919 + octets.len() / 3) % octets.len();
                octets[place] ^= 1;
                places += 1;
            }
            fs::write(bent_ones.path().join(&name), octets).unwrap();
        }
    }
    fs::copy(right_ones.path().join("keys"), bent_ones.path().join("keys")).unwrap();
    assert!(places >= 9, "{places}");
    for (file, theirs) in verdicts(bent_ones.path()) {
        let ours = ours(&bent_ones.path().join(&file), &log);
        // We verify the log's signature; a cosignature that is wrong is asked about apart.
        if file.starts_with("cosigned") && ours {
            let signed = SignedCheckpoint::parse(&fs::read(bent_ones.path().join(&file)).unwrap()).unwrap();
            assert_eq!(
                signed.verify_witnesses(&[cosigner().key().clone()]).is_ok_and(|valid| !valid.is_empty()),
                theirs
            );
            continue;
        }
        assert_eq!(ours, theirs, "{file}");
        assert!(!ours, "{file}");
    }
}

#[test]
fn we_accept_what_the_second_implementation_writes() {
    if !installed("second implementation", &[("python3", "--version"), ("openssl", "version")]) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    run("sign", directory.path());
    let keys: Vec<VerifierKey> =
        fs::read_to_string(directory.path().join("keys")).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(keys, [signer().key().clone(), cosigner().key().clone()]);
    let log = Log::of_key(keys[0].clone());
    for size in 0..9 {
        let octets = fs::read(directory.path().join(format!("{size}.note"))).unwrap();
        let signed = SignedCheckpoint::parse(&octets).unwrap();
        log.verify(&signed).unwrap();
        assert_eq!(signed.verify_witnesses(&keys[1..]).unwrap()[0].time, Some(1_790_000_000));
        // To the octet what we would have written.
        let mut expected = Ledger::numbered(size).checkpoint(&signer());
        let offered = Continuation { old: 0, path: Vec::new(), signed: expected.clone() };
        let accepted = judge(&offered, std::slice::from_ref(&log), |_| Head::none()).unwrap();
        expected.add(accepted.cosign(&cosigner(), 1_790_000_000)).unwrap();
        assert_eq!(String::from_utf8(octets).unwrap(), expected.to_string());
    }
}
