//! `audit evidence`, `audit report` and `audit verify FILE` of a bundle.

use std::os::unix::fs::PermissionsExt as _;

use countersign_shared::error::ErrorKind;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::fake_daemon::{Answer, FakeDaemon};

const ID: &str = "ar-0000000000000";
const HOSTILE: &str = "</td><script>alert(1)</script>|[x](http://evil.example)\u{202e}\u{1b}[2J`\n# no heading";

/// A bundle that nobody signed, in which every text is hostile.
fn lines() -> Vec<Value> {
    let digest = "00".repeat(32);
    let record = |seq: u64, action: &str| {
        let details = json!({
            "uid": 1, "person": HOSTILE, "login_account": HOSTILE, "kind": HOSTILE, "certificate": HOSTILE,
            "profile": HOSTILE, "state": "approved", "quorum": [HOSTILE], "counts_for": [HOSTILE],
            "reject_threshold": 1, "version": 1, "digest": digest, "risks": [HOSTILE], "policy_sha256": HOSTILE,
        });
        let record = json!({
            "action": action, "actor": HOSTILE, "at": HOSTILE, "resource_id": ID, "seq": seq, "details": details,
        });
        json!({ "part": "record", "seq": seq, "record_sha256": digest, "record": record.to_string(), "path": [] })
    };
    let said = json!({ "sha256": digest, "salt": "00", "text": HOSTILE });
    let content = json!({
        "common_name": HOSTILE, "sans": [{ "type": "dns", "value": HOSTILE }], "key": "ed25519", "spki_sha256": digest,
        "ca": false, "key_usage": [], "extended_key_usage": [], "valid_for": "1d", "issuer": HOSTILE,
        "profile_id": HOSTILE, "profile_digest": digest,
    });
    vec![
        json!({
            "part": "head", "format": "countersign-evidence-1", "origin": HOSTILE, "request": ID, "made_seq": 9,
            "size": 10, "root_sha256": digest,
        }),
        json!({ "part": "checkpoint", "note": HOSTILE }),
        json!({ "part": "key", "seq": 1, "verifier_key": HOSTILE }),
        json!({
            "part": "version", "seq": 1, "object": ID, "version": 1, "digest": digest, "content": content,
            "csr": HOSTILE, "said": said, "ticket": HOSTILE,
        }),
        json!({
            "part": "decision", "seq": 2, "object": ID, "version": 1, "digest": digest, "verdict": "approve",
            "account": HOSTILE, "said": said,
        }),
        json!({ "part": "remark", "seq": 3, "object": ID, "account": HOSTILE, "said": said }),
        json!({ "part": "certificate", "seq": 4, "object": HOSTILE, "sha256": digest, "chain": HOSTILE }),
        record(1, "approval_requested"),
        record(2, "approval_approved"),
        record(3, "approval_commented"),
        record(4, HOSTILE),
    ]
}

/// As a daemon writes pages: `part` stands first in each line.
#[derive(Serialize)]
struct Page {
    lines: Vec<Box<RawValue>>,
    made_seq: u64,
    parts_total: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<&'static str>,
}

fn page(lines: &[Value], next_cursor: Option<&'static str>) -> Answer {
    let raw = |line: &Value| {
        let mut members = line.as_object().unwrap().clone();
        let part = members.remove("part").unwrap();
        let rest = Value::Object(members).to_string();
        RawValue::from_string(format!("{{\"part\":{part},{}", &rest[1..])).unwrap()
    };
    Answer::of(&Page { lines: lines.iter().map(raw).collect(), made_seq: 9, parts_total: 9, next_cursor })
}

fn daemon() -> FakeDaemon {
    FakeDaemon::start(|_, params| {
        assert_eq!(params["request"], ID);
        match params["cursor"].as_str() {
            None => page(&lines()[..3], Some("e-9-10-1")),
            Some("e-9-10-1") => page(&lines()[3..], None),
            Some(other) => panic!("{other}"),
        }
    })
}

#[test]
fn a_bundle_is_there_whole_or_not_at_all_and_says_what_is_wrong_with_it() {
    let daemon = daemon();
    let ran = daemon.run(&format!("audit evidence {ID} --out x.ndjson"));
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    let path = daemon.home.path().join("x.ndjson");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), lines().len() + 1);
    let end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&end["part"], &end["lines"]), (&json!("end"), &json!(lines().len())));

    let ran = daemon.run("audit verify x.ndjson --json");
    assert_eq!(ran.code, 3);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&report["kind"], &report["intact"]), (&json!("evidence"), &json!(false)));
    assert!(report["findings"].as_array().unwrap().iter().any(|found| found["rule"] == "checkpoint"), "{report}");
    assert!(report["findings"].as_array().unwrap().iter().all(|found| found["rule"] != "end"), "{report}");

    // What was not finished is not kept.
    let refusing = FakeDaemon::start(|_, _| Answer::refusal(ErrorKind::Forbidden));
    let ran = refusing.run(&format!("audit evidence {ID} --out y.ndjson"));
    assert_eq!(ran.code, 3);
    assert!(!refusing.home.path().join("y.ndjson").exists());
    for bad in
        ["audit evidence", "audit evidence job-1", "audit evidence --from 2026-01-01T00:00:00Z", "audit verify --key x"]
    {
        assert_eq!(daemon.run(bad).code, 2, "{bad}");
    }
}

#[test]
fn a_report_says_loudly_that_the_evidence_does_not_verify_and_hostile_text_stays_text() {
    let daemon = daemon();
    let ran = daemon.run(&format!("audit report {ID} --html --out x.html"));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("DOES NOT VERIFY"), "{ran:?}");
    let html = std::fs::read_to_string(daemon.home.path().join("x.html")).unwrap();
    assert!(html.contains("<p>NOT VERIFIED: DO NOT RELY ON THIS</p>"));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !html.contains("<script"), "{html}");
    assert!(
        !html.contains("src=") && !html.contains("href=") && !html.contains('\u{202e}') && !html.contains('\u{1b}')
    );

    let ran = daemon.run(&format!("audit report {ID} --markdown"));
    assert_eq!(ran.code, 3);
    let verdict = ran.out.lines().nth(2).unwrap();
    assert_eq!(verdict, "**NOT VERIFIED: DO NOT RELY ON THIS**");
    // What stands in a fence is text to the letter, whatever it is.
    let outside: Vec<&str> = ran.out.split("```").step_by(2).collect();
    let outside = outside.concat();
    assert!(outside.contains("How it is proved") && outside.contains("To check it again"));
    assert!(
        !outside.contains("](http") && !outside.contains("\n# no heading") && !outside.contains(" <script"),
        "{outside}"
    );
    assert!(!ran.out.contains('\u{202e}') && !ran.out.contains('\u{1b}'), "{}", ran.out);
}
