//! Exit statuses, `--json`, and what reaches a terminal.

use std::process::Stdio;

use countersign_shared::error::{ApiError, ErrorKind, ErrorObject};
use countersign_shared::protocol::RequestPage;
use countersign_shared::text::is_deceiving;
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon, Ran};
use crate::samples;

#[test]
fn every_kind_of_error_has_its_status_and_is_told_to_people_and_to_scripts() {
    for (kind, code) in [
        (ErrorKind::Invalid, 2),
        (ErrorKind::NotFound, 4),
        (ErrorKind::Forbidden, 3),
        (ErrorKind::TwoPersonIntegrity, 3),
        (ErrorKind::AlreadyDecided, 5),
        (ErrorKind::StaleContent, 5),
        (ErrorKind::Conflict, 5),
        (ErrorKind::RateLimited, 3),
        (ErrorKind::ReadOnly, 3),
        (ErrorKind::Unavailable, 6),
        (ErrorKind::Internal, 1),
    ] {
        let daemon = FakeDaemon::start(move |_, _| Answer::refusal(kind));
        let people = daemon.run("status");
        assert_eq!((people.code, people.out.as_str()), (code, ""), "{kind:?}");
        assert_eq!(people.err, "countersign: the message\n  the hint\n");

        let scripts = daemon.run("status --json");
        assert_eq!((scripts.code, scripts.out.as_str()), (code, ""), "{kind:?}");
        let error: ErrorObject = ApiError::new(kind, "the message").hint("the hint").into();
        let told: serde_json::Value = serde_json::from_str(&scripts.err).unwrap();
        assert_eq!(told, json!({ "error": error }));
        assert_eq!(scripts.err.lines().count(), 1);
    }
}

#[test]
fn a_daemon_that_is_not_there_or_speaks_otherwise_has_a_status_too() {
    let daemon = FakeDaemon::start(|_, _| Answer::Raw(b"hello\n".to_vec()));
    assert_eq!(daemon.run("status").code, 1);
    let absent = daemon.run("--socket /nonexistent/cs.sock status");
    assert_eq!(absent.code, 6);
    assert!(absent.err.contains("/nonexistent/cs.sock"), "{absent:?}");
    let lost = FakeDaemon::start(|_, _| Answer::Close);
    assert_eq!(lost.run("status").code, 6);
}

#[test]
fn json_is_the_result_unchanged_but_for_what_a_terminal_obeys() {
    let raw = "{\"text\": \"a\\nb\u{202e}c\u{9b}2J\u{7f}é\u{1F600}\\u001b\",\t\"content_type\":\"x\"}";
    let daemon = FakeDaemon::start(move |_, _| Answer::Result(raw.to_owned()));
    let ran = daemon.run("metrics --json");
    let line = "{\"text\": \"a\\nb\\u202ec\\u009b2J\\u007fé\u{1F600}\\u001b\", \"content_type\":\"x\"}\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, line, ""));
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&ran.out), value(raw));
}

#[test]
fn text_for_people_holds_nothing_that_a_terminal_obeys() {
    let hostile = "\u{1b}]0;x\u{7}\u{1b}[2J\u{202e}\u{9b}31mwww";
    let daemon = FakeDaemon::start(move |method, _| match method {
        "request.list" => Answer::of(&RequestPage {
            requests: vec![samples::request(hostile)],
            next_cursor: Some(hostile.to_owned()),
            as_of_seq: 1,
        }),
        "request.get" => Answer::of(&samples::detail(hostile)),
        "daemon.metrics" => Answer::Result(json!({ "content_type": hostile, "text": hostile }).to_string()),
        _ => Answer::Error(ApiError::invalid(hostile).hint(hostile).into()),
    });
    for line in ["ls", &format!("show {}", samples::REQUEST), "metrics", "whoami", "whoami --json"] {
        let ran = daemon.run(line);
        let shown = (ran.out + &ran.err).replace('\n', "");
        assert!(shown.contains("www"), "{line}: {shown}");
        assert!(!shown.chars().any(is_deceiving), "{line}: {shown:?}");
    }
}

#[test]
fn lists_fit_eighty_columns_and_say_how_to_read_on() {
    let daemon = FakeDaemon::start(|_, _| {
        let mut request = samples::request(&"long-name.".repeat(25));
        request.requester.account = "a-very-long-account-name-of-a-directory".to_owned();
        Answer::of(&RequestPage { requests: vec![request], next_cursor: Some("c1".to_owned()), as_of_seq: 1 })
    });
    let ran = daemon.run("ls");
    assert!(ran.out.lines().all(|line| line.chars().count() <= 80), "{}", ran.out);
    assert!(ran.out.contains(samples::REQUEST));
    assert_eq!(ran.err, "there is more: add --cursor c1\n");
    assert_eq!(daemon.run("ls --json").err, "");
}

#[test]
fn idna_names_are_shown_with_their_unicode_form() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::detail("xn--80ak6aa92e.com")));
    let ran = daemon.run(&format!("show {}", samples::REQUEST));
    assert!(ran.out.contains("dns:xn--80ak6aa92e.com (аррӏе.com)"), "{}", ran.out);
    assert!(ran.out.contains(&samples::digest().spoken()[0]), "{}", ran.out);
}

#[test]
fn the_acting_person_is_chosen_before_the_call() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::whoami()));
    assert_eq!(daemon.run("whoami --as bob").code, 0);
    for name in ["carol", ""] {
        let ran = daemon.command(["whoami"]).env("COUNTERSIGN_AS", name).output().unwrap();
        assert_eq!(ran.status.code(), Some(0));
    }
    let calls = daemon.calls();
    assert_eq!(daemon.methods(), ["demo.act_as", "daemon.whoami", "demo.act_as", "daemon.whoami", "daemon.whoami"]);
    assert_eq!((&calls[0].1, &calls[2].1), (&json!({ "person": "bob" }), &json!({ "person": "carol" })));

    let real = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::Forbidden));
    assert_eq!(real.run("ls --as bob").code, 3);
    assert_eq!(real.methods(), ["demo.act_as"]);
}

#[test]
fn a_reader_that_has_gone_ends_nothing_but_the_writing() {
    let daemon = FakeDaemon::start(|_, _| Answer::of(&samples::whoami()));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ran = Ran::from(daemon.command(["whoami"]).stdout(writer).stderr(Stdio::piped()).output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn help_and_completions_need_no_daemon() {
    let daemon = FakeDaemon::start(|_, _| Answer::Silence);
    for shell in ["bash", "zsh", "fish"] {
        let ran = daemon.run(&format!("completions {shell}"));
        assert_eq!(ran.code, 0);
        for verb in
            ["approve", "withdraw", "void", "comment", "amend", "delegate", "delegations", "undelegate", "propose"]
        {
            assert!(ran.out.contains(verb), "{verb} in {shell}");
        }
    }
    let help = daemon.run("--help").out;
    for verb in [
        "status",
        "request",
        "void",
        "amend",
        "delegate",
        "alerts",
        "demo",
        "--socket",
        "--json",
        "--as",
        "124 timed out",
    ] {
        assert!(help.contains(verb), "{verb}");
    }
    // Neither the console nor the demo opens where there is no terminal.
    for line in ["--json", "demo"] {
        let ran = daemon.run(line);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("terminal"), "{ran:?}");
    }
    assert!(daemon.calls().is_empty());
}

#[test]
fn policies_and_ledgers_that_are_not_right_have_a_status() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "policy.check" => Answer::Result(r#"{"valid":false,"errors":["no such group"],"warnings":[]}"#.to_owned()),
        _ => Answer::Result(
            json!({ "intact": false, "records": 3, "root_sha256": samples::digest(),
                "damage": { "seq": 2, "rule": "edited", "text": "the hash differs" } })
            .to_string(),
        ),
    });
    std::fs::write(daemon.home.path().join("policy.toml"), "version = 1\n").unwrap();
    let check = daemon.run("policy check policy.toml");
    assert_eq!(check.code, 3);
    assert!(check.out.contains("no such group"));
    assert_eq!(daemon.calls()[0].1, json!({ "document": "version = 1\n" }));
    let verify = daemon.run("audit verify");
    assert_eq!(verify.code, 3);
    assert!(verify.out.contains("edited at record 2"), "{}", verify.out);
}
