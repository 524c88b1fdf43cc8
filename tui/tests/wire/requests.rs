//! `request`: keys made here, and what becomes of them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::Outcome;
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, CHAIN, REQUEST};

fn serving() -> FakeDaemon {
    FakeDaemon::start(|method, _| match method {
        "request.submit" => Answer::of(&samples::submitted()),
        _ => Answer::of(&samples::ended(Outcome::Issued)),
    })
}

#[test]
fn a_new_key_stays_here_and_its_csr_is_sent() {
    let daemon = serving();
    let ran = daemon.run(
        "request --new-key web.key --cn bücher.example --san 192.0.2.7 --reason why --profile p-web --ticket T-1 \
         --environment production --valid-for 90d --idempotency-key k1",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains(REQUEST), "{ran:?}");
    assert!(ran.err.contains("bücher.example is written xn--bcher-kva.example"), "{ran:?}");
    let key = daemon.home.path().join("web.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);
    let (method, mut params) = daemon.calls().remove(0);
    assert_eq!(method, "request.submit");
    let csr = params["csr"].take();
    assert!(csr.as_str().unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
    assert!(!csr.as_str().unwrap().contains("PRIVATE"));
    let sent = json!({ "csr": null, "reason": "why", "profile": "p-web", "ticket": "T-1",
        "environment": "production", "valid_for": "90d", "idempotency_key": "k1" });
    assert_eq!(params, sent);
}

#[test]
fn a_refused_request_leaves_no_key_and_an_open_outcome_keeps_it() {
    for (kind, code, kept) in
        [(ErrorKind::Invalid, 2, false), (ErrorKind::Conflict, 5, false), (ErrorKind::Internal, 1, true)]
    {
        let daemon = FakeDaemon::start(move |_, _| Answer::refusal(kind));
        let ran = daemon.run("request --new-key web.key --cn www.corp.example");
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(daemon.home.path().join("web.key").exists(), kept, "{kind:?}");
    }
    let daemon = FakeDaemon::start(|_, _| Answer::Close);
    let ran = daemon.run("request --new-key web.key --cn www.corp.example");
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(daemon.home.path().join("web.key").exists());
    assert!(ran.err.contains("not known"), "{ran:?}");
    let ran = daemon.run("--socket none request --new-key other.key --cn www.corp.example");
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(!daemon.home.path().join("other.key").exists());
}

#[test]
fn nothing_is_overwritten_and_nothing_is_asked_for_in_vain() {
    let daemon = serving();
    let home = daemon.home.path();
    fs::write(home.join("web.key"), "precious").unwrap();
    fs::write(home.join("private.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    for line in [
        "request --new-key web.key --cn www.corp.example",
        "request --new-key no/dir/web.key --cn www.corp.example",
        "request --new-key new.key --cn www.corp.example --wait --out no/dir/web.crt",
        "request --new-key new.key --san a@b@ü",
        "request --csr private.pem",
        "request --csr none.csr",
        "request --csr /dev/null",
    ] {
        assert_eq!(daemon.run(line).code, 2, "{line}");
    }
    assert_eq!(fs::read_to_string(home.join("web.key")).unwrap(), "precious");
    assert!(!home.join("new.key").exists());
    assert!(daemon.calls().is_empty());
}

#[test]
fn a_request_can_wait_for_its_certificate() {
    let daemon = serving();
    fs::write(daemon.home.path().join("web.csr"), [0x30, 0x82, 0xff]).unwrap();
    let ran = daemon.run("request --csr web.csr --wait --timeout 1m --out web.crt --json");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(ran.out, line(&samples::submitted()) + &line(&samples::ended(Outcome::Issued)));
    assert_eq!(fs::read_to_string(daemon.home.path().join("web.crt")).unwrap(), CHAIN);
    assert_eq!(daemon.calls()[0].1, json!({ "csr": "MIL/" }));
    assert_eq!(daemon.calls()[1].1["id"], REQUEST);
}

#[test]
fn an_unattended_profile_is_waited_for_by_its_job() {
    let daemon = FakeDaemon::start(|method, _| {
        let mut submitted = samples::submitted();
        submitted.request = None;
        match method {
            "request.submit" => Answer::of(&submitted),
            _ => Answer::of(&samples::ended(Outcome::Issued)),
        }
    });
    let ran = daemon.run("request --new-key dev.key --cn a.dev.corp.example --wait");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("none needed under p-web"), "{ran:?}");
    assert_eq!(daemon.calls()[1].1["id"], samples::JOB);
}

#[test]
fn a_refused_wait_does_not_take_the_key_back() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "request.submit" => Answer::of(&samples::submitted()),
        _ => Answer::of(&samples::ended(Outcome::Rejected)),
    });
    let ran = daemon.run("request --new-key web.key --cn www.corp.example --wait --out web.crt");
    assert_eq!(ran.code, 10, "{ran:?}");
    assert!(daemon.home.path().join("web.key").exists());
    assert!(!daemon.home.path().join("web.crt").exists());
}

/// A result as the line that `--json` prints for it.
fn line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap() + "\n"
}
