use rusqlite::params;

use super::*;
use crate::columns::Columns;

/// Several batches.
const RECORDS: u64 = 2000;

/// A ledger without the checks of the daemon's tables: any value can stand anywhere.
fn ledger() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE audit_events (seq INTEGER PRIMARY KEY, event_id, created_at, actor, actor_type, action, category,
             resource_type, resource_id, details, record);
         CREATE TABLE ledger_nodes (level, idx, hash, PRIMARY KEY (level, idx)) WITHOUT ROWID;
         CREATE TABLE acknowledged_damage (seq, rule, expected);
         BEGIN",
    )
    .unwrap();
    let mut chain = Chain::default();
    for seq in 0..RECORDS {
        let event_id = format!("ev-{seq}");
        let details = format!("{{\"text\":\"{}\"}}", "x".repeat(400));
        let columns = Columns {
            seq,
            event_id: event_id.as_bytes(),
            created_at: b"2026-02-01T00:00:00.000Z",
            actor: b"alice",
            actor_type: b"User",
            action: b"approval_approved",
            category: b"cert_lifecycle",
            resource_type: b"request",
            resource_id: b"ar-1",
            details: details.as_bytes(),
        };
        let mut record = Vec::new();
        columns.write_record(&chain.prev(), &mut record);
        db.execute(
            "INSERT INTO audit_events VALUES (?1, 'ev-' || ?1, '2026-02-01T00:00:00.000Z', 'alice', 'User',
                 'approval_approved', 'cert_lifecycle', 'request', 'ar-1', ?2, ?3)",
            params![seq, details, record],
        )
        .unwrap();
        chain.advance(leaf_hash(&record), |Node { level, index, hash }| {
            db.execute("INSERT INTO ledger_nodes VALUES (?1, ?2, ?3)", params![level, index, hash.as_bytes()]).unwrap();
        });
    }
    db.execute_batch("COMMIT").unwrap();
    db
}

/// Everything that a pass says: the error, the damage, where it came to, the roots, and each word on the progress.
type Said = (Option<String>, Option<(Option<u64>, String, String)>, Chain, BTreeMap<u64, Digest>, Vec<(u64, u64)>);

fn said(db: &Connection, threads: Threads, begin: &Chain, with_nodes: bool, behind: Behind) -> Said {
    let mut pass = Pass::begin(begin.clone(), [0, 1, 700, 1999, 2000]);
    let mut told = Vec::new();
    let outcome = pass.records_on(threads, db, with_nodes, behind, &mut |done, of| told.push((done, of)));
    let (chain, damage, roots) = pass.into_parts();
    let damage = damage.map(|damage| (damage.seq, damage.rule, damage.text));
    (outcome.err().map(|error| error.to_string()), damage, chain, roots, told)
}

/// On two threads as on one, from the first record and from a later one.
fn alike(db: &Connection, what: &str) -> Said {
    let mut later = Chain::default();
    let hashes = "SELECT record FROM audit_events WHERE seq < 300 ORDER BY seq";
    let mut hashes = db.prepare(hashes).unwrap();
    let mut rows = hashes.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        later.advance(leaf_hash(row.get_ref(0).unwrap().as_bytes().unwrap_or_default()), |_| {});
    }
    for begin in [&Chain::default(), &later] {
        for behind in [Behind::Left, Behind::Hashed] {
            for with_nodes in [true, false] {
                let one = said(db, Threads::One, begin, with_nodes, behind);
                let two = said(db, Threads::Two, begin, with_nodes, behind);
                assert_eq!(one, two, "{what}, from {}, {behind:?}, nodes: {with_nodes}", begin.size());
            }
        }
    }
    said(db, Threads::Two, &Chain::default(), true, Behind::Left)
}

#[test]
fn two_threads_find_what_one_finds() {
    let db = ledger();
    let (error, damage, chain, roots, told) = alike(&db, "nothing");
    assert_eq!((error, damage, chain.size(), roots.len()), (None, None, RECORDS, 5));
    assert_eq!(told, [(0, RECORDS), (RECORDS, RECORDS)]);
    for (damaging, seq, rule) in [
        ("UPDATE audit_events SET actor = 'mallory' WHERE seq = 0", 0, "columns"),
        ("UPDATE audit_events SET actor = 'mallory' WHERE seq IN (1203, 1204, 7)", 7, "columns"),
        ("UPDATE audit_events SET record = zeroblob(length(record)) WHERE seq = 1999", 1999, "edited"),
        ("DELETE FROM audit_events WHERE seq = 1111", 1111, "missing"),
        ("DELETE FROM audit_events WHERE seq BETWEEN 500 AND 1900", 500, "missing"),
        ("UPDATE audit_events SET seq = -1 - seq WHERE seq = 5", 5, "missing"),
        ("UPDATE audit_events SET details = NULL WHERE seq = 640", 640, "columns"),
        ("UPDATE audit_events SET actor = 7 WHERE seq = 641", 641, "columns"),
        ("UPDATE audit_events SET record = CAST(record AS TEXT) WHERE seq = 642", 642, "columns"),
        ("UPDATE ledger_nodes SET hash = zeroblob(32) WHERE level = 4 AND idx = 70", 70 * 16 + 15, "nodes"),
        ("UPDATE ledger_nodes SET hash = zeroblob(9) WHERE level = 4 AND idx = 70", 70 * 16 + 15, "nodes"),
        ("UPDATE ledger_nodes SET hash = 'x' WHERE level = 8 AND idx = 2", 2 * 256 + 255, "nodes"),
        ("UPDATE ledger_nodes SET idx = -1 WHERE level = 4 AND idx = 0", 15, "nodes"),
        ("DELETE FROM ledger_nodes WHERE level = 4 AND idx = 99", 99 * 16 + 15, "nodes"),
        // Both: the node that record 1007 completes comes before the record behind it.
        (
            "DELETE FROM ledger_nodes WHERE level = 4 AND idx = 62; UPDATE audit_events SET actor = '' WHERE seq = 1008",
            1007,
            "nodes",
        ),
        (
            "DELETE FROM ledger_nodes WHERE level = 4 AND idx = 62; UPDATE audit_events SET actor = '' WHERE seq = 1007",
            1007,
            "columns",
        ),
    ] {
        db.execute_batch(&format!("SAVEPOINT whole; {damaging}")).unwrap();
        let (error, damage, ..) = alike(&db, damaging);
        let found = damage.map(|(seq, rule, _)| (seq, rule));
        assert_eq!((error, found), (None, Some((Some(seq), rule.to_owned()))), "{damaging}");
        db.execute_batch("ROLLBACK TO whole; RELEASE whole").unwrap();
    }
    assert_eq!(alike(&db, "nothing any more").1, None);
}

#[test]
fn octets_of_no_type_that_can_be_hashed_end_the_pass() {
    let db = ledger();
    db.execute_batch("UPDATE audit_events SET record = 7 WHERE seq = 1500").unwrap();
    for threads in [Threads::One, Threads::Two] {
        let (error, damage, chain, ..) = said(&db, threads, &Chain::default(), true, Behind::Hashed);
        assert_eq!((damage.unwrap().0, chain.size()), (Some(1500), 1500));
        assert!(error.is_some(), "{threads:?}");
    }
}

#[test]
fn an_error_in_reading_on_comes_behind_what_stands_before_it() {
    // Whoever interrupts is one who reads: at the same row on one thread and on two.
    let stopped_at = |threads, damaged: Option<u64>| {
        let mut db = ledger();
        if let Some(seq) = damaged {
            db.execute("UPDATE audit_events SET actor = 'mallory' WHERE seq = ?1", [seq]).unwrap();
        }
        let mut steps = 0;
        db.progress_handler(
            1000,
            Some(move || {
                steps += 1;
                steps > 12
            }),
        )
        .unwrap();
        said(&db, threads, &Chain::default(), false, Behind::Left)
    };
    let (error, damage, chain, ..) = stopped_at(Threads::One, None);
    assert_eq!((error.as_deref(), damage), (Some("interrupted"), None));
    assert!((500..RECORDS).contains(&chain.size()), "{}", chain.size());
    assert_eq!(stopped_at(Threads::Two, None), stopped_at(Threads::One, None));
    let before = chain.size() - 1;
    let (error, damage, ..) = stopped_at(Threads::Two, Some(before));
    assert_eq!((error, damage.map(|damage| damage.0)), (None, Some(Some(before))));
}
