//! A witness as a process: a pipe and a directory, no daemon. Killed, beside itself, and on a disk that is full.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use countersign_proof::checkpoint::{Log, SignedCheckpoint};
use countersign_proof::note::{KeyName, Signer, VerifierKey};
use countersign_proof::request::Continuation;
use countersign_proof::tree::{Frontier, leaf_hash, node_hash};

const ORIGIN: &str = "ca.example/ledger";

fn signer() -> Signer {
    Signer::from_seed(KeyName::new(ORIGIN).unwrap(), &[1; 32]).unwrap()
}

/// A ledger of the records `0`, `1`, …, and what shows that it continues its first `old`, at most two.
fn offer(old: u64, records: &[&str]) -> String {
    let mut frontier = Frontier::default();
    let leaves: Vec<_> = records.iter().map(|record| leaf_hash(record.as_bytes())).collect();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    let path = match (old, records.len()) {
        (0, _) => vec![],
        (old, size) if old == size as u64 => vec![],
        (1, 2) => vec![leaves[1]],
        (2, 3) => vec![leaves[2]],
        (2, 4) => vec![node_hash(&leaves[2], &leaves[3])],
        other => panic!("{other:?}"),
    };
    let signed = SignedCheckpoint::sign(&signer(), frontier.size(), frontier.root()).unwrap();
    Continuation { old, path, signed }.to_string()
}

/// A second host: a key and a directory.
struct Witness {
    home: tempfile::TempDir,
}

impl Witness {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let key = home.path().join("witness.key");
        let mut make = Command::new("openssl");
        assert!(make.args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&key).status().unwrap().success());
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        Self { home }
    }

    fn command(&self, state: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(["witness", "--key", "witness.key", "--name", "witness.example", "--log"])
            .arg(signer().key().to_string())
            .arg("--state")
            .arg(state)
            .arg("-")
            .current_dir(self.home.path())
            .env("COUNTERSIGN_SOCKET", "/nonexistent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, state: &Path, offered: &str) -> (i32, String, String) {
        let mut child = self.command(state).spawn().unwrap();
        child.stdin.take().unwrap().write_all(offered.as_bytes()).unwrap();
        said(child.wait_with_output().unwrap())
    }

    fn key(&self) -> VerifierKey {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["witness", "--key", "witness.key", "--name", "witness.example", "--verifier-key"])
            .current_dir(self.home.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}

fn said(output: Output) -> (i32, String, String) {
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_continues_is_cosigned_over_a_pipe_and_what_does_not_is_refused_with_both() {
    let witness = Witness::new();
    let state = witness.home.path().join("seen");
    let (code, note, err) = witness.run(&state, &offer(0, &["0", "1"]));
    assert_eq!(code, 0, "{err}");
    let signed = SignedCheckpoint::parse(note.as_bytes()).unwrap();
    assert_eq!(Log::of_key(signer().key().clone()).verify(&signed).unwrap().len(), 1);
    assert_eq!(signed.verify_witnesses(&[witness.key()]).unwrap().len(), 1);
    assert_eq!(witness.run(&state, &offer(2, &["0", "1", "2"])).0, 0);

    let root = |records: &[&str]| {
        let mut frontier = Frontier::default();
        records.iter().for_each(|record| frontier.append(leaf_hash(record.as_bytes())));
        frontier.root().to_string()
    };
    let seen = root(&["0", "1", "2"]);
    for (what, offered, words) in [
        ("fewer", offer(2, &["0", "1"]), vec!["2 records".to_owned(), "3 were seen".to_owned()]),
        (
            "a fork",
            Continuation { old: 3, ..Continuation::parse(offer(0, &["0", "1", "x"]).as_bytes()).unwrap() }.to_string(),
            vec![seen.clone(), root(&["0", "1", "x"]), "seen/".to_owned()],
        ),
        ("another start", offer(2, &["0", "1", "2", "3"]), vec!["--from 3".to_owned()]),
    ] {
        let (code, out, err) = witness.run(&state, &offered);
        assert_eq!((code, out.as_str()), (3, ""), "{what}: {err}");
        words.iter().for_each(|word| assert!(err.contains(word), "{what}: {word}: {err}"));
    }
    for hostile in ["", "else\n", "old 3\n\n\u{0}\n", &"x".repeat(100_000)] {
        let (code, out, err) = witness.run(&state, hostile);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
    }
    // What was seen is as before.
    assert_eq!(witness.run(&state, &offer(3, &["0", "1", "2"])).0, 0);
}

#[test]
fn two_at_once_wait_for_each_other_and_one_that_is_killed_leaves_what_was() {
    let witness = Witness::new();
    let state = witness.home.path().join("seen");
    assert_eq!(witness.run(&state, &offer(0, &["0", "1"])).0, 0);
    // Of two histories of one size, one is cosigned at most, however they meet.
    for _ in 0..10 {
        let state = tempfile::tempdir_in(witness.home.path()).unwrap();
        std::fs::set_permissions(state.path(), PermissionsExt::from_mode(0o700)).unwrap();
        let mut both: Vec<_> = ["1", "x"]
            .map(|last| {
                let mut child = witness.command(state.path()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(offer(0, &["0", last]).as_bytes()).unwrap();
                child
            })
            .into_iter()
            .map(|child| said(child.wait_with_output().unwrap()).0)
            .collect();
        both.sort_unstable();
        assert_eq!(both, [0, 3]);
    }
    for wait in 0..20_u64 {
        let mut child = witness.command(&state).spawn().unwrap();
        child.stdin.take().unwrap().write_all(offer(2, &["0", "1", "2"]).as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_micros(wait * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        // Two were seen, or three, and never nothing.
        let (two, three) =
            (witness.run(&state, &offer(2, &["0", "1"])), witness.run(&state, &offer(3, &["0", "1", "2"])));
        assert!((two.0 == 0) != (three.0 == 0), "{two:?} {three:?}");
        if three.0 == 0 {
            break;
        }
    }
}

#[test]
fn on_a_full_disk_nothing_is_signed() {
    let witness = Witness::new();
    let state = witness.home.path().join("seen");
    assert_eq!(witness.run(&state, &offer(0, &["0"])).0, 0);
    // No file may become longer than nothing: what a full disk says, for whoever runs this.
    let mut command = Command::new("sh");
    let program = witness.command(&state);
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(witness.home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(offer(1, &["0", "1"]).as_bytes()).unwrap();
    let (code, out, err) = said(child.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    // Nothing half-written is left, and it goes on from what was.
    let left: Vec<_> = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with(".new-")), "{left:?}");
    assert_eq!(witness.run(&state, &offer(1, &["0", "1"])).0, 0);
}
