//! What happens in front of a person: a real pseudo-terminal, and the question before a decision.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use countersign_shared::protocol::{RequestDetail, Risk};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, REQUEST};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a command on a terminal of 80 columns, answers its question once, and returns status and screen text.
fn answer(daemon: &FakeDaemon, line: &str, question: &str, typed: &str) -> (u32, String) {
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
    let mut asked = false;
    loop {
        match receive.recv_timeout(PATIENCE) {
            Ok(octets) => screen.extend(octets),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&screen)),
        }
        if !asked && String::from_utf8_lossy(&screen).contains(question) {
            writer.write_all(format!("{typed}\n").as_bytes()).unwrap();
            asked = true;
        }
    }
    let screen = String::from_utf8(screen).unwrap();
    assert!(asked, "{question} was never asked: {screen}");
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
