//! `approve` and `reject` without a terminal.

use countersign_shared::error::ErrorKind;
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, REQUEST};

#[test]
fn a_script_decides_on_what_is_there_now() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "request.get" => Answer::of(&samples::detail("www.corp.example")),
        _ => Answer::of(&samples::decided()),
    });
    let approved = daemon.run(&format!("approve {REQUEST} --note fine"));
    assert_eq!(approved.code, 0, "{approved:?}");
    let rejected = daemon.run(&format!("reject {REQUEST} --note no --json"));
    assert_eq!(rejected.out, serde_json::to_string(&samples::decided()).unwrap() + "\n");
    assert_eq!(daemon.methods(), ["request.get", "request.approve", "request.get", "request.reject"]);
    let digest = samples::digest();
    assert_eq!(daemon.calls()[1].1, json!({ "id": REQUEST, "digest": digest, "note": "fine" }));
    assert_eq!(daemon.calls()[3].1, json!({ "id": REQUEST, "digest": digest, "note": "no" }));
}

#[test]
fn a_digest_that_was_seen_is_sent_as_it_is() {
    let daemon = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::StaleContent));
    let seen = "ab".repeat(32);
    assert_eq!(daemon.run(&format!("approve {REQUEST} --digest {seen}")).code, 5);
    assert_eq!(daemon.calls(), [("request.approve".to_owned(), json!({ "id": REQUEST, "digest": seen }))]);
}

#[test]
fn who_may_not_look_still_reaches_the_gate_which_refuses_and_records() {
    for (kind, code) in [(ErrorKind::Forbidden, 3), (ErrorKind::NotFound, 4)] {
        let daemon = FakeDaemon::start(move |_, _| Answer::refusal(kind));
        assert_eq!(daemon.run(&format!("approve {REQUEST} --note x")).code, code);
        assert_eq!(daemon.methods(), ["request.get", "request.approve"]);
        assert_eq!(daemon.calls()[1].1["digest"], "0".repeat(64));
    }
    let daemon = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::ReadOnly));
    assert_eq!(daemon.run(&format!("reject {REQUEST} --note x")).code, 3);
    assert_eq!(daemon.methods(), ["request.get"]);
}
