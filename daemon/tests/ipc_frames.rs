//! The socket under frames that are nonsense, too large, too slow or cut anywhere.

#[path = "ipc/host.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "a test fails by panicking; several tests share this file")]
mod host;

use std::time::{Duration, Instant};

use countersignd::ipc::Limits;
use host::Host;
use serde_json::{Value, json};

const CALL: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":{}}\n";

fn kind(answer: &Value) -> &str {
    answer["error"]["data"]["kind"].as_str().unwrap_or("no error")
}

#[test]
fn hostile_frames_get_one_clear_error_each_and_the_connection_goes_on() {
    let host = Host::new(Limits::default());
    let deep_params =
        [br#"{"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":"#, "[".repeat(100_000).as_bytes()].concat();
    let cases: &[(&str, &[u8], i64, &str)] = &[
        ("not json", b"hello", -32700, "not JSON"),
        ("empty object", b"{}", -32600, "`jsonrpc` is missing"),
        ("array", b"[]", -32600, "batches"),
        ("batch", br#"[{"jsonrpc":"2.0","id":1,"method":"echo"}]"#, -32600, "batches"),
        ("nul", b"\0\0\0", -32700, "NUL"),
        ("blank", b"", -32600, "blank"),
        ("bad utf8", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}", -32700, "octet 34"),
        ("deep", &[b'['; 100_000], -32600, "nested deeper than 32"),
        ("deep params", &deep_params, -32600, "nested deeper than 32"),
        ("huge", &[b'a'; 4_000_000], -32600, "limit of 1048576 octets"),
        ("unknown method", br#"{"jsonrpc":"2.0","id":1,"method":"nope"}"#, -32601, "`nope`"),
        ("no id", br#"{"jsonrpc":"2.0","method":"echo"}"#, -32600, "`id` is missing"),
        ("unknown member", br#"{"jsonrpc":"2.0","id":1,"method":"echo","x":1}"#, -32600, "`x`"),
        (
            "unknown field",
            br#"{"jsonrpc":"2.0","id":1,"method":"filter","params":{"stat":"pending"}}"#,
            -32602,
            "`stat`",
        ),
        (
            "bad enum",
            br#"{"jsonrpc":"2.0","id":1,"method":"filter","params":{"state":"penidng"}}"#,
            -32602,
            "state: unknown variant `penidng`",
        ),
        ("wrong type", br#"{"jsonrpc":"2.0","id":1,"method":"filter","params":{"limit":"9"}}"#, -32602, "limit: "),
        (
            "array params",
            br#"{"jsonrpc":"2.0","id":1,"method":"filter","params":["pending",5]}"#,
            -32602,
            "`params` has to be an object",
        ),
        (
            "twice",
            br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"whoami","method":"status"}"#,
            -32600,
            "stands there twice",
        ),
        (
            "field twice",
            br#"{"jsonrpc":"2.0","id":1,"method":"filter","params":{"limit":1,"limit":2}}"#,
            -32602,
            "`limit`",
        ),
    ];
    let mut all = host.connect();
    for (name, frame, code, words) in cases {
        let line = [frame, &b"\n"[..]].concat();
        // Alone, as a script sends it, and among others on one connection.
        let alone = host.exchange(&line);
        all.send(&line);
        let among = all.next().unwrap();
        assert_eq!(alone, std::slice::from_ref(&among), "{name}");
        assert_eq!((among["error"]["code"].as_i64(), kind(&among)), (Some(*code), "invalid"), "{name}: {among}");
        assert!(among["error"]["message"].as_str().unwrap().contains(words), "{name}: {among}");
        assert!(!among["error"]["data"]["hint"].as_str().unwrap().is_empty(), "{name}: {among}");
        host.assert_serves(name);
    }
    all.call(7, "echo", "{}");
    assert_eq!(all.next().unwrap()["id"], 7);
}

#[test]
fn input_that_ends_within_a_frame_is_answered() {
    let host = Host::new(Limits::default());
    let answers = host.exchange(b"{\"jsonrpc\":\"2.0\"");
    assert_eq!((answers.len(), kind(&answers[0])), (1, "invalid"));
    let answers = host.exchange(format!("{CALL}{{").as_bytes());
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[0]["result"], kind(&answers[1])), (&json!({}), "invalid"));
    assert!(host.exchange(b"").is_empty());
}

#[test]
fn a_peer_that_sends_without_end_is_answered_and_closed() {
    let host = Host::new(Limits { frame: 4096, oversized_frame: 100_000, ..Limits::default() });
    let mut client = host.connect();
    client.send(&[b'a'; 101_000]);
    let answer = client.next().unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("over the limit of 4096"), "{answer}");
    assert_eq!(client.next(), None);
    host.assert_serves("an endless frame");
}

#[test]
fn a_drip_does_not_extend_the_time_of_a_frame_and_idling_is_free() {
    let host = Host::new(Limits { frame_time: Duration::from_millis(300), ..Limits::default() });
    let mut idle = host.connect();
    let mut drip = host.connect();
    let begin = Instant::now();
    let dripping = std::thread::spawn(move || {
        // Sending fails once the server has closed.
        for _ in 0..100 {
            if drip.try_send(b" ").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        (drip.rest(), begin.elapsed())
    });
    let (answers, took) = dripping.join().unwrap();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0]["error"]["message"].as_str().unwrap().contains("did not end within 0.3 s"), "{answers:?}");
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(2), "{took:?}");
    idle.send(CALL.as_bytes());
    assert!(idle.next().unwrap()["result"].is_object());
}

#[test]
fn pipelined_calls_are_answered_in_order_however_they_are_cut() {
    let host = Host::new(Limits::default());
    let mut octets = Vec::new();
    for id in 0..100 {
        let method = if id % 10 == 0 { "sleep" } else { "echo" };
        let params = if method == "sleep" { "{\"n\":2}" } else { "{}" };
        octets.extend(
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}\n").bytes(),
        );
    }
    for piece in [octets.len(), 7] {
        let mut client = host.connect();
        for part in octets.chunks(piece) {
            client.send(part);
        }
        client.end_input();
        let ids: Vec<_> = client.rest().iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn an_answer_over_the_frame_limit_becomes_an_error() {
    let host = Host::new(Limits::default());
    let mut client = host.connect();
    client.call(1, "large", "{\"n\":2000000}");
    let refused = client.next().unwrap();
    assert_eq!((refused["id"].as_u64(), kind(&refused)), (Some(1), "invalid"));
}
