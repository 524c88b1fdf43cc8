//! One ledger with a past, made once; each case gets a copy of its state directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::Log;
use countersign_shared::protocol::method::RequestReject;
use countersign_shared::protocol::{CheckpointResult, Outcome};
use countersign_verify::offline::Against;
use tempfile::TempDir;

use super::clock;
use crate::checkpoints::checkpoint;
use crate::support::{ALICE, BOB, Host, on, policy};

/// Seconds of a year.
const YEAR: i64 = 365 * 86_400;

/// The states of one host, at several times.
pub struct Stage {
    place: TempDir,
    /// A checkpoint over most of the records that there are, which left the host.
    pub kept: CheckpointResult,
}

impl Stage {
    /// A week with an issued, a rejected and two pending requests; then one with more of them, and a checkpoint between.
    pub fn new() -> Self {
        let place = tempfile::Builder::new().prefix("cs-stage-").tempdir().unwrap();
        let mut host = Host::serving(&policy());
        let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
        let requests: Vec<_> = (0..4).map(|number| alice.request(&[&format!("web{number}.corp.example")])).collect();
        bob.approve(&requests[0]);
        assert_eq!(alice.wait(&requests[0].id).outcome, Outcome::Issued);
        bob.call::<RequestReject>(&on(&requests[1]));
        drop((alice, bob));
        host.stop();
        copy(&host.state, &place.path().join("last-week"));
        host.start();
        ask(&host, "web", 4..24);
        let kept = checkpoint(&host);
        ask(&host, "web", 24..28);
        host.stop();
        copy(&host.state, &place.path().join("present"));
        Self { place, kept }
    }

    /// The host as it is, untouched and stopped.
    pub fn host(&self) -> Host {
        self.host_at("present")
    }

    /// The same with the state of another time.
    pub fn host_at(&self, time: &str) -> Host {
        on_copy(&self.place.path().join(time))
    }

    /// What went on from last week's copy, on another host with the same keys.
    pub fn forked(&self) -> Host {
        let mut host = self.host_at("last-week");
        host.start();
        ask(&host, "other", 4..34);
        host.stop();
        host
    }

    /// What this host went on to do with its clock set, and then set right again.
    pub fn with_clock_set(&self, years: i64) -> Host {
        let mut host = self.host();
        clock::settable(&mut host);
        host.start();
        ask(&host, "before", 0..1);
        clock::set(&host, years * YEAR);
        ask(&host, "while", 0..2);
        clock::set(&host, 0);
        ask(&host, "after", 0..1);
        host.stop();
        on_copy(&host.state)
    }

    /// What a file is held against: what was kept elsewhere, or nothing.
    pub fn against(&self, anchored: bool) -> Against {
        if !anchored {
            return Against::default();
        }
        let anchor = Anchor::parse(self.kept.note.as_bytes()).unwrap();
        Against {
            log: Some(Log::of_key(self.kept.verifier_key.parse().unwrap())),
            anchors: vec![("anchor.note".to_owned(), anchor)],
            ..Against::default()
        }
    }
}

fn ask(host: &Host, name: &str, numbers: std::ops::Range<u32>) {
    let mut alice = host.user(ALICE);
    numbers.for_each(|number| drop(alice.request(&[&format!("{name}{number}.corp.example")])));
}

fn on_copy(state: &Path) -> Host {
    let host = Host::prepared(&policy());
    copy(state, &host.state);
    host
}

fn copy(from: &Path, to: &PathBuf) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}
