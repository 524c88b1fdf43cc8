//! The HTTP channels against servers that behave, refuse, redirect, hang and never end.

use std::sync::Arc;
use std::time::Duration;

use countersign_shared::time::Timestamp;
use ring::hmac;
use serde_json::Value;

use super::address::BaseAddress;
use super::http::HttpClient;
use super::servers::{Got, Web, pki, web_server};
use super::service::{Dialect, Service};
use crate::notify::message::{Kind, Message};
use crate::notify::outcome::Outcome;
use crate::notify::testing::alert;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

fn now() -> Timestamp {
    "2027-01-24T08:00:01.900Z".parse().unwrap()
}

fn service(dialect: Dialect, port: u16, path: &str) -> Service {
    let base = BaseAddress::parse(&format!("http://127.0.0.1:{port}{path}"), false).unwrap();
    Service { dialect, base, http: HttpClient { trust: None, timeout: LONG } }
}

fn webhook(port: u16) -> Service {
    service(Dialect::Webhook("k3y".into()), port, "/hook?x=1")
}

fn says(status: &str, fields: &str, body: &str) -> Web {
    Web::Says(format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}", body.len()))
}

async fn one(dialect: Dialect, path: &str, message: &Message) -> (Outcome, Got, Value) {
    let server = web_server(says("202 Accepted", "", "{}"), None).await;
    let outcome = service(dialect, server.port, path).send(message, now()).await;
    let got = server.got.lock().unwrap().remove(0);
    let json = serde_json::from_slice(&got.body).unwrap();
    (outcome, got, json)
}

#[tokio::test]
async fn each_service_gets_what_it_reads() {
    let (outcome, got, json) = one(Dialect::Slack("x".into()), "/services/T/B/s3cret", &alert(7)).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert!(got.head.starts_with("POST /services/T/B/s3cret HTTP/1.1\r\n"), "{}", got.head);
    assert_eq!(got.header("idempotency-key"), Some("ne-01"));
    assert_eq!(json["blocks"][0]["type"], "header");

    let (_, _, json) = one(Dialect::Teams("x".into()), "/workflows/1", &alert(7)).await;
    assert_eq!(json["attachments"][0]["content"]["type"], "AdaptiveCard");

    let renewed = Message { kind: Kind::Renewed, ..alert(7) };
    for (message, action) in [(alert(7), "trigger"), (renewed.clone(), "resolve")] {
        let (_, got, json) = one(Dialect::PagerDuty("r0uting".into()), "/relay/", &message).await;
        assert!(got.head.starts_with("POST /relay/v2/enqueue HTTP/1.1\r\n"), "{}", got.head);
        assert_eq!((&json["event_action"], &json["routing_key"]), (&action.into(), &"r0uting".into()));
        assert_eq!(json["dedup_key"], "countersign:mc-01");
    }

    let (_, got, json) = one(Dialect::OpsGenie("g3nie".into()), "", &alert(7)).await;
    assert!(got.head.starts_with("POST /v2/alerts HTTP/1.1\r\n"), "{}", got.head);
    assert_eq!(got.header("authorization"), Some("GenieKey g3nie"));
    assert_eq!(json["alias"], "countersign:mc-01");
    let (_, got, _) = one(Dialect::OpsGenie("g3nie".into()), "", &renewed).await;
    assert!(got.head.starts_with("POST /v2/alerts/countersign:mc-01/close?identifierType=alias HTTP"), "{}", got.head);
}

#[tokio::test]
async fn a_webhook_can_be_checked_by_whoever_has_the_key() {
    let (outcome, got, json) = one(Dialect::Webhook("k3y".into()), "/hook?x=1", &alert(7)).await;
    assert_eq!(outcome, Outcome::Delivered);
    assert!(got.head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"), "{}", got.head);
    assert_eq!(got.header("x-countersign-timestamp"), Some("1800777601"));
    let signed = [b"1800777601.".as_slice(), &got.body].concat();
    let given = got.header("x-countersign-signature").unwrap().strip_prefix("v1=").unwrap();
    let given = data_encoding::HEXLOWER.decode(given.as_bytes()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"k3y");
    assert!(hmac::verify(&key, &signed, &given).is_ok());
    assert!(hmac::verify(&key, &[b"1800777602.".as_slice(), &got.body].concat(), &given).is_err());
    assert_eq!((&json["id"], &json["days_left"]), (&"ne-01".into(), &7.into()));
}

#[tokio::test]
async fn the_status_decides() {
    let temporary = |outcome: &Outcome| matches!(outcome, Outcome::Temporary { .. });
    let permanent = |outcome: &Outcome| matches!(outcome, Outcome::Permanent { .. });
    for (status, fields, kind) in [
        ("200 OK", "", None),
        ("204 No Content", "", None),
        ("301 Moved", "location: http://127.0.0.1:1/\r\n", Some(false)),
        ("307 Moved", "location: https://evil.example/\r\n", Some(false)),
        ("400 Bad Request", "", Some(false)),
        ("403 Forbidden", "", Some(false)),
        ("404 Not Found", "", Some(false)),
        ("410 Gone", "", Some(false)),
        ("408 Timeout", "", Some(true)),
        ("429 Slow down", "retry-after: 17\r\n", Some(true)),
        ("500 Oops", "", Some(true)),
        ("503 Busy", "retry-after: 17\r\n", Some(true)),
    ] {
        let server = web_server(says(status, fields, ""), None).await;
        let outcome = webhook(server.port).send(&alert(7), now()).await;
        match kind {
            None => assert_eq!(outcome, Outcome::Delivered, "{status}"),
            Some(true) => assert!(temporary(&outcome), "{status}: {outcome:?}"),
            Some(false) => assert!(permanent(&outcome), "{status}: {outcome:?}"),
        }
        if let Outcome::Temporary { retry_after, .. } = outcome {
            assert_eq!(retry_after, fields.contains("17").then_some(Duration::from_secs(17)), "{status}");
        }
        assert_eq!(server.got.lock().unwrap().len(), 1, "{status}: asked once, and nobody else");
    }
}

#[tokio::test]
async fn an_answer_that_repeats_the_secret_gives_it_to_nobody() {
    let body = "bad key s3cret at /services/T/B/s3cret \u{1b}[2J";
    for dialect in [Dialect::PagerDuty as fn(_) -> _, Dialect::OpsGenie, Dialect::Webhook] {
        let server = web_server(says("400 Bad Request", "", body), None).await;
        let service = service(dialect("s3cret".into()), server.port, "");
        let outcome = format!("{:?} {service:?}", service.send(&alert(7), now()).await);
        assert!(outcome.contains("bad key [secret]") && !outcome.contains("s3cret"), "{outcome}");
        assert!(!outcome.contains('\u{1b}'), "{outcome}");
    }
    let server = web_server(says("404 Not Found", "", body), None).await;
    let address = format!("http://127.0.0.1:{}/services/T/B/s3cret", server.port);
    let service = service(Dialect::Slack(address.as_str().into()), server.port, "/services/T/B/s3cret");
    let outcome = format!("{:?} {service:?}", service.send(&alert(7), now()).await);
    assert!(outcome.contains("at [secret]") && !outcome.contains("/services/T"), "{outcome}");
}

#[tokio::test]
async fn teams_says_in_the_text_that_it_failed() {
    let failed = "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429";
    for (web, delivered) in [
        (says("200 OK", "", "1"), true),
        (says("202 Accepted", "", ""), true),
        (says("200 OK", "", failed), false),
        (Web::Says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n1".to_owned()), false),
    ] {
        let server = web_server(web, None).await;
        let outcome = service(Dialect::Teams("x".into()), server.port, "/w").send(&alert(7), now()).await;
        assert_eq!(outcome == Outcome::Delivered, delivered, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_silent_server_costs_the_limit_and_no_more() {
    for head in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nx: "] {
        let server = web_server(Web::Hangs(head), None).await;
        let mut service = webhook(server.port);
        service.http.timeout = SHORT;
        let outcome = service.send(&alert(7), now()).await;
        assert!(matches!(&outcome, Outcome::Temporary { why, .. } if why.contains("no answer within")), "{outcome:?}");
    }
    // The head is the answer: a body that does not end takes nothing back.
    let server = web_server(Web::Hangs("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"), None).await;
    let mut service = webhook(server.port);
    service.http.timeout = SHORT;
    assert_eq!(service.send(&alert(7), now()).await, Outcome::Delivered);
}

#[tokio::test]
async fn an_endless_answer_is_left_unread() {
    for (head, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n", Some(Outcome::Delivered)),
        ("HTTP/1.1 200 OK\r\n\r\n", Some(Outcome::Delivered)),
        ("HTTP/1.1 500 Oops\r\ncontent-length: 10737418240\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\nx: ", None),
        ("", None),
    ] {
        let server = web_server(Web::Floods(head), None).await;
        let begun = std::time::Instant::now();
        let outcome = webhook(server.port).send(&alert(7), now()).await;
        assert!(begun.elapsed() < LONG, "{head:?}: the limit for the time was reached before that for the size");
        match expected {
            Some(expected) => assert_eq!(outcome, expected, "{head:?}"),
            None => assert!(matches!(outcome, Outcome::Temporary { .. }), "{head:?}: {outcome:?}"),
        }
        assert!(format!("{outcome:?}").len() < 1000);
    }
}

#[tokio::test]
async fn an_internal_authority_and_no_other() {
    let (ours, theirs) = (Arc::new(pki()), Arc::new(pki()));
    let server = web_server(says("200 OK", "", ""), Some(ours.clone())).await;
    let base = BaseAddress::parse(&format!("https://localhost:{}/hook", server.port), false).unwrap();
    for (trust, delivered) in [(Some(ours.trust.clone()), true), (Some(theirs.trust.clone()), false), (None, false)] {
        let http = HttpClient { trust, timeout: LONG };
        let service = Service { dialect: Dialect::Webhook("k3y".into()), base: base.clone(), http };
        let outcome = service.send(&alert(7), now()).await;
        assert_eq!(outcome == Outcome::Delivered, delivered, "{outcome:?}");
    }
    assert_eq!(server.got.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn no_server_is_for_later() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let outcome = webhook(port).send(&alert(7), now()).await;
    assert!(matches!(outcome, Outcome::Temporary { .. }), "{outcome:?}");
}
