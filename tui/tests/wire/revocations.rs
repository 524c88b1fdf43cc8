//! `revoke`: the end of a certificate before its time.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::JobState;
use countersign_shared::protocol::RevokeResult;
use serde_json::{Value, json};

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, JOB, REQUEST};

#[test]
fn what_ends_is_named_and_nothing_is_sent_that_was_not_typed() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::revoked("www.corp.example")));
    let cases: [(&[&str], Value); 3] = [
        (&["mc-1", "--reason", "superseded"], json!({ "certificate_id": "mc-1", "reason": "superseded" })),
        (
            &["--serial", "4F:0A", "--reason", "key_compromise", "--note", "lost stick", "--ticket", "SECOPS-8"],
            json!({ "serial": "4F:0A", "reason": "key_compromise", "note": "lost stick", "ticket": "SECOPS-8" }),
        ),
        (
            &["mc-1", "--serial", "4f0a", "--reason", "unspecified"],
            json!({ "certificate_id": "mc-1", "serial": "4f0a", "reason": "unspecified" }),
        ),
    ];
    for (at, (arguments, params)) in cases.into_iter().enumerate() {
        let ran = daemon.command([&["revoke"], arguments].concat()).output().unwrap();
        let out = String::from_utf8(ran.stdout).unwrap();
        assert!(ran.status.success() && ran.stderr.is_empty(), "{arguments:?}: {out}");
        for shown in [
            &format!("{REQUEST} pending"),
            &format!("{JOB} awaiting_approval"),
            "mc-1 version 3",
            "key_compromise",
            "4f0a",
            &samples::digest().to_string(),
            &format!("countersign wait {REQUEST}"),
        ] {
            assert!(out.contains(shown), "{shown}: {out}");
        }
        assert_eq!(daemon.calls()[at], ("certificate.revoke".to_owned(), params));
    }
}

#[test]
fn a_profile_that_asks_nobody_answers_with_a_job_alone() {
    let mut result = samples::revoked("www.corp.example");
    (result.request, result.job.request_id, result.job.state) = (None, None, JobState::Pending);
    let answer: RevokeResult = result.clone();
    let daemon = FakeDaemon::start(move |_, _| Answer::of(&answer));
    let ran = daemon.run("revoke mc-1 --reason superseded");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert!(ran.out.contains(&format!("countersign wait {JOB}")) && !ran.out.contains(REQUEST), "{}", ran.out);
    let line = serde_json::to_string(&result).unwrap() + "\n";
    assert_eq!(daemon.run("revoke mc-1 --reason superseded --json").out, line);
}

#[test]
fn a_refusal_is_told_and_a_reason_of_no_list_is_never_sent() {
    let daemon = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::Conflict));
    let ran = daemon.run("revoke mc-1 --reason superseded");
    assert!(ran.code != 0 && ran.out.is_empty() && !ran.err.is_empty(), "{ran:?}");
    let refused = daemon.calls().len();
    for wrong in [
        "revoke mc-1",
        "revoke --reason superseded",
        "revoke mc-1 --reason certificate_hold",
        "revoke ar-1 --reason superseded",
    ] {
        assert_eq!(daemon.run(wrong).code, 2, "{wrong}");
    }
    assert_eq!(daemon.calls().len(), refused);
}

#[test]
fn hostile_text_of_the_daemon_stays_text() {
    let mut result = samples::revoked("www.corp.example");
    result.revocation.serial = "4f\u{1b}[2J\u{202e}".into();
    result.revocation.issuer = "local\r\nca".into();
    let daemon = FakeDaemon::start(move |_, _| Answer::of(&result));
    let ran = daemon.run("revoke mc-1 --reason superseded");
    assert!(ran.code == 0 && ran.out.contains("REVOKES"), "{ran:?}");
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}', '\r']), "{:?}", ran.out);
}
