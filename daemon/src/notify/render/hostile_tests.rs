//! Foreign text that tries to leave its place, in every medium.

use countersign_shared::text::{Untrusted, is_deceiving};
use proptest::prelude::*;
use serde_json::Value;

use super::super::message::{Item, Kind, Message};
use super::super::testing::{alert, every_kind};
use super::*;
use crate::policy::Severity;

fn hostile(raw: &str) -> Vec<Message> {
    let foreign = || Untrusted::from(raw);
    every_kind()
        .into_iter()
        .map(|kind| Message {
            kind: match kind {
                Kind::RepeatedAttempts { attempts, .. } => Kind::RepeatedAttempts { attempts, by: foreign() },
                Kind::Outcome { state, .. } => Kind::Outcome { state, by: Some(foreign()) },
                Kind::Checkpoint { size, root, short, .. } => Kind::Checkpoint { size, root, short, note: foreign() },
                Kind::Remark { .. } => Kind::Remark { by: foreign() },
                Kind::Digest { .. } => Kind::Digest {
                    items: vec![
                        Item { title: foreign(), about: "ar-1".parse().unwrap(), command: Some(foreign()) };
                        50
                    ],
                    more: u32::MAX,
                },
                other => other,
            },
            host: foreign(),
            names: vec![foreign(); 3],
            risk: vec![foreign(); 30],
            requester: Some(foreign()),
            reason: Some(foreign()),
            command: Some(foreign()),
            ..alert(7)
        })
        .collect()
}

fn mail_of(message: &Message) -> String {
    let from = "countersign <pki@corp.example>".parse().unwrap();
    let octets = mail::mail(message, &from, &["bob@corp.example".parse().unwrap()]).unwrap();
    assert!(octets.is_ascii());
    String::from_utf8(octets).unwrap()
}

/// The header names of a mail, unfolded.
fn header_names(mail: &str) -> Vec<&str> {
    let head = mail.split("\r\n\r\n").next().unwrap();
    let unfolded = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    unfolded.map(|line| line.split_once(':').unwrap_or_else(|| panic!("{line:?}")).0).collect()
}

const HEADERS: [&str; 11] = [
    "From",
    "Date",
    "Message-ID",
    "Subject",
    "Content-Type",
    "To",
    "Auto-Submitted",
    "X-Countersign-Kind",
    "X-Countersign-Object",
    "Content-Transfer-Encoding",
    "MIME-Version",
];

#[test]
fn a_name_is_no_encoded_word_of_a_header() {
    // RFC 2047: what a reader of mail would show in its place.
    for name in ["=?utf-8?q?=E2=80=AEexample?=", "x =?utf-8?b?4oCuZXhhbXBsZQ==?= y", "=?=?utf-8?q?x?="] {
        let mail = mail_of(&Message { names: vec![name.into()], ..alert(7) });
        let subject = mail.split("\r\n").find(|line| line.starts_with("Subject: ")).unwrap();
        assert!(!subject.contains("=?"), "{subject}");
        assert!(subject.contains("<U+003D>?utf-8?"), "{subject}");
    }
}

fn assert_mail(message: &Message) {
    let mail = mail_of(message);
    for name in header_names(&mail) {
        assert!(HEADERS.contains(&name), "{name:?}: {mail}");
    }
    assert!(mail.split("\r\n").all(|line| !line.contains(['\r', '\n']) && line.len() <= 998), "{mail:?}");
}

/// Every string of a JSON value.
fn strings(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, each)),
        Value::Object(fields) => fields.values().for_each(|value| strings(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn assert_contained(message: &Message) {
    assert_mail(message);
    let visible = |text: &str| assert!(!text.chars().any(|c| is_deceiving(c) && c != '\n'), "{text:?}");
    for value in [
        slack::slack(message),
        teams::teams(message),
        pagerduty::pagerduty(message),
        opsgenie::opsgenie(message).body,
        structured::object(message),
    ] {
        strings(&value, &mut |text| visible(text));
    }
    for line in plain::lines(message) {
        assert!(!line.value.chars().any(is_deceiving), "{line:?}");
    }
    let fields = journal::journal(message);
    assert!(fields.lines().all(|line| line.split_once('=').is_some_and(|(name, _)| {
        matches!(name, "MESSAGE" | "PRIORITY" | "SYSLOG_IDENTIFIER") || name.starts_with("COUNTERSIGN_")
    })));
    assert_eq!(fields.lines().filter(|line| line.starts_with("PRIORITY=")).count(), 1);
    let datagram = syslog::syslog(message, 7);
    assert!(!datagram.contains(['\n', '\r', '\0']));
    assert_eq!(datagram.split(' ').nth(3), Some("countersign"), "{datagram}");
}

#[test]
fn nothing_leaves_its_place() {
    for raw in [
        "x\r\nBcc: evil@evil.example\r\n\r\nbody",
        "x\nPRIORITY=0",
        "<!channel> <https://evil.example|click> & more",
        "\u{1b}]0;owned\u{7}\u{1b}[2J",
        "a\u{202e}b\u{200b}c",
        "=?utf-8?q?=0D=0ABcc:_evil=40evil.example?=",
        "\" ] injected=\"\\",
        &"é".repeat(20_000),
        &"x".repeat(20_000),
        "",
        " ",
        ".\r\n.\r\nMAIL FROM:<evil>",
    ] {
        for message in hostile(raw) {
            assert_contained(&message);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_leaves_its_place_whatever_it_is(raw in any::<String>()) {
        for message in hostile(&raw) {
            assert_contained(&message);
        }
    }
}

#[test]
fn slack_sees_no_mention_and_no_link() {
    let message = Message { names: vec!["<!channel>".into()], ..alert(7) };
    let value = slack::slack(&message);
    assert_eq!(value["text"], "[WARNING] &lt;!channel&gt; expires in 7 days");
    strings(&value["blocks"][1], &mut |text| assert!(!text.contains("<!")));
    for block in value["blocks"].as_array().unwrap() {
        assert_ne!(block["text"]["type"], "mrkdwn");
        assert!(block["text"]["text"].as_str().is_none_or(|text| text.chars().count() <= 3000));
    }
    assert_eq!(value["blocks"][2]["elements"][0]["elements"][0]["text"], "countersign renew mc-01");
    for message in hostile(&"<".repeat(20_000)) {
        let value = slack::slack(&message);
        assert!(value["blocks"].as_array().unwrap().len() <= 50);
        assert!(
            value["blocks"]
                .as_array()
                .unwrap()
                .iter()
                .all(|block| { block["text"]["text"].as_str().is_none_or(|text| text.chars().count() <= 3000) })
        );
    }
}

#[test]
fn teams_reads_no_markdown() {
    let message = Message { names: vec!["[click](https://evil.example)".into()], ..alert(7) };
    let card = teams::teams(&message);
    for block in card["attachments"][0]["content"]["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock");
        assert!(block["inlines"].as_array().unwrap().iter().all(|run| run["type"] == "TextRun"));
    }
    for raw in ["\u{1b}", "\u{20000}", "\"\\"] {
        for mut message in hostile(&raw.repeat(20_000)) {
            message.names = vec![raw.repeat(20_000).into(); 100];
            let size = teams::teams(&message).to_string().len();
            assert!(size < 28 * 1024, "{size}");
        }
    }
}

#[test]
fn tiers_and_ends_of_an_incident() {
    for (severity, pager, genie) in [
        (Severity::Informational, "info", "P5"),
        (Severity::Warning, "warning", "P3"),
        (Severity::Critical, "critical", "P1"),
    ] {
        let message = Message { severity, ..alert(7) };
        let event = pagerduty::pagerduty(&message);
        assert_eq!(event["payload"]["severity"], pager);
        assert_eq!((&event["event_action"], &event["dedup_key"]), (&"trigger".into(), &"countersign:mc-01".into()));
        let call = opsgenie::opsgenie(&message);
        assert_eq!((call.path.as_str(), &call.body["priority"]), ("/v2/alerts", &genie.into()));
        assert_eq!(call.body["alias"], "countersign:mc-01");
        assert!(call.body["message"].as_str().unwrap().chars().count() <= 130);
    }
    let renewed = Message { kind: Kind::Renewed, ..alert(7) };
    let event = pagerduty::pagerduty(&renewed);
    assert_eq!(event, serde_json::json!({ "event_action": "resolve", "dedup_key": "countersign:mc-01" }));
    let call = opsgenie::opsgenie(&renewed);
    assert_eq!(call.path, "/v2/alerts/countersign:mc-01/close?identifierType=alias");
}

#[test]
fn a_mail_is_the_same_mail_when_it_is_repeated() {
    let mail = mail_of(&alert(7));
    assert_eq!(mail, mail_of(&alert(7)));
    for line in [
        "Message-ID: <ne-01@corp.example>\r\n",
        "Subject: [WARNING] www.corp.example and 1 more expires in 7 days\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "To: bob@corp.example\r\n",
        "Date: Sun, 24 Jan 2027 08:00:00 +0000\r\n",
        "\r\nCommand: countersign renew mc-01\r\n",
    ] {
        assert!(mail.contains(line), "{line}: {mail}");
    }
}

#[test]
fn syslog_and_journal_as_they_are_read() {
    let datagram = syslog::syslog(&alert(7), 42);
    let head = "<28>1 2027-01-24T08:00:00.000Z pki1 countersign 42 expiration_alert - \u{feff}[WARNING] www.";
    assert!(datagram.starts_with(head), "{datagram}");
    assert!(datagram.contains(" days_left=\"7 (threshold 7)\" "), "{datagram}");
    let quoted = Message { reason: Some("a\"b\\c".into()), host: "two words".into(), ..alert(7) };
    let datagram = syslog::syslog(&quoted, 42);
    assert!(datagram.contains(" - countersign 42 ") && datagram.contains("reason=\"a\\\"b\\\\c\""), "{datagram}");
    let fields = journal::journal(&alert(7));
    assert!(fields.contains("\nPRIORITY=4\n") && fields.contains("\nCOUNTERSIGN_MESSAGE=ne-01\n"), "{fields}");
}
