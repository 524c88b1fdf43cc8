//! What happens in front of a person: a real pseudo-terminal, and the question before a decision.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use countersign_shared::content::San;
use countersign_shared::digest::Digest;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{RequestDetail, Risk};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, OTHER, REQUEST};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a command on a terminal of 80 columns, answers its question once, and returns status and screen text.
fn answer(daemon: &FakeDaemon, line: &str, question: &str, typed: &str) -> (u32, String) {
    answers(daemon, line, &[(question, typed)])
}

/// The same with several questions, one after another.
fn answers(daemon: &FakeDaemon, line: &str, typed: &[(&str, &str)]) -> (u32, String) {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(line.split(' '));
    command.env("COUNTERSIGN_SOCKET", &daemon.socket);
    command.env("TERM", "xterm");
    command.env_remove("NO_COLOR");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut octets = [0; 4096];
        // A terminal without its other end gives an error, which is the end here.
        while let Ok(count @ 1..) = reader.read(&mut octets) {
            if send.send(octets[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut writer = pair.master.take_writer().unwrap();
    let mut screen = Vec::new();
    let mut open = typed.iter();
    let mut next = open.next();
    loop {
        match receive.recv_timeout(PATIENCE) {
            Ok(octets) => screen.extend(octets),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&screen)),
        }
        if let Some((question, typed)) = next
            && String::from_utf8_lossy(&screen).contains(question)
        {
            writer.write_all(format!("{typed}\n").as_bytes()).unwrap();
            next = open.next();
        }
    }
    let screen = String::from_utf8(screen).unwrap();
    assert_eq!(next, None, "never asked: {screen}");
    (child.wait().unwrap().exit_code(), screen)
}

fn daemon(detail: RequestDetail) -> FakeDaemon {
    FakeDaemon::start(move |method, _| match method {
        "request.get" => Answer::of(&detail),
        _ => Answer::of(&samples::decided()),
    })
}

#[test]
fn a_person_sees_the_request_and_says_yes() {
    let daemon = daemon(samples::detail("www.corp.example"));
    let (code, screen) = answer(&daemon, &format!("approve {REQUEST}"), "Type yes to approve", "yes");
    assert_eq!(code, 0, "{screen}");
    assert_eq!(daemon.methods(), ["request.get", "request.approve"]);
    let digest = &samples::digest().spoken()[0];
    assert!(screen.contains("dns:www.corp.example") && screen.contains(digest.as_str()), "{screen}");
    assert!(screen.contains("\u{1b}[33m"), "colour on a terminal: {screen}");
}

#[test]
fn anything_else_decides_nothing() {
    let daemon = daemon(samples::detail("www.corp.example"));
    for (verb, typed) in [("approve", ""), ("approve", "y"), ("approve", "no"), ("reject", "nein")] {
        let line = format!("{verb} {REQUEST} --note x");
        let (code, screen) = answer(&daemon, &line, &format!("Type yes to {verb}"), typed);
        assert_eq!(code, 2, "{screen}");
        assert!(screen.contains("nothing was decided"), "{screen}");
    }
    assert!(daemon.methods().iter().all(|method| method == "request.get"));
}

#[test]
fn a_request_at_risk_asks_for_its_name() {
    let mut detail = samples::detail("*.corp.example");
    detail.request.risks = vec![Risk::Wildcard];
    let daemon = daemon(detail);
    let question = "Type *.corp.example to approve";
    assert_eq!(answer(&daemon, &format!("approve {REQUEST}"), question, "yes").0, 2);
    assert_eq!(answer(&daemon, &format!("approve {REQUEST}"), question, "*.corp.example").0, 0);
    assert_eq!(daemon.methods(), ["request.get", "request.get", "request.approve"]);
}

#[test]
fn the_name_at_risk_is_the_one_to_type_whichever_name_comes_first() {
    for (risk, name) in [(Risk::Wildcard, "*.corp.example"), (Risk::Idn, "xn--80ak6aa92e.com")] {
        let mut detail = samples::detail("www.corp.example");
        detail.request.risks = vec![risk];
        detail.content.as_mut().unwrap().sans.push(San::Dns(name.into()));
        let daemon = daemon(detail);
        let question = format!("Type {name} to approve");
        assert_eq!(answer(&daemon, &format!("approve {REQUEST}"), &question, "www.corp.example").0, 2);
        assert_eq!(answer(&daemon, &format!("approve {REQUEST}"), &question, name).0, 0);
    }
    // Whatever could not be typed is not asked for.
    let mut detail = samples::detail("w\u{202e}ww");
    detail.request.risks = vec![Risk::OtherOwner];
    assert_eq!(answer(&daemon(detail), &format!("approve {REQUEST}"), "Type yes to approve", "yes").0, 0);
}

#[test]
fn an_admin_sees_what_is_voided_and_says_yes() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "request.get" => Answer::of(&samples::detail("www.corp.example")),
        _ => Answer::of(&samples::ended_by(RequestState::Voided)),
    });
    let line = format!("void {REQUEST} --reason wrong");
    let (code, screen) = answer(&daemon, &line, "Type yes to void exactly this", "no");
    assert_eq!(code, 2, "{screen}");
    assert!(screen.contains("nothing was voided"), "{screen}");
    let (code, screen) = answer(&daemon, &line, "Type yes to void exactly this", "yes");
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("dns:www.corp.example"), "{screen}");
    assert_eq!(daemon.methods(), ["request.get", "request.get", "request.void"]);
}

/// A plain request, and one at risk.
fn two() -> FakeDaemon {
    FakeDaemon::start(|method, params| match method {
        "request.get" if params["id"] == OTHER => {
            let mut detail = samples::detail("*.corp.example");
            detail.request.id = OTHER.parse().unwrap();
            detail.request.risks = vec![Risk::Wildcard];
            Answer::of(&detail)
        }
        "request.get" => Answer::of(&samples::detail("www.corp.example")),
        "request.list" => {
            let mut other = samples::request("*.corp.example");
            other.id = OTHER.parse().unwrap();
            // The list is older than what is shown: the digest that was seen is the one that counts.
            other.digest = Digest::of(&[b"before"]);
            Answer::of(&samples::page(vec![samples::request("www.corp.example"), other]))
        }
        _ => Answer::of(&samples::decided_many()),
    })
}

#[test]
fn several_are_shown_whole_before_one_answer_decides_them() {
    let daemon = two();
    let last = "Type yes to approve exactly these 2";
    let risky = format!("Type *.corp.example to approve {OTHER}");
    for line in [format!("approve {REQUEST} {OTHER}"), "approve --batch spring".to_owned()] {
        let before = daemon.calls().len();
        let (code, screen) = answers(&daemon, &line, &[(&risky, "*.corp.example"), (last, "yes")]);
        assert_eq!(code, 5, "{screen}");
        for shown in ["dns:www.corp.example", "dns:*.corp.example", "wildcard", &samples::digest().to_string()] {
            assert!(screen.contains(shown), "{shown}: {screen}");
        }
        let calls = daemon.calls().split_off(before);
        let (method, params) = calls.last().unwrap();
        assert_eq!(method, "request.decide");
        assert!(params["items"].as_array().unwrap().iter().all(|item| item["digest"] == json!(samples::digest())));
    }
}

#[test]
fn one_wrong_answer_decides_none_of_them() {
    let daemon = two();
    let line = format!("approve {REQUEST} {OTHER}");
    let last = "Type yes to approve exactly these 2";
    let risky = format!("Type *.corp.example to approve {OTHER}");
    for typed in [&[(risky.as_str(), "yes")][..], &[(risky.as_str(), "*.corp.example"), (last, "*.corp.example")][..]] {
        let (code, screen) = answers(&daemon, &line, typed);
        assert_eq!(code, 2, "{screen}");
        assert!(screen.contains("nothing was decided"), "{screen}");
    }
    // To reject what is at risk needs no name.
    let line = format!("reject {REQUEST} {OTHER} --note x");
    assert_eq!(answer(&daemon, &line, "Type yes to reject exactly these 2", "no").0, 2);
    assert!(daemon.methods().iter().all(|method| method == "request.get"));
}

#[test]
fn a_digest_that_was_named_is_sent_even_where_another_is_shown() {
    let daemon = two();
    let seen = "ab".repeat(32);
    let line = format!("reject {REQUEST}@{seen} {OTHER} --note x");
    assert_eq!(answer(&daemon, &line, "Type yes to reject exactly these 2", "yes").0, 5);
    let (_, params) = daemon.calls().pop().unwrap();
    assert_eq!(params["items"][0]["digest"], seen);
    assert_eq!(params["items"][1]["digest"], json!(samples::digest()));
}

#[test]
fn a_laxer_policy_is_approved_by_its_name() {
    let daemon = daemon(samples::policy_detail());
    let question = "Type policy 4 to approve";
    assert_eq!(answer(&daemon, &format!("approve {REQUEST}"), question, "yes").0, 2);
    let (code, screen) = answer(&daemon, &format!("approve {REQUEST}"), question, "policy 4");
    assert_eq!(code, 0, "{screen}");
    assert!(screen.contains("LAXER"), "{screen}");
}
