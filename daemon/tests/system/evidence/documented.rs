//! The commands of docs/evidence.md, over what a daemon wrote and over what was changed in it.

use std::path::Path;
use std::process::Command;

use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::AuditCheckpoint;

use super::{bundle, ended, file, of_request, scene};
use crate::support::{DAVE, can_be_people, skipped};

/// Runs an example of the page in `place`: whether it succeeded, and what it says.
fn documented(name: &str, place: &Path) -> String {
    let page = include_str!("../../../../docs/evidence.md");
    let (_, rest) = page.split_once(&format!("<!-- example: {name} -->\n```")).unwrap();
    let (language, rest) = rest.split_once('\n').unwrap();
    let script = rest.split("\n```\n").next().unwrap();
    let program = if language == "python" { "python3" } else { "bash" };
    let run = Command::new(program).args(["-c", script]).current_dir(place).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr))
}

#[test]
fn other_tools_check_a_bundle_as_the_page_says() {
    let there = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    if !["jq", "python3", "openssl"].into_iter().all(there) {
        return skipped("jq, python3 or openssl is not installed");
    }
    if !can_be_people() {
        return;
    }
    let scene = scene();
    let mut dave = scene.host.user(DAVE);
    let lines = bundle(&mut dave, of_request(&scene.issued));
    let key = dave.call::<AuditCheckpoint>(&NoParams {}).verifier_key;
    let place = tempfile::tempdir().unwrap();
    let write = |lines: &[String]| std::fs::write(place.path().join("evidence.ndjson"), file(lines)).unwrap();
    std::fs::write(place.path().join("ledger.vkey"), format!("{key}\n")).unwrap();
    write(&lines);
    let steps = [
        ("whole", vec!["the file is whole"]),
        ("signature", vec!["Signature Verified Successfully"]),
        ("records", vec!["records are in the ledger"]),
        ("contents", vec!["every part is there"]),
        ("contents of records", vec!["contents, texts and policies are those of the records"]),
        ("votes", vec!["erin", "carol", "pki"]),
        (
            "certificate",
            vec![
                "it carries the key of the CSR",
                "leaf.pem: OK",
                "it is the certificate of its record",
                "its record points to what allowed it",
                "DNS:web1.corp.example",
            ],
        ),
    ];
    for (example, says) in &steps {
        let said = documented(example, place.path());
        assert!(says.iter().all(|words| said.contains(words)), "{example}: {said}");
    }
    let body = &lines[..lines.len() - 1];
    for (part, from, to, example) in [
        ("head", "ar-", "ar-x", "whole"),
        ("checkpoint", "\\n\\n", "\\nx\\n\\n", "signature"),
        ("record", "approval_requested", "approval_rejected", "records"),
        ("decision", "\"part\":\"decision\"", "\"part\":\"remark\"", "contents"),
        ("version", "web1.corp.example", "evil.corp.example", "contents of records"),
        ("decision", "looked at it", "never saw it", "contents of records"),
        ("policy", "max_validity", "min_validity", "contents of records"),
    ] {
        let starts = format!("{{\"part\":\"{part}\"");
        let changed =
            body.iter().map(|line| if line.starts_with(&starts) { line.replace(from, to) } else { line.clone() });
        let changed: Vec<String> = changed.collect();
        assert_ne!(changed, body, "{part}");
        // Whoever tampers makes the line `end` anew, but for the one example that is about it.
        let tampered =
            if example == "whole" { [&changed[..], &lines[lines.len() - 1..]].concat() } else { ended(changed) };
        write(&tampered);
        let said = documented(example, place.path());
        let (_, says) = steps.iter().find(|(name, _)| *name == example).unwrap();
        assert!(says.iter().all(|words| !said.contains(words)), "{part}: {example}: {said}");
    }
    // Another certificate in the place of the one that was issued.
    let other = rcgen::generate_simple_self_signed(vec!["web1.corp.example".to_owned()]).unwrap().cert.pem();
    let other = serde_json::to_string(&format!("{other}{other}")).unwrap();
    let swapped = body.iter().map(|line| match line.split_once("\"chain\":") {
        Some((before, _)) if line.starts_with("{\"part\":\"certificate\"") => format!("{before}\"chain\":{other}}}"),
        _ => line.clone(),
    });
    write(&ended(swapped.collect()));
    let said = documented("certificate", place.path());
    assert!(!said.contains("it carries the key") && !said.contains("it is the certificate"), "{said}");
}
