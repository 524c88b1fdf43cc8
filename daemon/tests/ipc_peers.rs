//! The socket under peers that are many, do not read, go away, or wait; and its end.

#[path = "ipc/host.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking; several tests share this file")]
mod host;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use countersignd::ipc::Limits;
use host::Host;
use serde_json::Value;

const CALL: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{}}\n";

fn kind(answer: &Value) -> &str {
    answer["error"]["data"]["kind"].as_str().unwrap_or("no error")
}

#[test]
fn calls_that_wait_for_people_hold_up_nobody_and_have_a_limit() {
    let host = Host::new(Limits { aside: 3, ..Limits::default() });
    let mut client = host.connect();
    for id in 0..4 {
        client.call(id, "wait", "{\"n\":400}");
    }
    client.call(9, "echo", "{}");
    let refused = client.next().unwrap();
    assert_eq!((refused["id"].as_u64(), kind(&refused)), (Some(3), "rate_limited"));
    assert_eq!(client.next().unwrap()["id"], 9);
    // Ending the input takes nothing from what is under way.
    client.end_input();
    let mut ids: Vec<_> = client.rest().iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2]);
}

#[test]
fn calls_aside_end_with_their_peer_and_others_are_finished() {
    let host = Host::new(Limits::default());
    let mut client = host.connect();
    client.call(1, "wait", "{\"n\":600000}");
    host.wait_until("the call", |service| service.waiting.load(Ordering::SeqCst) == 1);
    drop(client);
    host.wait_until("the end of the call", |service| service.waiting.load(Ordering::SeqCst) == 0);

    let mut client = host.connect();
    client.call(1, "wait", "{\"n\":600000}");
    client.call(2, "sleep", "{\"n\":200}");
    host.wait_until("the call", |service| service.waiting.load(Ordering::SeqCst) == 1);
    drop(client);
    host.wait_until("the sleeper", |service| service.finished.load(Ordering::SeqCst) == 1);
    host.wait_until("the end of the call", |service| service.waiting.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_panic_costs_one_call() {
    let host = Host::new(Limits::default());
    let mut client = host.connect();
    client.call(1, "panic", "{}");
    client.call(2, "echo", "{}");
    assert_eq!(kind(&client.next().unwrap()), "internal");
    assert_eq!(client.next().unwrap()["id"], 2);
}

#[test]
fn five_hundred_half_open_frames_harm_nobody() {
    let host = Host::new(Limits::default());
    let held: Vec<_> = (0..500)
        .map(|_| {
            let mut client = host.connect();
            client.send(b"{\"json");
            client
        })
        .collect();
    let begin = Instant::now();
    host.assert_serves("500 half-open frames");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    drop(held);
}

#[test]
fn ten_thousand_connections_one_after_another() {
    let host = Host::new(Limits::default());
    for _ in 0..10_000 {
        assert_eq!(host.exchange(CALL.as_bytes()).len(), 1);
    }
}

#[test]
fn one_user_has_a_limited_number_of_connections() {
    let host = Host::new(Limits { connections_per_uid: 5, ..Limits::default() });
    let mut held: Vec<_> = (0..5).map(|_| host.connect()).collect();
    for client in &mut held {
        client.send(CALL.as_bytes());
        assert!(client.next().unwrap()["result"].is_object());
    }
    let mut sixth = host.connect();
    let refused = sixth.next().unwrap();
    assert_eq!((kind(&refused), &refused["id"]), ("rate_limited", &Value::Null));
    assert!(refused["error"]["message"].as_str().unwrap().contains("5 connections"), "{refused}");
    assert_eq!(sixth.next(), None);
    drop(held);
    let begin = Instant::now();
    // A connection over the limit may be closed while it is written to.
    let served = || {
        let mut client = host.connect();
        client.try_send(CALL.as_bytes()).is_ok() && client.next().is_some_and(|answer| answer["result"].is_object())
    };
    while !served() {
        assert!(begin.elapsed() < host::PATIENCE, "seats are not given back");
    }
}

#[test]
fn a_peer_that_does_not_read_is_closed_and_holds_a_bounded_queue() {
    let host = Host::new(Limits { write_time: Duration::from_millis(300), ..Limits::default() });
    let mut deaf = host.connect();
    for id in 0..20 {
        deaf.call(id, "large", "{\"n\":500000}");
    }
    std::thread::sleep(Duration::from_millis(1500));
    // What was queued is capped: of twenty calls only those were taken up whose answers found room.
    let mut client = host.connect();
    client.call(1, "echo", "{}");
    assert_eq!(client.next().unwrap()["id"], 1);
    let mut got = 0;
    let mut octets = [0; 65536];
    loop {
        match std::io::Read::read(deaf.stream(), &mut octets) {
            Ok(0) | Err(_) => break,
            Ok(n) => got += n,
        }
    }
    assert!(got < 2_000_000, "{got} octets of 10,000,000 were sent to a peer that did not read");
}

#[test]
fn a_peer_that_reads_slowly_but_steadily_gets_everything() {
    let host = Host::new(Limits { write_time: Duration::from_millis(500), queued: 100_000, ..Limits::default() });
    let mut client = host.connect();
    for id in 0..40 {
        client.call(id, "large", "{\"n\":100000}");
    }
    for id in 0..40 {
        assert_eq!(client.next().unwrap()["id"], id);
        std::thread::sleep(Duration::from_millis(30));
    }
}

#[test]
fn large_frames_and_answers_share_the_memory_of_their_user() {
    let host = Host::new(Limits { memory_per_uid: 1_000_000, ..Limits::default() });
    let half =
        [b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{\"a\":\"", &[b'a'; 450_000][..]].concat();
    let mut first = host.connect();
    let mut second = host.connect();
    first.send(&half);
    std::thread::sleep(Duration::from_millis(200));
    second.send(&half);
    second.send(b"\"}}\n");
    assert_eq!(kind(&second.next().unwrap()), "rate_limited");
    second.call(2, "large", "{\"n\":600000}");
    assert_eq!(kind(&second.next().unwrap()), "rate_limited");
    second.call(3, "large", "{\"n\":400000}");
    assert!(second.next().unwrap()["result"].is_string());
    // The one that came first is whole, and gives back what it held.
    first.send(b"\"}}\n");
    assert!(first.next().unwrap()["result"].is_object());
    first.call(2, "echo", "{}");
    assert!(first.next().unwrap()["result"].is_object());
    second.call(4, "large", "{\"n\":900000}");
    assert!(second.next().unwrap()["result"].is_string());
}

#[test]
fn events_follow_their_subscription_while_calls_go_on() {
    let host = Host::new(Limits { streams: 2, ..Limits::default() });
    let mut client = host.connect();
    client.call(1, "stream", "{\"n\":1000}");
    client.call(2, "sleep", "{\"n\":50}");
    assert_eq!(client.next().unwrap()["id"], 1);
    let (mut seq, mut slept) = (0, false);
    while seq < 1000 || !slept {
        let line = client.next().unwrap();
        if line["method"] == "event" {
            assert_eq!(line["params"]["seq"], seq);
            seq += 1;
        } else {
            assert_eq!(line["id"], 2);
            slept = true;
        }
    }
    client.call(3, "stream", "{\"n\":0}");
    client.call(4, "stream", "{\"n\":0}");
    assert!(client.next().unwrap()["result"].is_object());
    assert_eq!(kind(&client.next().unwrap()), "rate_limited");
}

#[test]
fn stopping_lets_calls_end_answers_those_that_wait_and_removes_the_socket() {
    let mut host = Host::new(Limits::default());
    let mut idle = host.connect();
    idle.send(CALL.as_bytes());
    assert!(idle.next().is_some());
    let mut client = host.connect();
    client.call(1, "wait", "{\"n\":600000}");
    client.call(2, "sleep", "{\"n\":300}");
    host.wait_until("the call", |service| service.waiting.load(Ordering::SeqCst) == 1);
    std::thread::sleep(Duration::from_millis(50));
    let took = host.stop();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let answers = client.rest();
    let outcome = |id: u64| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(outcome(2)["result"], "slept");
    assert_eq!(kind(outcome(1)), "unavailable");
    assert_eq!(idle.next(), None);
    assert!(!host.path.exists());
}

#[test]
fn stopping_does_not_wait_for_ever() {
    let mut host = Host::new(Limits { drain_time: Duration::from_millis(200), ..Limits::default() });
    let mut client = host.connect();
    client.call(1, "sleep", "{\"n\":600000}");
    client.send(CALL.as_bytes());
    std::thread::sleep(Duration::from_millis(50));
    let took = host.stop();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(5), "{took:?}");
}
