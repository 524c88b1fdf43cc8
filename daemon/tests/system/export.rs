//! `audit.export` through the socket: every row, none twice, and the export on record before the first of them leaves.

use countersign_proof::anchor::Anchor;
use countersign_proof::checkpoint::Log;
use countersign_proof::request::Continuation;
use countersign_proof::tree::Frontier;
use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::frame::MAX_FRAME;
use countersign_shared::protocol::method::{AuditCount_, AuditExport, AuditList};
use countersign_shared::protocol::{
    AuditAction, AuditCountParams, ExportLine, ExportManifest, ExportParams, ListAuditParams,
};
use countersign_verify::offline::{Against, verify};
use countersignd::ledger::{Tail, leaf_hash};
use rusqlite::{Connection, params};
use serde_json::json;

use crate::support::ledger::{peaks, sealed_with};
use crate::support::{ALICE, BOB, CAROL, Caller, DAVE, Host, can_be_people, policy};

const DAY: (&str, &str) = ("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z");

/// Appends records of that day, every tenth of them about the configuration.
pub fn grow(host: &Host, rows: u64) {
    let db = Connection::open(host.database()).unwrap();
    let mut tail = Tail::default();
    let mut statement = db.prepare("SELECT record FROM audit_events ORDER BY seq").unwrap();
    for record in statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap() {
        tail.advance(leaf_hash(&record.unwrap()), |_| {});
    }
    drop(statement);
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    for number in 0..rows {
        let seq = tail.size();
        let category = if number % 10 == 0 { "config" } else { "auth" };
        let at = format!("2026-02-01T10:{:02}:{:02}.{:03}Z", number / 60_000, number / 1000 % 60, number % 1000);
        let details = format!("{{\"count\":3,\"human\":\"alice\",\"rule\":\"no_role\",\"tick\":{number}}}");
        let columns =
            [&format!("ev-{seq:017}"), &at, "alice", "User", "attempts_repeated", category, "user", "alice", &details]
                .map(str::to_owned);
        let mut nodes = Vec::new();
        let record = sealed_with(&mut tail, &columns, |node| nodes.push(node));
        let [id, at, actor, actor_type, action, category, kind, resource, details] = columns;
        db.prepare_cached("INSERT INTO audit_events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")
            .unwrap()
            .execute(params![seq, id, at, actor, actor_type, action, category, kind, resource, details, record])
            .unwrap();
        for node in nodes {
            db.prepare_cached("INSERT INTO ledger_nodes (level, idx, hash) VALUES (?1, ?2, ?3)")
                .unwrap()
                .execute(params![node.level, node.index, node.hash.as_bytes()])
                .unwrap();
        }
    }
    db.execute("UPDATE ledger_frontier SET size = ?1, peaks = ?2", params![tail.size(), peaks(&tail)]).unwrap();
    db.execute_batch("COMMIT").unwrap();
}

/// A host whose ledger has so many records of that day.
fn host(rows: u64) -> Host {
    let mut host = Host::serving(&policy());
    host.stop();
    grow(&host, rows);
    host.start();
    assert!(host.oneself().status().damage.is_none(), "{}", host.log());
    host
}

fn asked(more: serde_json::Value) -> ExportParams {
    let mut asked = json!({ "from": DAY.0, "to": DAY.1 });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(asked).unwrap()
}

/// Every line of an export, and where another begins.
pub fn export(caller: &mut Caller, mut params: ExportParams) -> (ExportManifest, Vec<String>, Option<String>) {
    let mut page = caller.call::<AuditExport>(&params);
    let manifest = page.manifest.take().unwrap();
    let mut lines = Vec::new();
    loop {
        let octets: usize = page.lines.iter().map(|line| line.get().len() + 1).sum();
        assert!(octets < MAX_FRAME - 4096, "{octets}");
        lines.extend(page.lines.iter().map(|line| line.get().to_owned()));
        let Some(next) = page.next_cursor else { return (manifest, lines, page.more_cursor) };
        params.cursor = Some(next);
        page = caller.call::<AuditExport>(&params);
        assert_eq!(page.manifest, None);
    }
}

fn numbers(lines: &[String]) -> Vec<u64> {
    lines.iter().map(|line| serde_json::from_str::<ExportLine>(line).unwrap().seq).collect()
}

#[test]
fn an_export_of_sixty_thousand_rows_has_sixty_thousand_lines() {
    if !can_be_people() {
        return;
    }
    let mut host = host(60_000);
    let mut dave = host.user(DAVE);
    let (manifest, lines, more) = export(&mut dave, asked(json!({ "limit": 100_000 })));
    assert_eq!((manifest.rows, manifest.matching, lines.len(), more), (60_000, 60_000, 60_000, None));
    let first = manifest.first_seq.unwrap();
    assert_eq!(numbers(&lines), (first..first + 60_000).collect::<Vec<u64>>());

    // It was recorded with the rows that left, and by whom.
    let record = ListAuditParams { action: Some(AuditAction::AuditExport), ..ListAuditParams::default() };
    let records = dave.call::<AuditList>(&record).events;
    assert_eq!((records.len(), records[0].seq), (1, manifest.export_seq));
    assert_eq!(records[0].record_sha256, manifest.export_sha256);
    let details = &records[0].details;
    assert_eq!((&details["rows"], &details["uid"]), (&60_000.into(), &DAVE.into()));
    assert_eq!(
        (&details["from"], &details["to"]),
        (&"2026-02-01T00:00:00.000Z".into(), &"2026-02-02T00:00:00.000Z".into())
    );

    // The file verifies by itself, beside its manifest, and the database beside it.
    let file = host.path("export.ndjson");
    std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let beside = Against { manifest: Some(manifest), ..Against::default() };
    let report = verify(&file, &beside, &mut |_, _| {}).unwrap();
    assert!(report.intact, "{report:?}");
    assert_eq!((report.records, report.gaps), (60_000, 0));

    // Without a limit it ends at 50,000, and another goes on there.
    let (manifest, head, more) = export(&mut dave, asked(json!({})));
    assert_eq!((manifest.rows, manifest.matching, head.len()), (50_000, 60_000, 50_000));
    let (manifest, rest, more) = export(&mut dave, asked(json!({ "cursor": more.unwrap() })));
    assert_eq!((manifest.rows, manifest.matching, rest.len(), more), (10_000, 10_000, 10_000, None));
    assert_eq!([head, rest].concat(), lines);

    let (manifest, config, _) = export(&mut dave, asked(json!({ "category": "config" })));
    assert_eq!((manifest.rows, config.len()), (6000, 6000));
    let count = |params: AuditCountParams, dave: &mut Caller| dave.call::<AuditCount_>(&params).count;
    let of_day = AuditCountParams { from: DAY.0.parse().ok(), to: DAY.1.parse().ok(), ..AuditCountParams::default() };
    assert_eq!(count(of_day.clone(), &mut dave), 60_000);
    let of_config = AuditCountParams { category: "config".parse().ok(), ..of_day };
    assert_eq!(count(of_config, &mut dave), 6000);

    host.stop();
    let report = verify(&host.database(), &Against::default(), &mut |_, _| {}).unwrap();
    assert!(report.intact, "{report:?}");
    assert_eq!(report.records, host.value::<u64>("SELECT count(*) FROM audit_events"));
}

/// The most memory that the daemon had since it was last asked, in KiB (`VmHWM`, proc_pid_status(5); proc_pid_clear_refs(5)).
fn peak_since(host: &Host) -> u64 {
    let pid = host.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

/// The first pages cost memory that the allocator keeps for each thread that made one, and stack that it touched; after that,
/// it does not matter how many rows there are. What is held of 80,000 rows would be some 50 MiB.
#[test]
fn an_export_of_many_rows_takes_no_more_memory_than_several_of_few() {
    if !can_be_people() {
        return;
    }
    let host = host(80_000);
    let mut dave = host.user(DAVE);
    let mut peak = |limit: u64| {
        let (manifest, lines, _) = export(&mut dave, asked(json!({ "limit": limit })));
        assert_eq!((manifest.rows, lines.len() as u64), (limit, limit));
        peak_since(&host)
    };
    let few: Vec<u64> = (0..8).map(|_| peak(10_000)).collect();
    let many = peak(80_000);
    assert!(many < few[7] + 8 * 1024, "KiB: {few:?}, then {many}");
}

#[test]
fn an_export_goes_on_after_a_restart_and_for_nobody_else() {
    if !can_be_people() {
        return;
    }
    let mut host = host(2000);
    let first = host.user(DAVE).call::<AuditExport>(&asked(json!({})));
    let next = asked(json!({ "cursor": first.next_cursor.clone().unwrap() }));
    host.kill();
    host.start();
    let mut dave = host.user(DAVE);
    let second = dave.call::<AuditExport>(&next);
    assert!(!second.lines.is_empty());
    // What was recorded says what may be taken: by whom, of which range, and no further.
    for (caller, bent) in [
        (CAROL, next.clone()),
        (DAVE, ExportParams { from: "2026-01-31T00:00:00Z".parse().unwrap(), ..next.clone() }),
        (DAVE, ExportParams { category: "auth".parse().ok(), ..next.clone() }),
    ] {
        let error = host.user(caller).refused::<AuditExport>(&bent, ErrorKind::Invalid);
        assert!(error.message.contains("`cursor`"), "{error:?}");
    }
    let manifest = first.manifest.unwrap();
    for beyond in [manifest.last_seq.unwrap() + 1, 0] {
        let cursor = format!("p-{}-{beyond}", manifest.export_seq);
        dave.refused::<AuditExport>(&asked(json!({ "cursor": cursor })), ErrorKind::Invalid);
    }
    dave.refused::<AuditExport>(&asked(json!({ "cursor": "p-0-0" })), ErrorKind::Invalid);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'audit.export'"), 1);
}

#[test]
fn auditors_and_admins_export_and_an_attempt_of_others_is_recorded() {
    if !can_be_people() {
        return;
    }
    let host = host(3);
    for uid in [DAVE, CAROL] {
        assert_eq!(export(&mut host.user(uid), asked(json!({}))).1.len(), 3);
    }
    for uid in [ALICE, BOB] {
        let error = host.user(uid).refused::<AuditExport>(&asked(json!({})), ErrorKind::Forbidden);
        assert!(error.data.hint.contains("auditor"), "{error:?}");
    }
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'
                   AND details ->> '$.verb' = 'audit.export' AND details ->> '$.rule' = 'no_role'";
    assert_eq!(host.value::<i64>(refused), 2);
}

#[test]
fn a_wrong_parameter_is_named() {
    if !can_be_people() {
        return;
    }
    let host = host(1);
    let mut dave = host.user(DAVE);
    for (params, word) in [
        (json!({}), "from"),
        (json!({ "from": DAY.0 }), "to"),
        (json!({ "from": DAY.0, "to": DAY.0 }), "`to`"),
        (json!({ "from": DAY.1, "to": DAY.0 }), "`to`"),
        (json!({ "from": DAY.0, "to": "2026-05-02T00:00:00.001Z" }), "`to`"),
        (json!({ "from": "yesterday", "to": DAY.1 }), "from"),
        (json!({ "from": DAY.0, "to": DAY.1, "limit": 0 }), "`limit`"),
        (json!({ "from": DAY.0, "to": DAY.1, "limit": 100_001 }), "`limit`"),
        (json!({ "from": DAY.0, "to": DAY.1, "limit": -1 }), "limit"),
        (json!({ "from": DAY.0, "to": DAY.1, "category": "secrets" }), "category"),
        (json!({ "from": DAY.0, "to": DAY.1, "cursor": "7" }), "`cursor`"),
        (json!({ "from": DAY.0, "to": DAY.1, "until": DAY.1 }), "until"),
    ] {
        let error = dave.attempt_by_name("audit.export", &params).unwrap().unwrap_err();
        assert_eq!(error.data.kind, ErrorKind::Invalid, "{params}: {error:?}");
        assert!(error.message.contains(word), "{params}: {error:?}");
    }
    for (method, params, word) in [
        ("audit.get", json!({}), "`event_id`"),
        ("audit.get", json!({ "seq": 0, "event_id": "ev-0000000000000" }), "`seq`"),
        ("audit.list", json!({ "from": DAY.1, "to": DAY.0 }), "`to`"),
        ("audit.list", json!({ "text": "x".repeat(129) }), "`text`"),
        ("audit.count", json!({ "from": DAY.1, "to": DAY.0 }), "`to`"),
        ("audit.count", json!({ "text": "x" }), "text"),
    ] {
        let error = dave.attempt_by_name(method, &params).unwrap().unwrap_err();
        assert_eq!(error.data.kind, ErrorKind::Invalid, "{params}: {error:?}");
        assert!(error.message.contains(word), "{params}: {error:?}");
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'audit.export'"), 0);
}

#[test]
fn an_export_that_begins_later_is_held_against_an_anchor() {
    if !can_be_people() {
        return;
    }
    let host = host(500);
    let mut dave = host.user(DAVE);
    let (manifest, lines, more) = export(&mut dave, asked(json!({ "limit": 200 })));
    let (first, last) = (manifest.first_seq.unwrap(), manifest.last_seq.unwrap());
    assert!(first > 0 && more.is_some());
    let path = host.path("export.ndjson");
    let looked = |lines: &[String], manifest: &ExportManifest, against: &Against| {
        std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        let manifest = Some(manifest.clone());
        let (anchors, continuations) = (against.anchors.clone(), against.continuations.clone());
        verify(
            &path,
            &Against { manifest, anchors, continuations, log: against.log.clone(), ..Against::default() },
            &mut |_, _| {},
        )
        .unwrap()
    };
    // What an auditor kept elsewhere: the checkpoint that covers the export, and its own record with it.
    let kept = Continuation::parse(manifest.continuation.as_deref().unwrap().as_bytes()).unwrap().signed;
    assert!(kept.checkpoint().size() > manifest.export_seq);
    let log = Some(Log::of_key(manifest.verifier_key.as_deref().unwrap().parse().unwrap()));
    let anchor = Anchor::parse(kept.to_string().as_bytes()).unwrap();
    let against = Against { log, anchors: vec![("kept".to_owned(), anchor)], ..Against::default() };
    let report = looked(&lines, &manifest, &against);
    assert!(report.intact, "{report:?}");
    assert_eq!((report.first_seq, report.covered), (Some(first), Some(last + 1)));

    // Another record in the middle, hashed and chained anew to its end: right in itself, and not what was anchored.
    let mut forged = Tail::from_parts(
        serde_json::from_str::<serde_json::Value>(&record(&lines[0])).unwrap()["prev"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
        Frontier::from_parts(first, manifest.peaks.clone()).unwrap(),
    );
    let lines_anew: Vec<String> = lines.iter().map(|line| resealed(&mut forged, line)).collect();
    assert!(looked(&lines_anew, &manifest, &Against::default()).findings[0].rule == "proof");
    let report = looked(&lines_anew, &ExportManifest { continuation: None, ..manifest.clone() }, &against);
    assert_eq!((report.intact, report.covered), (false, None), "{report:?}");
    // Other peaks, none, or the wrong number of them.
    let mut bent = manifest.clone();
    bent.peaks[0] = manifest.root_sha256;
    assert!(!looked(&lines, &bent, &against).intact);
    bent.peaks.clear();
    assert_eq!(looked(&lines, &bent, &against).anchors[0].verdict, "unreached");
    bent.peaks = vec![manifest.root_sha256; 40];
    assert_eq!(looked(&lines, &bent, &against).findings[0].rule, "manifest");

    // A category leaves gaps: nothing is claimed of what lies between.
    let (manifest, lines, _) = export(&mut dave, asked(json!({ "category": "config" })));
    let report = looked(&lines, &manifest, &against);
    assert!(report.gaps > 0 && report.findings.is_empty() && !report.intact, "{report:?}");
    assert_eq!((report.anchors[0].verdict, report.covered), ("unreached", None));
}

fn record(line: &str) -> String {
    serde_json::from_str::<ExportLine>(line).unwrap().record.unwrap()
}

/// A line by another actor, at the same place of another chain.
fn resealed(tail: &mut Tail, line: &str) -> String {
    let mut line: ExportLine = serde_json::from_str(line).unwrap();
    line.actor = "mallory".to_owned();
    let columns = [
        &line.event_id,
        &line.created_at,
        &line.actor,
        &line.actor_type,
        &line.action,
        &line.category,
        &line.resource_type,
        &line.resource_id,
        &line.details.get().to_owned(),
    ]
    .map(Clone::clone);
    let record = sealed_with(tail, &columns, |_| {});
    line.record_sha256 = leaf_hash(&record);
    line.record = Some(String::from_utf8(record).unwrap());
    serde_json::to_string(&line).unwrap()
}
