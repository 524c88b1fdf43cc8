//! Every member of every part, changed or taken away; every part dropped, doubled and moved. The line `end` is made anew each
//! time, as whoever tampers would.

use std::collections::BTreeSet;

use countersign_proof::anchor::Anchor;
use countersign_proof::note::{KeyName, Signer};
use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::AuditCheckpoint;
use countersign_verify::offline::Against;
use serde_json::{Map, Value};

use super::{against, bundle, ended, of_request, report, scene};
use crate::support::{DAVE, Host, can_be_people};

/// What is wrong with lines to which `end` was made anew; their rules.
fn rules(lines: Vec<String>, against: &Against) -> BTreeSet<String> {
    let found = report(&ended(lines), against);
    assert_eq!(found.intact, found.findings.is_empty());
    found.findings.into_iter().map(|found| found.rule).collect()
}

/// Another value of the same kind.
fn bent(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => (!flag).into(),
        Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
        Value::String(text) => {
            let mut chars: Vec<char> = text.chars().collect();
            let middle = (0..chars.len()).find(|at| *at * 2 >= chars.len() && chars[*at].is_ascii_alphanumeric());
            match middle.or_else(|| chars.iter().position(char::is_ascii_alphanumeric)) {
                Some(at) => chars[at] = if chars[at] == '7' { '6' } else { '7' },
                None => chars.push('7'),
            }
            chars.into_iter().collect::<String>().into()
        }
        Value::Null | Value::Array(_) | Value::Object(_) => Value::Null,
    }
}

/// Every way in which one place of a value is changed or missing, each with the way to it.
fn changes(value: &Value, way: &str, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let place = format!("{way}.{name}");
                let mut without = members.clone();
                without.remove(name);
                out.push((format!("{place} dropped"), Value::Object(without)));
                let mut inner = Vec::new();
                changes(member, &place, &mut inner);
                out.extend(inner.into_iter().map(|(what, changed)| {
                    let mut with: Map<String, Value> = members.clone();
                    with.insert(name.clone(), changed);
                    (what, Value::Object(with))
                }));
            }
        }
        Value::Array(items) => {
            for at in 0..items.len() {
                let mut without = items.clone();
                without.remove(at);
                out.push((format!("{way}[{at}] dropped"), Value::Array(without)));
                let mut inner = Vec::new();
                changes(&items[at], &format!("{way}[{at}]"), &mut inner);
                out.extend(inner.into_iter().map(|(what, changed)| {
                    let mut with = items.clone();
                    with[at] = changed;
                    (what, Value::Array(with))
                }));
            }
            let mut longer = items.clone();
            longer.push(items.first().cloned().unwrap_or_else(|| "00".repeat(32).into()));
            out.push((format!("{way} longer"), Value::Array(longer)));
        }
        leaf => out.push((way.to_owned(), bent(leaf))),
    }
}

/// Tampers with everything in a bundle; what was not found.
fn unfound(lines: &[String], against: &Against) -> Vec<String> {
    let body = &lines[..lines.len() - 1];
    let mut unfound = Vec::new();
    for (at, line) in body.iter().enumerate() {
        let value: Value = serde_json::from_str(line).unwrap();
        let part = value["part"].as_str().unwrap().to_owned();
        let mut changed = Vec::new();
        changes(&value, &part, &mut changed);
        if part == "decision" {
            let mut with = value.clone();
            with["signature"] = serde_json::json!({ "text": "x", "sshsig": "y" });
            changed.push(("decision.signature added".to_owned(), with));
        }
        let mut with = value.clone();
        with["more"] = 1.into();
        changed.push((format!("{part}.more added"), with));
        for (what, value) in changed {
            // The tag has to stand first in what is recognised as a bundle; the others may be in any order.
            let mut members = value.as_object().unwrap().clone();
            let tag = members.remove("part").map(|tag| format!("\"part\":{tag},")).unwrap_or_default();
            let rest = Value::Object(members).to_string();
            let mut tampered = body.to_vec();
            tampered[at] = format!("{{{tag}{}", &rest[1..]);
            let text = super::file(&ended(tampered));
            let is_found = match countersign_verify::evidence::examine(text.as_bytes(), against) {
                Ok(examined) => !examined.report.intact && !examined.report.findings.is_empty(),
                // Where the first line is no part, it is no bundle.
                Err(_) => at == 0,
            };
            if !is_found {
                unfound.push(format!("line {}: {what}", at + 1));
            }
        }
        let mut without = body.to_vec();
        without.remove(at);
        if at > 0 && rules(without, against).is_empty() {
            unfound.push(format!("line {}: {part} dropped", at + 1));
        }
        let mut twice = body.to_vec();
        twice.insert(at, line.clone());
        if rules(twice, against).is_empty() {
            unfound.push(format!("line {}: {part} twice", at + 1));
        }
        if at > 0 && at + 1 < body.len() {
            let mut moved = body.to_vec();
            moved.swap(at, at + 1);
            if rules(moved, against).is_empty() {
                unfound.push(format!("line {}: {part} moved", at + 1));
            }
        }
    }
    unfound
}

#[test]
fn every_change_of_every_member_is_found() {
    if !can_be_people() {
        return;
    }
    let scene = scene();
    let (mut dave, key) = (scene.host.user(DAVE), against(&scene.host));
    for request in [&scene.issued, &scene.changed, &scene.revoked, &scene.voided] {
        let lines = bundle(&mut dave, of_request(request));
        let unfound = unfound(&lines, &key);
        assert!(unfound.is_empty(), "{}: {unfound:#?}", request.primary_name.raw());
    }
    let lines = bundle(&mut dave, of_request(&scene.issued));
    findings_are_named(&scene.host, &lines, &key);
}

/// Changes that a forger would make, and the rule that names each.
fn findings_are_named(host: &Host, lines: &[String], key: &Against) {
    let body = &lines[..lines.len() - 1];
    let edit = |part: &str, change: &dyn Fn(&str) -> String| {
        let starts = format!("{{\"part\":\"{part}\"");
        let edited = body.iter().map(|line| if line.starts_with(&starts) { change(line) } else { line.clone() });
        let edited: Vec<String> = edited.collect();
        assert_ne!(edited, body, "{part}");
        rules(edited, key)
    };
    let replaced = |part: &str, from: &str, to: &str| edit(part, &|line| line.replacen(from, to, 1));
    for (part, from, to, rule) in [
        ("version", "web1.corp.example", "evil.corp.example", "content"),
        ("version", "a new server", "another server", "text"),
        ("version", "BEGIN CERTIFICATE REQUEST", "BEGIN CERTIFICATE", "csr"),
        ("version", "pki:2", "pki:1", "terms"),
        ("decision", "looked at it", "never saw it", "text"),
        ("decision", "\"approve\"", "\"reject\"", "decision"),
        ("decision", "\"version\":2", "\"version\":1", "decision"),
        ("policy", "max_validity", "min_validity", "policy"),
        ("record", "approval_approved", "approval_rejected", "record"),
        ("record", "\\\"counts_for\\\":[\\\"pki\\\"]", "\\\"counts_for\\\":[\\\"law\\\"]", "by_policy"),
        ("record", "\\\"person\\\":\\\"carol\\\"", "\\\"person\\\":\\\"bob\\\"", "by_policy"),
        ("record", "\\\"pki:2\\\"", "\\\"pki:1\\\"", "by_policy"),
        ("key", "+", "-", "key"),
        ("head", "ar-", "mc-", "made"),
        ("certificate", "BEGIN CERTIFICATE", "BEGIN X", "certificate"),
        ("checkpoint", "— ", "- ", "checkpoint"),
    ] {
        let found = replaced(part, from, to);
        assert!(found.contains(rule), "{part}: {from}: {found:?}");
    }
    // A vote less, with its record: the list says so, and so does the quorum.
    let votes: Vec<&String> = body.iter().filter(|line| line.starts_with("{\"part\":\"decision\"")).collect();
    let vote: Value = serde_json::from_str(votes[0]).unwrap();
    let record = format!("{{\"part\":\"record\",\"seq\":{},", vote["seq"]);
    let without = body.iter().filter(|line| *line != votes[0] && !line.starts_with(&record)).cloned().collect();
    let found = rules(without, key);
    assert!(found.contains("quorum") && found.contains("contents"), "{found:?}");

    // A key that is not the ledger's, and a file that was cut off.
    let stranger = Signer::from_seed(KeyName::new(key.log.as_ref().unwrap().origin()).unwrap(), &[3; 32]).unwrap();
    let log = countersign_proof::checkpoint::Log::of_key(stranger.key().clone());
    let other = Against { log: Some(log), ..Against::default() };
    assert_eq!(rules(body.to_vec(), &other), BTreeSet::from(["checkpoint".to_owned()]));
    let cut = report(body, key);
    assert_eq!((cut.intact, cut.findings[0].rule.as_str()), (false, "missing"));

    // An anchor of the same size agrees; one of another cannot be reached.
    let anchored = |note: &str| {
        let anchors = vec![("anchor".to_owned(), Anchor::parse(note.as_bytes()).unwrap())];
        report(lines, &Against { log: key.log.clone(), anchors, ..Against::default() })
    };
    let checkpoint = body.iter().find(|line| line.starts_with("{\"part\":\"checkpoint\"")).unwrap();
    let checkpoint: Value = serde_json::from_str(checkpoint).unwrap();
    let same = anchored(checkpoint["note"].as_str().unwrap());
    assert!(same.intact && same.anchors[0].verdict == "equal", "{same:?}");
    host.user(super::ALICE).request(&["later.corp.example"]);
    let later = host.user(DAVE).call::<AuditCheckpoint>(&NoParams {});
    let later = anchored(&later.note);
    assert!(!later.intact && later.anchors[0].verdict == "unreached", "{later:?}");
}
