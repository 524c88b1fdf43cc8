//! The client by itself.

use std::thread;
use std::time::Duration;

use countersign::client::{Client, ClientError, MAX_ANSWER};
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::frame::MAX_FRAME;
use countersign_shared::protocol::method::DaemonWhoami;
use countersign_shared::protocol::{Event, NoParams};
use serde_json::json;

use crate::fake_daemon::{Answer, FakeDaemon};
use crate::samples::whoami;

const ALARM: &str = r#"{"jsonrpc":"2.0","method":"event","params":{"type":"alarm","seq":9}}"#;

#[test]
fn a_result_comes_back_as_its_type_or_as_its_text() {
    let text = r#"{"b":1,  "a":"\u0041"}"#;
    let daemon = FakeDaemon::start(|method, _| match method {
        "daemon.whoami" => Answer::of(&whoami()),
        _ => Answer::Result(text.to_owned()),
    });
    let mut client = Client::connect(&daemon.socket).unwrap();
    assert_eq!(client.call::<DaemonWhoami>(&NoParams {}).unwrap(), whoami());
    assert_eq!(client.call_raw("x.y", &json!({})).unwrap().get(), text);
}

#[test]
fn where_nobody_listens_the_daemon_is_unreachable() {
    let home = tempfile::tempdir().unwrap();
    let error = Client::connect(&home.path().join("none")).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 6);
    assert!(error.nothing_happened());
}

#[test]
fn events_between_answers_are_kept_in_order() {
    let daemon = FakeDaemon::start(|method, _| match method {
        "events.subscribe" => Answer::Result(r#"{"from_seq":3}"#.to_owned()),
        _ => {
            let answer = r#"{"jsonrpc":"2.0","id":2,"result":{"z":1}}"#;
            Answer::Raw(format!("{ALARM}\n{answer}\n{}\n", ALARM.replace('9', "10")).into_bytes())
        }
    });
    let mut client = Client::connect(&daemon.socket).unwrap();
    assert_eq!(client.subscribe(Some(3)).unwrap().from_seq, 3);
    assert_eq!(client.call_raw("x.y", &json!({})).unwrap().get(), r#"{"z":1}"#);
    assert_eq!(client.next_event().unwrap(), Event::Alarm { seq: 9 });
    assert_eq!(client.next_event().unwrap(), Event::Alarm { seq: 10 });
}

#[test]
fn another_thread_ends_the_wait_for_an_event() {
    let daemon = FakeDaemon::start(|_, _| Answer::Silence);
    let mut client = Client::connect(&daemon.socket).unwrap();
    let stopper = client.stopper().unwrap();
    let waiting = thread::spawn(move || client.next_event());
    stopper.stop().unwrap();
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error, ClientError::Lost { .. }), "{error:?}");
    stopper.stop().unwrap();
}

#[test]
fn an_answer_that_comes_too_late_is_not_taken_for_the_next_one() {
    let daemon = FakeDaemon::start(|method, _| {
        match method {
        "slow.one" => Answer::Silence,
        _ => Answer::Raw(
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"old\":1}}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"new\":1}}\n"
                .to_vec(),
        ),
    }
    });
    let mut client = Client::connect(&daemon.socket).unwrap();
    client.set_timeout(Some(Duration::from_millis(50)));
    let error = client.call_raw("slow.one", &json!({})).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut), "{error:?}");
    assert!(!error.nothing_happened());
    client.set_timeout(None);
    assert_eq!(client.call_raw("x.y", &json!({})).unwrap().get(), r#"{"new":1}"#);
}

#[test]
fn a_connection_that_is_turned_away_tells_why() {
    let daemon = FakeDaemon::start(|_, _| {
        Answer::Raw(
            b"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32007,\"message\":\"too many\",\"data\":{\"kind\":\"rate_limited\",\"hint\":\"\"}}}\n"
                .to_vec(),
        )
    });
    let error = Client::connect(&daemon.socket).unwrap().call_raw("x.y", &json!({})).unwrap_err();
    assert_eq!(error.refusal(), Some(ErrorKind::RateLimited));
}

#[test]
fn what_is_not_the_protocol_is_said_to_be_so() {
    for octets in [
        &b"hello\n"[..],
        b"{}\n",
        b"{\"id\":1}\n",
        b"{\"id\":7,\"result\":{}}\n",
        b"{\"id\":\"x\",\"result\":{}}\n",
        b"{\"id\":1,\"error\":{\"code\":1,\"message\":\"x\"}}\n",
        b"{\"method\":\"other\",\"params\":{}}\n",
        b"{\"method\":\"event\",\"params\":{\"type\":\"other\"}}\n",
        b"\xff\xfe\n",
        b"\n",
    ] {
        let daemon = FakeDaemon::start(|_, _| Answer::Raw(octets.to_vec()));
        let error = Client::connect(&daemon.socket).unwrap().call_raw("x.y", &json!({})).unwrap_err();
        assert!(matches!(error, ClientError::Protocol(_)), "{error:?} for {octets:?}");
    }
}

#[test]
fn frames_have_limits_in_both_directions() {
    let daemon = FakeDaemon::start(|_, _| Answer::Raw(vec![b'x'; MAX_ANSWER + 1]));
    let mut client = Client::connect(&daemon.socket).unwrap();
    let error = client.call_raw("x.y", &json!({ "a": "x".repeat(MAX_FRAME) })).unwrap_err();
    assert_eq!(error.refusal(), Some(ErrorKind::Invalid));
    assert!(daemon.calls().is_empty());
    let error = client.call_raw("x.y", &json!({})).unwrap_err();
    assert!(matches!(&error, ClientError::Protocol(what) if what.contains("larger")), "{error:?}");
}

#[test]
fn a_connection_that_ends_leaves_the_outcome_open() {
    let daemon = FakeDaemon::start(|_, _| Answer::Close);
    let error = Client::connect(&daemon.socket).unwrap().call_raw("x.y", &json!({})).unwrap_err();
    assert!(matches!(error, ClientError::Lost { .. }), "{error:?}");
    assert!(!error.nothing_happened());
}

#[test]
fn many_small_frames_and_one_large_come_out_whole_however_they_are_cut() {
    let mut octets = Vec::new();
    for seq in 0..2000 {
        octets.extend(ALARM.replace('9', &seq.to_string()).bytes().chain([b'\n']));
    }
    let large = "x".repeat(300_000);
    octets.extend(format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"a\":\"{large}\"}}}}\n").bytes());
    let daemon = FakeDaemon::start(move |_, _| Answer::Raw(octets.clone()));
    let mut client = Client::connect(&daemon.socket).unwrap();
    let result = client.call_raw("x.y", &json!({})).unwrap();
    assert_eq!(result.get(), format!("{{\"a\":\"{large}\"}}"));
    for seq in 0..2000 {
        assert_eq!(client.next_event().unwrap(), Event::Alarm { seq });
    }
}
