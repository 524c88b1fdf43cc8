//! `audit export`, `audit archive` and `audit verify FILE`.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use serde_json::{Value, json};

use crate::fake_daemon::{Answer, FakeDaemon};

const RANGE: &str = "audit export --from 2026-01-01T00:00:00Z --to 2026-01-02T00:00:00Z";

fn line(seq: u64) -> Value {
    json!({ "seq": seq, "z": 1, "a": "\u{1b}[2J\u{202e}" })
}

fn manifest() -> Value {
    json!({
        "format": "countersign-export-1", "origin": "o", "export_seq": 9, "export_sha256": "00".repeat(32),
        "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "rows": 3, "matching": 5,
        "first_seq": 1, "last_seq": 3, "size": 9, "root_sha256": "00".repeat(32),
    })
}

/// Two pages; the second is what `last` says.
fn daemon(last: fn() -> Answer) -> FakeDaemon {
    FakeDaemon::start(move |_, params| match params["cursor"].as_str() {
        None => Answer::of(&json!({ "manifest": manifest(), "lines": [line(1), line(2)], "next_cursor": "p-9-3" })),
        Some("p-9-3") => last(),
        Some(other) => panic!("{other}"),
    })
}

fn whole() -> FakeDaemon {
    daemon(|| Answer::of(&json!({ "lines": [line(3)], "more_cursor": "a-3" })))
}

#[test]
fn rows_come_as_they_are_a_line_each() {
    let daemon = whole();
    let ran = daemon.run(RANGE);
    let expected: String = [1, 2, 3].map(|seq| format!("{}\n", line(seq))).concat();
    assert_eq!((ran.code, ran.out.as_str()), (0, expected.as_str()));
    assert!(ran.err.contains("3 of 5 records") && ran.err.contains("--cursor a-3"), "{ran:?}");
    assert_eq!(daemon.methods(), ["audit.export", "audit.export"]);

    let ran = daemon.run(&format!("{RANGE} --limit 5 --category auth --out x.ndjson --manifest m.json --json"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    assert_eq!(serde_json::from_str::<Value>(&ran.out).unwrap()["rows"], 3);
    let path = daemon.home.path().join("x.ndjson");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(daemon.home.path().join("m.json")).unwrap()).unwrap();
    assert_eq!(kept["export_seq"], 9);
    let (_, params) = daemon.calls().pop().unwrap();
    assert_eq!(
        (&params["limit"], &params["category"], &params["cursor"]),
        (&5.into(), &"auth".into(), &"p-9-3".into())
    );
}

#[test]
fn a_file_is_there_whole_or_not_at_all() {
    let cases: [(fn() -> Answer, i32); 4] = [
        (|| Answer::refusal(ErrorKind::Forbidden), 3),
        (|| Answer::Close, 6),
        (|| Answer::of(&json!({ "lines": [] })), 1),
        (|| Answer::of(&json!({ "lines": [line(3), line(4)] })), 1),
    ];
    for (last, code) in cases {
        let daemon = daemon(last);
        std::fs::write(daemon.home.path().join("x"), "before").unwrap();
        let ran = daemon.run(&format!("{RANGE} --out x --manifest m"));
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(std::fs::read_to_string(daemon.home.path().join("x")).unwrap(), "before");
        assert_eq!(std::fs::read_dir(daemon.home.path()).unwrap().count(), 2, "the socket and what was there");
    }
    // What cannot be written is known before anything is recorded.
    let daemon = whole();
    assert_eq!(daemon.run(&format!("{RANGE} --out no/such/x")).code, 2);
    assert_eq!(daemon.run(&format!("{RANGE} --manifest no/such/m")).code, 2);
    assert!(daemon.calls().is_empty());
}

#[test]
fn a_file_is_verified_without_a_daemon() {
    let daemon = FakeDaemon::start(|_, _| Answer::Silence);
    let path = |name: &str| daemon.home.path().join(name);
    std::fs::write(path("empty"), "").unwrap();
    std::fs::write(path("bad"), format!("{}\n", line(1))).unwrap();
    std::fs::write(path("text"), "hello").unwrap();
    std::fs::write(path("note"), "no note").unwrap();
    for (line, code, word) in [
        ("audit verify empty", 0, "nothing is wrong"),
        ("audit verify bad", 3, "format at record"),
        ("audit verify text", 2, "neither a database"),
        ("audit verify nothing", 2, "nothing"),
        ("audit verify .", 2, "not a plain file"),
        ("audit verify empty --anchor note", 2, "note"),
        ("audit verify empty --key nothing", 2, "nothing"),
        ("audit verify empty --manifest note", 2, "manifest"),
        ("audit verify --anchor note", 2, "FILE"),
    ] {
        let ran = daemon.run(line);
        assert_eq!(ran.code, code, "{line}: {ran:?}");
        let said = ran.out + &ran.err;
        assert!(word == "format at record" && said.contains("format") || said.contains(word), "{line}: {said}");
        assert!(!said.contains('\u{1b}'), "{line}: {said}");
    }
    let report: Value = serde_json::from_str(&daemon.run("audit verify bad --json").out).unwrap();
    assert_eq!((&report["intact"], &report["findings"][0]["rule"]), (&false.into(), &"format".into()));
    assert!(daemon.calls().is_empty());
}

#[test]
fn an_export_goes_on_with_a_daemon_that_was_restarted() {
    static FALLS: AtomicU32 = AtomicU32::new(0);
    let daemon = daemon(|| match FALLS.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Close,
        _ => Answer::of(&json!({ "lines": [line(3)] })),
    });
    let ran = daemon.run(&format!("{RANGE} --out x"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("went away"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(daemon.home.path().join("x")).unwrap().lines().count(), 3);
    assert_eq!(daemon.methods(), ["audit.export"; 3]);
}

fn sealed(text: &str) -> Value {
    json!({
        "format": "countersign-archive-1", "origin": "o", "number": 4, "from_seq": 1, "to_seq": 4, "rows": 3,
        "octets": text.len(), "sha256": Digest::of(&[text.as_bytes()]), "prev_sha256": "00".repeat(32),
        "last_sha256": "00".repeat(32), "peaks_before": [], "peaks_after": [], "root_sha256": "00".repeat(32),
        "sealed_seq": 9, "sealed_at": "2026-01-01T00:00:00Z", "sealed": "", "continuation": "", "verifier_key": "",
    })
}

#[test]
fn an_archive_is_written_with_its_manifest_or_not_at_all() {
    let text: String = [1, 2, 3].map(|seq| format!("{}\n", line(seq))).concat();
    let manifest = sealed(&text);
    let first = manifest.clone();
    let daemon = FakeDaemon::start(move |_, params| match params["cursor"].as_str() {
        None => Answer::of(&json!({ "manifest": first, "lines": [line(1), line(2)], "next_cursor": "p-9-3" })),
        Some(_) => Answer::of(&json!({ "lines": [line(3)] })),
    });
    let path = |name: &str| daemon.home.path().join(name);
    let ran = daemon.run("audit archive --until 4 --out a");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(ran.err.contains("archive 4: 3 records, number 1 to 3"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(path("a")).unwrap(), text);
    assert_eq!(std::fs::metadata(path("a")).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(path("a.manifest")).unwrap()).unwrap();
    assert_eq!(kept["sha256"], manifest["sha256"]);
    let calls = daemon.calls();
    assert_eq!((&calls[0].1, &calls[1].1), (&json!({ "until_seq": 4 }), &json!({ "number": 4, "cursor": "p-9-3" })));
    daemon.run("audit archive --until 2026-01-01T00:00:00Z --out a");
    assert_eq!(daemon.calls()[2].1, json!({ "until": "2026-01-01T00:00:00.000Z" }));
    daemon.run("audit archive --number 4 --out a");
    assert_eq!(daemon.calls()[4].1, json!({ "number": 4 }));
    let before = daemon.calls().len();
    for bad in [
        "--out a",
        "--until x --out a",
        "--until 4",
        "--until 4 --out -",
        "--until 4 --number 4 --out a",
        "--until 4 --out no/such",
    ] {
        assert_eq!(daemon.run(&format!("audit archive {bad}")).code, 2, "{bad}");
    }
    assert_eq!(daemon.calls().len(), before);

    // Other octets than were sealed, and a daemon that refuses on the way.
    for (last, code) in [(json!({ "lines": [line(4)] }), 1), (json!({ "lines": [] }), 1)] {
        let (manifest, last) = (manifest.clone(), last.clone());
        let daemon = FakeDaemon::start(move |_, params| match params["cursor"].as_str() {
            None => Answer::of(&json!({ "manifest": manifest, "lines": [line(1), line(2)], "next_cursor": "p-9-3" })),
            Some(_) => Answer::of(&last),
        });
        let ran = daemon.run("audit archive --until 4 --out a");
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(std::fs::read_dir(daemon.home.path()).unwrap().count(), 1, "the socket alone");
    }
    let refused = FakeDaemon::start(move |_, params| match params["cursor"].as_str() {
        None => Answer::of(&json!({ "manifest": sealed(""), "lines": [line(1)], "next_cursor": "p-9-3" })),
        Some(_) => Answer::refusal(ErrorKind::ReadOnly),
    });
    let ran = refused.run("audit archive --until 4 --out a");
    assert!(ran.code != 0 && ran.err.contains("--number 4"), "{ran:?}");
}

#[test]
fn archives_are_listed() {
    let row = json!({
        "number": 2, "from_seq": 10, "to_seq": 20, "octets": 999, "sha256": "00".repeat(32), "root_sha256": "00".repeat(32),
        "sealed_at": "2026-01-01T00:00:00Z", "sealed_by": "dave\u{1b}[2J", "seq": 20,
    });
    let daemon = FakeDaemon::start(move |_, _| Answer::of(&json!({ "archives": [row], "unsealed": 7 })));
    let ran = daemon.run("audit archives");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("10") && ran.out.contains("19") && ran.out.contains("7 records are not sealed"),
        "{ran:?}"
    );
    assert!(!ran.out.contains('\u{1b}'));
}
