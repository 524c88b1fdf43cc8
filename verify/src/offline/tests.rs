use std::path::PathBuf;

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::note::{KeyName, Signer};
use countersign_proof::tree::{Frontier, leaf_hash};
use countersign_shared::id::EventId;
use rusqlite::{Connection, params};
use serde_json::json;

use super::*;
use crate::chain::{Chain, Node};
use crate::columns::{Columns, GENESIS};

const RECORDS: u64 = 40;

/// A state directory with a ledger, and the key that signs its checkpoints.
struct Place {
    dir: tempfile::TempDir,
    signer: Signer,
}

fn insert(db: &Connection, seq: u64, prev: &Digest, actor: &str) -> Digest {
    let event_id = EventId::of_record(seq, seq);
    let details = format!("{{\"tick\":{seq}}}");
    let mut record = Vec::new();
    Columns {
        seq,
        event_id: event_id.as_str().as_bytes(),
        created_at: b"2026-01-01T00:00:00.000Z",
        actor: actor.as_bytes(),
        actor_type: b"User",
        action: b"approval_requested",
        category: b"auth",
        resource_type: b"request",
        resource_id: b"ar-1",
        details: details.as_bytes(),
    }
    .write_record(prev, &mut record);
    db.execute(
        "INSERT INTO audit_events VALUES (?1, ?2, '2026-01-01T00:00:00.000Z', ?3, 'User', 'approval_requested', 'auth',
             'request', 'ar-1', ?4, ?5)",
        params![seq, event_id.as_str(), actor, details, record],
    )
    .unwrap();
    leaf_hash(&record)
}

fn store_frontier(db: &Connection, frontier: &Frontier) {
    let peaks: Vec<u8> = frontier.peaks().iter().flat_map(|peak| peak.as_bytes().to_vec()).collect();
    db.execute("INSERT OR REPLACE INTO ledger_frontier VALUES (1, ?1, ?2)", params![frontier.size(), peaks]).unwrap();
}

/// Appends records as the daemon would, by `actor`.
fn fill(db: &Connection, records: u64, actor: &str) {
    let mut chain = Chain::default();
    db.execute_batch("BEGIN; DELETE FROM ledger_nodes").unwrap();
    for seq in 0..records {
        chain.advance(insert(db, seq, &chain.prev(), actor), |Node { level, index, hash }| {
            let node = params![level, index, hash.as_bytes()];
            db.execute("INSERT INTO ledger_nodes (level, idx, hash) VALUES (?1, ?2, ?3)", node).unwrap();
        });
    }
    store_frontier(db, chain.frontier());
    db.execute_batch("COMMIT").unwrap();
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let signer = Signer::from_seed(KeyName::new("ca.example/ledger").unwrap(), &[7; 32]).unwrap();
        let place = Self { dir, signer };
        let db = place.db();
        super::schema::prepare(&db).unwrap();
        db.pragma_update(None, "application_id", 0x4353_474E).unwrap();
        fill(&db, RECORDS, "alice");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn db(&self) -> Connection {
        Connection::open(self.path("countersign.db")).unwrap()
    }

    /// What root can do.
    fn tamper(&self, sql: &str) {
        unguarded(&self.db(), |db| db.execute_batch(sql).unwrap());
    }

    /// A checkpoint over the first records, made before anything was done to them.
    fn anchor(&self, size: u64) -> (String, Anchor) {
        let mut frontier = Frontier::default();
        let db = self.db();
        let mut statement = db.prepare("SELECT record FROM audit_events ORDER BY seq LIMIT ?1").unwrap();
        let mut rows = statement.query([size]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            frontier.append(leaf_hash(&row.get::<_, Vec<u8>>(0).unwrap()));
        }
        let signed = SignedCheckpoint::sign(&self.signer, size, frontier.root()).unwrap();
        (format!("anchor-{size}"), Anchor::parse(signed.to_string().as_bytes()).unwrap())
    }

    fn against(&self, anchors: Vec<(String, Anchor)>) -> Against {
        Against { log: Some(Log::of_key(self.signer.key().clone())), anchors, ..Against::default() }
    }

    fn verify(&self, against: &Against) -> Report {
        verify(&self.path("countersign.db"), against, &mut |_, _| {}).unwrap()
    }

    /// An export of all records, line by line.
    fn lines(&self) -> Vec<String> {
        let db = self.db();
        let mut statement = db.prepare("SELECT * FROM audit_events ORDER BY seq").unwrap();
        let rows = statement.query_map([], |row| {
            let record: Vec<u8> = row.get("record")?;
            let text = |name: &str| row.get::<_, String>(name);
            let details: serde_json::Value = serde_json::from_str(&text("details")?).unwrap();
            Ok(json!({
                "seq": row.get::<_, u64>("seq")?, "event_id": text("event_id")?, "created_at": text("created_at")?,
                "actor": text("actor")?, "actor_type": text("actor_type")?, "action": text("action")?,
                "category": text("category")?, "resource_type": text("resource_type")?,
                "resource_id": text("resource_id")?, "details": details, "record_sha256": leaf_hash(&record),
                "record": String::from_utf8(record).unwrap(),
            })
            .to_string())
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn verify_text(&self, text: impl AsRef<[u8]>, against: &Against) -> Result<Report, Unusable> {
        std::fs::write(self.path("export"), text).unwrap();
        verify(&self.path("export"), against, &mut |_, _| {})
    }
}

/// What root can do: the triggers are dropped, and made again as they were.
fn unguarded(db: &Connection, change: impl FnOnce(&Connection)) {
    let mut statement = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
    let triggers = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let triggers: Vec<(String, String)> = triggers.map(Result::unwrap).collect();
    triggers.iter().for_each(|(name, _)| db.execute_batch(&format!("DROP TRIGGER {name}")).unwrap());
    change(db);
    triggers.iter().for_each(|(_, sql)| db.execute_batch(sql).unwrap());
}

fn rules(report: &Report) -> Vec<(&str, Option<u64>)> {
    report.findings.iter().map(|found| (found.rule.as_str(), found.seq)).collect()
}

#[test]
fn what_root_can_do_to_a_database_with_and_without_an_anchor() {
    let cut = format!("DELETE FROM audit_events WHERE seq >= {}", RECORDS - 5);
    for (what, sql, found, anchored) in [
        ("nothing", "SELECT 1", None, "equal"),
        (
            "an edited byte",
            "UPDATE audit_events SET record = CAST(replace(CAST(record AS TEXT), 'alice', 'alicf') AS BLOB) WHERE seq = 7",
            Some(("columns", Some(7))),
            "different",
        ),
        ("an edited column", "UPDATE audit_events SET actor = 'bob' WHERE seq = 7", Some(("columns", Some(7))), "equal"),
        ("a deleted row", "DELETE FROM audit_events WHERE seq = 7", Some(("missing", Some(7))), "different"),
        ("a deleted tail", cut.as_str(), Some(("truncated", Some(RECORDS - 5))), "equal"),
        (
            "swapped rows",
            "UPDATE audit_events SET seq = seq + 1000 WHERE seq IN (7, 8);
             UPDATE audit_events SET seq = 1015 - seq WHERE seq > 999",
            Some(("reordered", Some(7))),
            "different",
        ),
        (
            "a row replaced",
            "INSERT OR REPLACE INTO audit_events SELECT 7, event_id, created_at, 'mallory', actor_type, action, category,
                 resource_type, resource_id, details, record FROM audit_events WHERE seq = 6",
            Some(("columns", Some(7))),
            "different",
        ),
        (
            "a row added",
            "INSERT INTO audit_events SELECT 40, event_id, created_at, actor, actor_type, action, category,
                 resource_type, resource_id, details, record FROM audit_events WHERE seq = 39",
            Some(("reordered", Some(RECORDS))),
            "equal",
        ),
    ] {
        let place = Place::new();
        let against = place.against(vec![place.anchor(30)]);
        place.tamper(sql);
        let alone = place.verify(&Against::default());
        assert_eq!(alone.intact, found.is_none(), "{what}: {alone:?}");
        if let Some((rule, seq)) = found {
            let first = alone.findings.first().unwrap();
            assert_eq!((first.rule.as_str(), first.seq), (rule, seq), "{what}: {first:?}");
            assert!(!first.text.is_empty());
        }
        let beside = place.verify(&against);
        assert_eq!(beside.anchors[0].verdict, anchored, "{what}: {beside:?}");
    }
}

#[test]
fn what_is_consistent_in_itself_shows_beside_an_anchor_alone() {
    type Change = fn(&Connection);
    let cases: [(&str, Change, &str); 3] = [
        (
            "the whole chain made anew",
            |db| {
                db.execute_batch("DELETE FROM audit_events").unwrap();
                fill(db, RECORDS, "mallory");
            },
            "different",
        ),
        (
            "restored from last week",
            |db| {
                db.execute_batch("DELETE FROM audit_events").unwrap();
                fill(db, 20, "alice");
            },
            "ahead",
        ),
        (
            "forked behind the anchor",
            |db| {
                db.execute_batch("DELETE FROM audit_events").unwrap();
                fill(db, 30, "alice");
            },
            "equal",
        ),
    ];
    for (what, change, expected) in cases {
        let place = Place::new();
        let against = place.against(vec![place.anchor(30), place.anchor(10)]);
        unguarded(&place.db(), change);
        assert!(place.verify(&Against::default()).intact, "{what}: without an anchor nothing shows");
        let report = place.verify(&against);
        assert_eq!(report.anchors[0].verdict, expected, "{what}: {report:?}");
        assert_eq!(report.intact, expected == "equal", "{what}");
    }
}

/// A checkpoint of the first records, stored as the daemon stores it; its key and who tells of it are not on record.
fn store_checkpoint(db: &Connection, place: &Place, size: u64) {
    let (_, anchor) = place.anchor(size);
    let Anchor::Note(signed) = anchor else { panic!("a note") };
    let (root, note) = (signed.checkpoint().root(), signed.to_string());
    db.execute(
        "INSERT INTO checkpoints (size, root, note, made_at) VALUES (?1, ?2, ?3, '2026-01-01T00:00:00.000Z')",
        params![size, root.as_bytes(), note],
    )
    .unwrap();
}

#[test]
fn stored_nodes_and_checkpoints_are_held_against_the_records() {
    let other = "X'0000000000000000000000000000000000000000000000000000000000000000'";
    for (sql, found) in [
        ("SELECT 1".to_owned(), None),
        (format!("UPDATE ledger_nodes SET hash = {other} WHERE idx = 1"), Some(("nodes", Some(31)))),
        ("DELETE FROM ledger_nodes WHERE idx = 0".into(), Some(("nodes", Some(15)))),
        ("DELETE FROM ledger_nodes".into(), Some(("nodes", Some(15)))),
        (format!("INSERT INTO ledger_nodes VALUES (4, 2, {other})"), Some(("nodes", None))),
        (format!("INSERT INTO ledger_nodes VALUES (8, 0, {other})"), Some(("nodes", None))),
        (format!("UPDATE checkpoints SET root = {other} WHERE size = 20"), Some(("checkpoint", Some(19)))),
        (
            "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 30) WHERE size = 20".into(),
            Some(("checkpoint", Some(19))),
        ),
        ("UPDATE checkpoints SET note = 'x' WHERE size = 30".into(), Some(("checkpoint", Some(29)))),
        (
            "INSERT INTO checkpoint_keys VALUES (1, 'ca.example/ledger+00000000+x', '2026-01-01T00:00:00.000Z', 3)"
                .into(),
            Some(("state", None)),
        ),
    ] {
        let place = Place::new();
        store_checkpoint(&place.db(), &place, 20);
        store_checkpoint(&place.db(), &place, 30);
        place.tamper(&format!("PRAGMA foreign_keys = OFF; {sql}"));
        let report = place.verify(&place.against(vec![place.anchor(30)]));
        assert_eq!(rules(&report), Vec::from_iter(found), "{sql}: {report:?}");
        // They are caches and claims: what comes from outside speaks of the records.
        assert_eq!((report.intact, report.anchors[0].verdict), (found.is_none(), "equal"), "{sql}");
    }
}

#[test]
fn a_copy_of_an_earlier_schema_is_held_against_that_schema() {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut steps: Vec<(i64, PathBuf)> = files
        .filter(|path| path.to_string_lossy().ends_with(".down.sql"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap(), path))
        .collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    for (version, path) in steps.into_iter().take_while(|(version, _)| *version > 5) {
        let sql = std::fs::read_to_string(path).unwrap();
        let sql = format!("PRAGMA foreign_keys = OFF; {sql}; PRAGMA user_version = {}", version - 1);
        place.db().execute_batch(&sql).unwrap();
        let report = place.verify(&Against::default());
        assert!(report.intact, "down from {version}: {report:?}");
    }
    for says in [4, 6, 0, 99, -1] {
        place.db().execute_batch(&format!("PRAGMA user_version = {says}")).unwrap();
        let report = place.verify(&Against::default());
        assert_eq!((report.findings[0].rule.as_str(), report.records), ("schema", RECORDS), "{says}");
    }
}

#[test]
fn a_guard_that_was_dropped_or_added_is_named() {
    for (sql, word) in [
        ("DROP TRIGGER audit_events_no_update", "audit_events_no_update is missing"),
        ("CREATE TRIGGER x AFTER INSERT ON audit_events BEGIN SELECT 1; END", "the trigger x is not part"),
    ] {
        let place = Place::new();
        place.db().execute_batch(sql).unwrap();
        let report = place.verify(&Against::default());
        assert_eq!((rules(&report), report.records), (vec![("schema", None)], RECORDS));
        assert!(report.findings[0].text.contains(word), "{report:?}");
    }
}

#[test]
fn another_thing_under_the_name_of_the_ledger_is_not_read() {
    for (sql, word) in [
        ("ALTER TABLE audit_events RENAME TO hidden; CREATE VIEW audit_events AS SELECT * FROM hidden", "is a view"),
        ("DROP TABLE audit_events", "no table audit_events"),
        ("DROP TABLE ledger_frontier", "no table ledger_frontier"),
        ("DROP TABLE audit_events; CREATE TABLE audit_events (seq, record)", "made in another way"),
        ("DROP TABLE audit_events; CREATE VIRTUAL TABLE audit_events USING fts5(seq, record)", "made in another way"),
    ] {
        let place = Place::new();
        let db = place.db();
        db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
        drop(db);
        let report = place.verify(&place.against(vec![place.anchor_of_nothing()]));
        assert_eq!((rules(&report), report.records), (vec![("schema", None)], 0), "{sql}");
        assert!(report.findings[0].text.contains(word), "{sql}: {report:?}");
        assert!(!report.intact);
    }
}

impl Place {
    fn anchor_of_nothing(&self) -> (String, Anchor) {
        let signed = SignedCheckpoint::sign(&self.signer, 0, Frontier::default().root()).unwrap();
        ("none".into(), Anchor::parse(signed.to_string().as_bytes()).unwrap())
    }
}

#[test]
fn a_database_with_its_log_beside_it_is_read_with_it_and_left_as_it_is() {
    let place = Place::new();
    let db = place.db();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let (mut prev, mut frontier) = (GENESIS, Frontier::default());
    let mut statement = db.prepare("SELECT record FROM audit_events ORDER BY seq").unwrap();
    for record in statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap() {
        prev = leaf_hash(&record.unwrap());
        frontier.append(prev);
    }
    frontier.append(insert(&db, RECORDS, &prev, "bob"));
    store_frontier(&db, &frontier);
    drop(statement);
    // As it is copied from under a daemon that runs.
    for name in ["countersign.db", "countersign.db-wal"] {
        std::fs::copy(place.path(name), place.path(&format!("copy-{name}"))).unwrap();
    }
    let before = std::fs::read(place.path("copy-countersign.db")).unwrap();
    let report = verify(&place.path("copy-countersign.db"), &Against::default(), &mut |_, _| {}).unwrap();
    assert!(report.intact, "{report:?}");
    assert_eq!(report.records, RECORDS + 1);
    assert_eq!(std::fs::read(place.path("copy-countersign.db")).unwrap(), before);
    assert!(!place.path("copy-countersign.db-shm").exists());
    // Without its log it is the database of before.
    std::fs::remove_file(place.path("copy-countersign.db-wal")).unwrap();
    let report = verify(&place.path("copy-countersign.db"), &Against::default(), &mut |_, _| {}).unwrap();
    assert_eq!((report.intact, report.records), (true, RECORDS));
}

#[test]
fn a_database_with_broken_pages_says_how_far_it_could_be_read() {
    let place = Place::new();
    let anchors = vec![place.anchor(RECORDS)];
    let mut octets = std::fs::read(place.path("countersign.db")).unwrap();
    let page = usize::from(u16::from_be_bytes([octets[16], octets[17]]));
    let length = octets.len();
    for at in (page..length).step_by(page).skip(3) {
        octets[at..at + 200].fill(0xa5);
    }
    std::fs::write(place.path("countersign.db"), octets).unwrap();
    let report = place.verify(&place.against(anchors));
    assert!(!report.intact && rules(&report).iter().any(|(rule, _)| *rule == "database"), "{report:?}");
    assert_eq!(report.anchors[0].verdict, "unreached", "{report:?}");
}

#[test]
fn what_is_no_ledger_is_refused_in_plain_words() {
    let place = Place::new();
    let refused = |path: PathBuf| verify(&path, &Against::default(), &mut |_, _| {}).unwrap_err().to_string();
    assert!(refused(place.path("nothing")).contains("No such file"));
    assert!(refused(place.dir.path().to_owned()).contains("not a plain file"));
    assert!(std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    assert!(refused(place.path("pipe")).contains("not a plain file"));
    assert!(refused("/dev/zero".into()).contains("not a plain file"));
    std::fs::write(place.path("text"), "hello\n").unwrap();
    assert!(refused(place.path("text")).contains("neither a database"));
    Connection::open(place.path("other.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(refused(place.path("other.db")).contains("another program"));
    // A database that is nothing but its first words is one of another program, or damaged; never a panic.
    std::fs::write(place.path("head"), b"SQLite format 3\0").unwrap();
    let cut = verify(&place.path("head"), &Against::default(), &mut |_, _| {});
    assert!(cut.map_or(true, |report| !report.intact));
}

#[test]
fn an_export_is_verified_by_itself_and_beside_anchors() {
    let place = Place::new();
    let lines = place.lines();
    let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let against = place.against(vec![place.anchor(30)]);
    let whole = place.verify_text(text(&lines), &against).unwrap();
    assert!(whole.intact, "{whole:?}");
    assert_eq!((whole.records, whole.gaps, whole.covered), (RECORDS, 0, Some(30)));
    assert_eq!((whole.first_seq, whole.last_seq), (Some(0), Some(RECORDS - 1)));
    assert_eq!(whole.root_sha256, place.verify(&Against::default()).root_sha256);

    let part = place.verify_text(text(&lines[5..]), &Against::default()).unwrap();
    assert!(part.intact && part.root_sha256.is_none());
    assert_eq!(place.verify_text(text(&lines[5..]), &against).unwrap().anchors[0].verdict, "unreached");
    assert_eq!(place.verify_text(text(&lines[..20]), &against).unwrap().anchors[0].verdict, "unreached");

    let without = [&lines[..7], &lines[8..]].concat();
    let gap = place.verify_text(text(&without), &Against::default()).unwrap();
    assert!(gap.intact, "a category leaves gaps: {gap:?}");
    assert_eq!((gap.gaps, gap.root_sha256), (1, None));
    let manifest = |rows: u64, last: u64| ExportManifest {
        format: "countersign-export-1".into(),
        origin: "o".into(),
        export_seq: 40,
        export_sha256: GENESIS,
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
        to: "2026-01-02T00:00:00Z".parse().unwrap(),
        category: None,
        rows,
        matching: rows,
        first_seq: Some(0),
        last_seq: Some(last),
        size: 40,
        root_sha256: GENESIS,
        peaks: Vec::new(),
        continuation: None,
        verifier_key: None,
    };
    let beside = |rows, last| Against { manifest: Some(manifest(rows, last)), ..Against::default() };
    assert!(place.verify_text(text(&lines), &beside(40, 39)).unwrap().intact);
    for (lines, against, word) in [
        (&without[..], beside(40, 39), "rows: the manifest says 40, the file has 39"),
        (&lines[..39], beside(39, 39), "last record: the manifest says 39, the file has 38"),
    ] {
        let report = place.verify_text(text(lines), &against).unwrap();
        assert_eq!(rules(&report), [("manifest", None)]);
        assert!(report.findings[0].text.contains(word), "{report:?}");
    }
}

#[test]
fn what_was_done_to_an_export_is_named_with_its_line() {
    let place = Place::new();
    let lines = place.lines();
    let edit = |at: usize, line: String| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines
    };
    let mut swapped = lines.clone();
    swapped.swap(7, 8);
    let mut twice = lines.clone();
    twice.insert(8, lines[7].clone());
    let mallory = Place::new();
    unguarded(&mallory.db(), |db| {
        db.execute_batch("DELETE FROM audit_events").unwrap();
        fill(db, RECORDS, "mallory");
    });
    for (what, lines, rule, seq, word) in [
        ("a column", edit(7, lines[7].replace("\"actor\":\"alice\"", "\"actor\":\"bob\"")), "columns", 7, "line 8"),
        (
            "the record",
            edit(7, lines[7].replace("\\\"actor\\\":\\\"alice\\\"", "\\\"actor\\\":\\\"bob\\\"")),
            "edited",
            7,
            "octets",
        ),
        ("details", edit(7, lines[7].replace("{\"tick\":7}", "{\"tick\":8}")), "columns", 7, "details"),
        ("the order", swapped, "reordered", 7, "stands behind"),
        ("a line twice", twice, "reordered", 7, "stands behind"),
        ("another ledger's line", edit(7, mallory.lines()[7].clone()), "edited", 7, "it follows"),
        ("no record", edit(7, lines[7].replace("\"record\":", "\"record_base64\":")), "format", 7, "base 64"),
        ("a further member", edit(7, lines[7].replacen('{', "{\"x\":1,", 1)), "format", 7, "unknown field"),
        ("garbage", edit(7, "\u{1b}[2J{".into()), "format", 7, "line 8"),
        ("an empty line", edit(7, String::new()), "format", 7, "line 8"),
        ("a huge line", edit(7, "x".repeat(1 << 20)), "format", 7, "262144"),
        ("nesting", edit(7, "[".repeat(100_000)), "format", 7, "line 8"),
    ] {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let report = place.verify_text(text, &Against::default()).unwrap();
        assert_eq!(rules(&report), [(rule, Some(seq))], "{what}: {report:?}");
        assert!(report.findings[0].text.contains(word), "{what}: {report:?}");
        assert!(!report.findings[0].text.contains('\u{1b}'));
        assert_eq!(report.records, if what == "the order" || what == "a line twice" { 8 } else { 7 }, "{what}");
    }
    let whole: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let cut = place.verify_text(&whole.as_bytes()[..whole.len() - 30], &Against::default()).unwrap();
    assert_eq!(rules(&cut), [("truncated", Some(RECORDS - 1))]);
    assert!(place.verify_text("", &Against::default()).unwrap().intact, "an export of nothing");
    // Written anew by a tool that orders and escapes otherwise: the same value.
    let anew = lines[7].replace("alice", "\\u0061lice").replace("{\"tick\":7}", "{ \"tick\" : 7 }");
    let text: String = edit(7, anew).iter().map(|line| format!("{line}\n")).collect();
    let report = place.verify_text(text, &Against::default()).unwrap();
    assert!(report.intact, "{report:?}");
}

proptest::proptest! {
    #[test]
    fn no_octets_are_too_strange(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..300), at in 0..2000_usize) {
        static LINE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x");
        let look = |octets: &[u8]| {
            std::fs::write(&path, octets).unwrap();
            verify(&path, &Against::default(), &mut |_, _| {})
        };
        for begin in [&b"{"[..], b"SQLite format 3\0"] {
            proptest::prop_assert!(look(&[begin, &octets].concat()).map_or(true, |report| !report.intact));
        }
        let mut line = LINE.get_or_init(|| Place::new().lines().swap_remove(0)).clone().into_bytes();
        let at = at % line.len();
        line.splice(at..at, octets.iter().copied());
        let blank = octets.iter().all(u8::is_ascii_whitespace);
        proptest::prop_assert!(look(&line).map_or(true, |report| !report.intact || blank));
    }
}
