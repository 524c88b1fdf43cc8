//! `request` with several CSR files, and with a scheduled start.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::Outcome;
use serde_json::{Value, json};

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::{self, CHAIN, JOB, REQUEST};

/// A daemon that answers its calls in this order, with `one.csr` to `three.csr` beside it.
fn answering(answers: impl Fn(usize) -> Answer + Send + Sync + 'static) -> FakeDaemon {
    let turn = AtomicUsize::new(0);
    let daemon = FakeDaemon::start(move |_, _| answers(turn.fetch_add(1, Ordering::SeqCst)));
    for name in ["one.csr", "two.csr", "three.csr"] {
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{name}\n-----END CERTIFICATE REQUEST-----\n");
        fs::write(daemon.home.path().join(name), pem).unwrap();
    }
    daemon
}

fn params(daemon: &FakeDaemon) -> Vec<Value> {
    daemon.calls().into_iter().filter(|(method, _)| method == "request.submit").map(|(_, params)| params).collect()
}

#[test]
fn several_files_make_a_request_each_under_one_name() {
    let daemon = answering(|turn| {
        let mut made = samples::submitted();
        if turn == 1 {
            made.request = None;
            made.repeated = true;
        }
        Answer::of(&made)
    });
    let ran = daemon.run(
        "request --csr one.csr --csr two.csr three.csr --batch spring --reason why --not-before 2027-02-01T08:00:00Z",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines[0], format!("{REQUEST} pending  www.corp.example  one.csr"));
    assert_eq!(lines[1], format!("{JOB} awaiting_approval  no approval needed  two.csr  (was there already)"));
    assert_eq!(lines.len(), 3);
    assert_eq!(ran.err, "batch spring: 3 of 3 are there\n");
    let sent = params(&daemon);
    for (sent, name) in sent.iter().zip(["one", "two", "three"]) {
        assert!(sent["csr"].as_str().unwrap().contains(name));
        assert_eq!((&sent["batch"], &sent["reason"]), (&json!("spring"), &json!("why")));
        assert_eq!(sent["not_before"], "2027-02-01T08:00:00.000Z");
    }
    let keys: std::collections::BTreeSet<&str> =
        sent.iter().map(|sent| sent["idempotency_key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 3);

    // The same name and CSRs, one at a time too, are the same submissions.
    daemon.run("request --csr one.csr --csr two.csr --batch spring");
    daemon.run("request --csr three.csr --batch spring");
    let again = params(&daemon);
    for (first, second) in [(0, 3), (1, 4), (2, 5)] {
        assert_eq!(again[first]["idempotency_key"], again[second]["idempotency_key"]);
    }
}

#[test]
fn a_name_is_made_up_where_there_is_none() {
    let daemon = answering(|_| Answer::of(&samples::submitted()));
    let ran = daemon.run("request --csr one.csr two.csr");
    let sent = params(&daemon);
    let name = sent[0]["batch"].as_str().unwrap();
    assert_eq!(sent[1]["batch"], name);
    assert!(ran.err.contains(name), "{ran:?}");
}

#[test]
fn json_is_each_result_unchanged() {
    let daemon = answering(|_| Answer::of(&samples::submitted()));
    let ran = daemon.run("request --csr one.csr two.csr --batch b --json");
    let line = serde_json::to_string(&samples::submitted()).unwrap() + "\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), (line.repeat(2).as_str(), ""));
}

#[test]
fn a_refusal_of_one_holds_up_none_and_the_worst_is_the_status() {
    let daemon = answering(|turn| match turn {
        0 => Answer::refusal(ErrorKind::Conflict),
        1 => Answer::refusal(ErrorKind::Forbidden),
        _ => Answer::of(&samples::submitted()),
    });
    let ran = daemon.run("request --csr one.csr two.csr three.csr --batch b");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.out.lines().count(), 1);
    assert!(ran.out.contains("three.csr"), "{ran:?}");
    for told in
        ["one.csr: the message", "two.csr: the message", "the hint; a batch that is run again", "1 of 3 are there\n"]
    {
        assert!(ran.err.contains(told), "{told}: {ran:?}");
    }
}

#[test]
fn what_was_made_before_the_daemon_went_away_is_told_and_the_rest_is_not_sent() {
    for (answer, code) in [
        (|| Answer::Close, 6),
        (|| Answer::refusal(ErrorKind::RateLimited), 3),
        (|| Answer::refusal(ErrorKind::ReadOnly), 3),
        (|| Answer::refusal(ErrorKind::Internal), 1),
    ] as [(fn() -> Answer, i32); 4]
    {
        let daemon = answering(move |turn| if turn == 0 { Answer::of(&samples::submitted()) } else { answer() });
        let ran = daemon.run("request --csr one.csr two.csr three.csr --batch b --not-before 2027-02-01T08:00:00Z");
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.out.contains(REQUEST) && ran.out.contains("one.csr"), "{ran:?}");
        let again = "1 of 3 are there; run it again with --batch b --not-before 2027-02-01T08:00:00.000Z";
        assert!(ran.err.contains(again), "{ran:?}");
        assert!(ran.err.contains("two.csr: "), "{ran:?}");
        assert_eq!(params(&daemon).len(), 2);
    }
}

#[test]
fn a_refusal_before_the_end_is_not_forgotten() {
    let daemon = answering(|turn| match turn {
        0 => Answer::refusal(ErrorKind::Forbidden),
        _ => Answer::Raw(b"no protocol\n".to_vec()),
    });
    let ran = daemon.run("request --csr one.csr two.csr three.csr --wait --json");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 2, "{ran:?}");
    assert_eq!(params(&daemon).len(), 2, "nothing to wait for");

    let daemon = answering(|turn| match turn {
        0 => Answer::refusal(ErrorKind::Invalid),
        _ => Answer::refusal(ErrorKind::RateLimited),
    });
    assert_eq!(daemon.run("request --csr one.csr two.csr three.csr").code, 3);
}

#[test]
fn nothing_is_sent_where_one_file_cannot_be_read_or_a_flag_fits_one_alone() {
    let daemon = answering(|_| Answer::Silence);
    for line in [
        "request --csr one.csr none.csr",
        "request --csr one.csr two.csr --idempotency-key k",
        "request --csr one.csr two.csr --wait --out web.crt",
        "request --csr - - ",
        "request --csr one.csr two.csr --not-before +99999d",
        "request --csr one.csr two.csr --batch a/b",
    ] {
        assert_eq!(daemon.run(line.trim()).code, 2, "{line}");
    }
    assert!(daemon.calls().is_empty());
}

#[test]
fn a_batch_can_be_waited_for() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "request.submit" => Answer::of(&samples::submitted()),
        _ => Answer::of(&samples::ended(Outcome::Rejected)),
    });
    for name in ["one.csr", "two.csr"] {
        fs::write(daemon.home.path().join(name), [0x30, 0x82, 0xff]).unwrap();
    }
    let ran = daemon.run("request --csr one.csr two.csr --wait --timeout 1m");
    assert_eq!(ran.code, 10, "{ran:?}");
    assert_eq!(daemon.methods(), ["request.submit", "request.submit", "request.wait", "request.wait"]);
}

#[test]
fn one_request_can_have_a_batch_and_a_start_too() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "request.submit" => Answer::of(&{
            let mut made = samples::submitted();
            let request = made.request.as_mut().unwrap();
            (request.batch, request.not_before) = (Some("b".to_owned()), Some("2027-02-01T08:00:00Z".parse().unwrap()));
            made
        }),
        _ => Answer::of(&samples::ended(Outcome::Issued)),
    });
    let ran = daemon.run("request --new-key web.key --cn www.corp.example --batch b --not-before +2h --wait --out -");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("2027-02-01T08:00:00Z") && ran.out.ends_with(CHAIN), "{ran:?}");
    let sent = &params(&daemon)[0];
    assert_eq!(sent["batch"], "b");
    assert!(sent["not_before"].as_str().unwrap().ends_with(".000Z"), "a whole second: {sent}");
    let mine = daemon.run("request --new-key other.key --cn www.corp.example --batch b --idempotency-key k");
    assert_eq!(mine.code, 0);
    assert_eq!(params(&daemon)[1]["idempotency_key"], "k");
}
