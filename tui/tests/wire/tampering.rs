//! `audit verify FILE` over copied databases that somebody changed, with and without a checkpoint from elsewhere.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::{KeyName, Signer};
use countersign_proof::tree::{Frontier, leaf_hash};
use countersign_verify::columns::{Columns, GENESIS};
use data_encoding::HEXLOWER;
use serde_json::Value;

/// Records that were there when the checkpoint was taken.
const ANCHORED: u64 = 32;

const SCHEMA: &str = include_str!("../../../migrations/0001_init.up.sql");

/// As somebody on the host would: the command itself has no way to change a database.
fn sqlite(path: &Path, script: &str) {
    let mut child = Command::new("sqlite3").arg("-bail").arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

/// A database with so many records; in the tenth, `actor` acted.
fn ledger(path: &Path, records: u64, actor: &str) -> Frontier {
    let mut script = format!("{SCHEMA}; PRAGMA application_id = {}; PRAGMA user_version = 1; BEGIN;", 0x4353_474E);
    let (mut prev, mut frontier) = (GENESIS, Frontier::default());
    for seq in 0..records {
        let (actor, details) = (if seq == 10 { actor } else { "alice" }, format!("{{\"tick\":{seq}}}"));
        let mut record = Vec::new();
        Columns {
            seq,
            event_id: b"ev-00000000000000000",
            created_at: b"2026-01-01T00:00:00.000Z",
            actor: actor.as_bytes(),
            actor_type: b"User",
            action: b"approval_approved",
            category: b"auth",
            resource_type: b"request",
            resource_id: b"ar-1",
            details: details.as_bytes(),
        }
        .write_record(&prev, &mut record);
        write!(
            script,
            "INSERT INTO audit_events VALUES ({seq}, 'ev-00000000000000000', '2026-01-01T00:00:00.000Z', '{actor}', 'User',
                 'approval_approved', 'auth', 'request', 'ar-1', '{details}', x'{}');",
            HEXLOWER.encode(&record)
        )
        .unwrap();
        prev = leaf_hash(&record);
        frontier.append(prev);
    }
    let peaks: Vec<u8> = frontier.peaks().iter().flat_map(|peak| peak.as_bytes().to_vec()).collect();
    write!(script, "INSERT INTO ledger_frontier VALUES (1, {records}, x'{}'); COMMIT;", HEXLOWER.encode(&peaks))
        .unwrap();
    sqlite(path, &script);
    frontier
}

#[test]
fn a_copied_database_is_verified_beside_what_was_kept_elsewhere() {
    if Command::new("sqlite3").arg("-version").output().is_err() {
        // On the real standard error, past the capture of the test runner.
        let said = "SKIPPED: sqlite3 is not installed: tampering::a_copied_database_is_verified\n";
        return std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { place.path().join(name) };
    let signer = Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[7; 32]).unwrap();
    let root = ledger(&path("then.db"), ANCHORED, "bob").root();
    std::fs::write(path("anchor.note"), SignedCheckpoint::sign(&signer, ANCHORED, root).unwrap().to_string()).unwrap();
    std::fs::write(path("ledger.vkey"), format!("{}\n", signer.key())).unwrap();

    ledger(&path("right.db"), 40, "bob");
    ledger(&path("rehashed.db"), 40, "carol");
    ledger(&path("restored.db"), 12, "bob");
    for (name, sql) in [
        ("edited.db", "DROP TRIGGER audit_events_no_update; UPDATE audit_events SET actor = 'carol' WHERE seq = 10"),
        ("deleted.db", "DROP TRIGGER audit_events_no_delete; DELETE FROM audit_events WHERE seq = 10"),
    ] {
        std::fs::copy(path("right.db"), path(name)).unwrap();
        // The triggers are put back.
        sqlite(&path(name), &format!("{sql}; {SCHEMA}"));
    }
    let run = |name: &str, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        // No daemon is there.
        command.env("COUNTERSIGN_SOCKET", path("none")).current_dir(place.path()).args(["audit", "verify", name]);
        let ran = command.args(more).output().unwrap();
        (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap())
    };
    let anchor = ["--anchor", "anchor.note", "--key", "ledger.vkey"];
    for (name, without, with) in [
        ("right.db", (0, "nothing is wrong"), (0, "the first 32 records are those that were anchored")),
        ("rehashed.db", (0, "whoever owned the host"), (3, "the first 32 records are not those that were anchored")),
        ("restored.db", (0, "whoever owned the host"), (3, "12 are there: the end was cut off")),
        ("edited.db", (3, "columns at record 10: actor"), (3, "the first 32 records are those that were anchored")),
        ("deleted.db", (3, "missing at record 10"), (3, "the first 32 records are not those")),
    ] {
        for (more, (code, word)) in [(&[][..], without), (&anchor[..], with)] {
            let (ended, said) = run(name, more);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(ended, code, "{name} {more:?}: {said}");
            assert!(said.contains(word), "{name} {more:?}: {said}");
        }
    }
    let (code, report) = run("rehashed.db", &[&anchor[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((code, &report["intact"], &report["findings"]), (3, &false.into(), &serde_json::json!([])));
    assert_eq!(report["anchors"][0]["verdict"], "different");
}
