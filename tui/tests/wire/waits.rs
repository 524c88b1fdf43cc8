//! `wait`: outcomes, files, restarts and time limits.

use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::Outcome;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, CHAIN, JOB, REQUEST};

#[test]
fn every_outcome_has_its_status() {
    for (outcome, code) in [
        (Outcome::Issued, 0),
        (Outcome::Applied, 0),
        (Outcome::Rejected, 10),
        (Outcome::Expired, 11),
        (Outcome::Voided, 12),
        (Outcome::Withdrawn, 12),
        (Outcome::Failed, 13),
    ] {
        let daemon = FakeDaemon::start(move |_, _| Answer::of(&samples::ended(outcome)));
        let ran = daemon.run(&format!("wait {REQUEST}"));
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.contains(outcome.as_str()), "{ran:?}");
        let ran = daemon.run(&format!("wait {JOB} --json --timeout 1m --out web.crt"));
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(ran.out, serde_json::to_string(&samples::ended(outcome)).unwrap() + "\n");
        assert_eq!(daemon.home.path().join("web.crt").exists(), outcome == Outcome::Issued);
    }
}

#[test]
fn the_chain_goes_where_it_is_asked_for() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::ended(Outcome::Issued)));
    assert_eq!(daemon.run(&format!("wait {REQUEST} --out web.crt")).code, 0);
    assert_eq!(std::fs::read_to_string(daemon.home.path().join("web.crt")).unwrap(), CHAIN);
    assert_eq!(daemon.run(&format!("wait {REQUEST} --out -")).out, CHAIN);
    let before = daemon.calls().len();
    for line in ["--out no/such/dir/web.crt", "--out .", "--out - --json"] {
        assert_eq!(daemon.run(&format!("wait {REQUEST} {line}")).code, 2, "{line}");
    }
    assert_eq!(daemon.calls().len(), before, "a file that cannot be written is said before the wait");
}

#[test]
fn issued_without_a_certificate_is_a_fault_and_writes_nothing() {
    let daemon = FakeDaemon::start(|_, _| {
        let mut result = samples::ended(Outcome::Issued);
        result.chain_pem = None;
        Answer::of(&result)
    });
    assert_eq!(daemon.run(&format!("wait {REQUEST} --out web.crt")).code, 1);
    assert!(!daemon.home.path().join("web.crt").exists());
}

#[test]
fn a_restart_of_the_daemon_is_waited_through() {
    let turn = AtomicUsize::new(0);
    let daemon = FakeDaemon::start(move |_, _| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::of(&samples::ended(Outcome::Waiting)),
        1 => Answer::Close,
        2 => Answer::refusal(ErrorKind::Unavailable),
        _ => Answer::of(&samples::ended(Outcome::Issued)),
    });
    let ran = daemon.run(&format!("wait {REQUEST}"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(daemon.calls().len(), 4);
    assert_eq!(daemon.calls()[0].1["timeout"], "1h");
}

#[test]
fn a_daemon_that_never_answered_is_unreachable_at_once() {
    let daemon = FakeDaemon::start(|_, _| Answer::Close);
    assert_eq!(daemon.run(&format!("wait {REQUEST}")).code, 6);
    assert_eq!(daemon.calls().len(), 1);
}

#[test]
fn the_time_limit_ends_the_wait_and_says_so() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::ended(Outcome::Waiting)));
    for limit in ["0s", "200ms"] {
        let ran = daemon.run(&format!("wait {REQUEST} --timeout {limit}"));
        assert_eq!(ran.code, 124, "{ran:?}");
        assert!(ran.err.contains("has not ended in time"), "{ran:?}");
    }
    let ran = daemon.run(&format!("wait {REQUEST} --timeout 0s --json"));
    assert_eq!(ran.out, serde_json::to_string(&samples::ended(Outcome::Waiting)).unwrap() + "\n");
}
