//! `withdraw`, `void`, `comment` and `amend`.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{CommentResult, RemarkKind};
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, REQUEST};

fn line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap() + "\n"
}

#[test]
fn the_requester_takes_it_back_and_an_admin_ends_it() {
    for (verb, state, reason) in [
        ("withdraw", RequestState::Withdrawn, false),
        ("withdraw", RequestState::Withdrawn, true),
        ("void", RequestState::Voided, true),
    ] {
        let daemon = FakeDaemon::start(move |_, _| Answer::of(&samples::ended_by(state)));
        let command = format!("{verb} {REQUEST}{}", if reason { " --reason wrong" } else { "" });
        let ran = daemon.run(&command);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        assert!(ran.out.contains(&format!("{REQUEST} {state}")), "{}", ran.out);
        assert!(ran.out.contains("cancelled") && ran.out.contains("record 9"), "{}", ran.out);
        assert_eq!(daemon.run(&format!("{command} --json")).out, line(&samples::ended_by(state)));
        assert_eq!(daemon.methods(), [format!("request.{verb}"), format!("request.{verb}")]);
        let params = if reason { json!({ "id": REQUEST, "reason": "wrong" }) } else { json!({ "id": REQUEST }) };
        assert_eq!(daemon.calls()[0].1, params);
    }
}

#[test]
fn a_remark_is_left_as_it_was_typed() {
    let result = CommentResult { remark: samples::remark(RemarkKind::Comment) };
    let answer = result.clone();
    let daemon = FakeDaemon::start(move |_, _| Answer::of(&answer));
    let ran = daemon.command(["comment", REQUEST, "ask the network team"]).output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert!(out.contains("carol: ask the network team") && out.contains("record 3"), "{out}");
    assert_eq!(
        daemon.calls()[0],
        ("request.comment".to_owned(), json!({ "id": REQUEST, "text": "ask the network team" }))
    );
    assert_eq!(daemon.run(&format!("comment {REQUEST} x --json")).out, line(&result));
}

#[test]
fn an_amendment_names_the_digest_that_it_replaces_and_shows_what_changed() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "request.get" => Answer::of(&samples::detail("www.corp.example")),
        _ => Answer::of(&samples::amended()),
    });
    std::fs::write(daemon.home.path().join("new.csr"), [0x30, 0x82, 0xff]).unwrap();
    let ran = daemon.run(&format!(
        "amend {REQUEST} --csr new.csr --reason why --ticket T-2 --valid-for 30d --not-before 2027-02-01T08:00:00Z"
    ));
    assert_eq!(ran.code, 0, "{ran:?}");
    for shown in
        ["san: nothing becomes dns:shop", "san: dns:old.corp.example becomes nothing", "2 on the version before"]
    {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
    assert_eq!(daemon.methods(), ["request.get", "request.amend"]);
    let params = json!({ "id": REQUEST, "digest": samples::digest(), "csr": "MIL/", "reason": "why", "ticket": "T-2",
        "valid_for": "30d", "not_before": "2027-02-01T08:00:00.000Z" });
    assert_eq!(daemon.calls()[1].1, params);

    let ran = daemon.run(&format!("amend {REQUEST} --reason why --json"));
    assert_eq!(ran.out, line(&samples::amended()));
    assert_eq!(daemon.calls()[3].1, json!({ "id": REQUEST, "digest": samples::digest(), "reason": "why" }));
}

#[test]
fn a_refusal_is_told_and_who_may_not_look_still_reaches_the_gate() {
    let daemon = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::Forbidden));
    for command in [
        format!("withdraw {REQUEST}"),
        format!("void {REQUEST} --reason x"),
        format!("comment {REQUEST} x"),
        format!("amend {REQUEST} --reason x"),
    ] {
        let ran = daemon.run(&command);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{ran:?}");
        assert!(ran.err.contains("the message") && ran.err.contains("the hint"), "{ran:?}");
    }
    assert_eq!(
        daemon.methods(),
        ["request.withdraw", "request.void", "request.comment", "request.get", "request.amend"]
    );
    assert_eq!(daemon.calls()[4].1["digest"], "0".repeat(64));
}

#[test]
fn a_csr_that_cannot_be_sent_is_said_before_the_daemon_is_asked() {
    let daemon = FakeDaemon::start(|_, _| Answer::Silence);
    std::fs::write(daemon.home.path().join("private.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    for csr in ["private.pem", "none.csr", "/dev/null"] {
        assert_eq!(daemon.run(&format!("amend {REQUEST} --csr {csr}")).code, 2, "{csr}");
    }
    assert!(daemon.calls().is_empty());
}
