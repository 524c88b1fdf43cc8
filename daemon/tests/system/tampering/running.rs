//! Damage that is done under a running daemon: what shows it, what covers it, and what does not.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AuditAnchor, AuditCheckpoint, AuditList, AuditVerify, EventsSubscribe, RequestApprove, RequestList, RequestSubmit,
};
use countersign_shared::protocol::{AnchorParams, Event, ListAuditParams, NoParams, SubscribeParams};
use countersignd::ledger::{Tail, leaf_hash};
use countersignd::store::integrity::{self, written};
use rusqlite::Connection;

use super::root::{rehash, sign_again, sql, unguarded};
use super::stage::Stage;
use crate::support::{ALICE, BOB, CAROL, DAVE, Host, PATIENCE, ask, can_be_people, on, until};

fn open(host: &Host) -> Connection {
    let db = Connection::open(host.database()).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db
}

#[test]
fn damage_is_shown_on_every_surface_and_nothing_is_decided_any_more() {
    if !can_be_people() {
        return;
    }
    let stage = Stage::new();
    let mut host = stage.host();
    host.start();
    let pending = host.user(BOB).call::<RequestList>(&serde_json::from_str("{}").unwrap()).requests.remove(0);
    let mut watching = host.user(DAVE);
    watching.call::<EventsSubscribe>(&SubscribeParams::default());
    let metric = |host: &Host, name: &str| -> f64 {
        let text = host.user(CAROL).metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
        line.unwrap_or_else(|| panic!("{name}: {text}")).parse().unwrap()
    };
    let breaks = "countersign_audit_chain_break_detected_total";
    let verifications = "countersign_audit_chain_verify_total";
    let before = metric(&host, verifications);
    assert_eq!(metric(&host, breaks), 0.0);

    sql(&open(&host), "UPDATE audit_events SET actor = 'uid:62003' WHERE seq = 20");
    // Nobody has looked yet: it goes on.
    assert!(!host.oneself().status().read_only);
    assert_eq!(metric(&host, breaks), 0.0);

    let verified = host.user(DAVE).call::<AuditVerify>(&NoParams {});
    let damage = verified.damage.unwrap();
    assert_eq!((damage.rule.as_str(), damage.seq), ("columns", Some(20)));
    let text = "actor: the record says \"uid:62001\", the column \"uid:62003\"";
    assert_eq!(damage.text, text);
    let status = host.oneself().status();
    assert!(status.read_only);
    assert_eq!(status.damage.unwrap().text, text);
    assert_eq!((metric(&host, breaks), metric(&host, verifications)), (1.0, before + 1.0));
    assert!(host.log().contains("DAMAGE FOUND") && host.log().contains("rule=\"columns\""), "{}", host.log());
    assert!(matches!(watching.event(), Event::Alarm { .. }));

    let refused = [
        host.user(ALICE).refused::<RequestSubmit>(&ask(&["new.corp.example"]), ErrorKind::ReadOnly),
        host.user(BOB).refused::<RequestApprove>(&on(&pending), ErrorKind::ReadOnly),
        host.user(DAVE).refused::<AuditCheckpoint>(&NoParams {}, ErrorKind::ReadOnly),
        host.user(DAVE).refused::<AuditAnchor>(&AnchorParams { octets: stage.kept.note.clone() }, ErrorKind::ReadOnly),
    ];
    for error in refused {
        assert!(error.message.contains("columns") && error.data.hint.contains("audit verify"), "{error:?}");
    }
    // What can be read is read, the record that is wrong with it.
    assert!(!host.user(DAVE).call::<AuditList>(&ListAuditParams::default()).events.is_empty());
    assert!(!host.user(BOB).call::<RequestList>(&serde_json::from_str("{}").unwrap()).requests.is_empty());
    // Put back as it was, it is found damaged no more; the daemon does not forget that it was.
    sql(&open(&host), "UPDATE audit_events SET actor = 'uid:62001' WHERE seq = 20");
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
    assert!(host.oneself().status().read_only);
}

#[test]
fn a_ledger_that_somebody_else_wrote_to_is_written_to_no_more() {
    if !can_be_people() {
        return;
    }
    let stage = Stage::new();
    for (what, seq, act) in [
        (
            "the end deleted",
            Some(38),
            (|db, _| sql(db, "DELETE FROM audit_events WHERE seq >= 30")) as fn(&Connection, &Host),
        ),
        ("rehashed by root", None, |db, host| {
            unguarded(db, |db| {
                rehash(db, u64::MAX >> 1, |seq, columns| {
                    if seq == 20 {
                        columns[2] = "uid:62003".to_owned();
                    }
                });
                sign_again(db, &host.state);
            });
        }),
        ("cut off with the tree", None, |db, host| {
            unguarded(db, |db| {
                rehash(db, 32, |_, _| {});
                sign_again(db, &host.state);
            });
        }),
    ] {
        let mut host = stage.host();
        host.start();
        let ledger_size = host.oneself().status().ledger_size;
        act(&open(&host), &host);
        // No verification: the next that is to be written comes upon it, and nothing of it is kept.
        host.user(ALICE).refused::<RequestSubmit>(&ask(&["new.corp.example"]), ErrorKind::ReadOnly);
        until("the alarm", || host.oneself().status().read_only);
        let damage = host.oneself().status().damage.unwrap();
        let seq = seq.map(|_| ledger_size);
        assert_eq!((damage.rule.as_str(), damage.seq), ("rewritten", seq), "{what}: {damage:?}");
        let names = "SELECT count(*) FROM approval_requests WHERE primary_name = 'new.corp.example'";
        assert_eq!(host.value::<i64>(names), 0, "{what}");
    }
}

/// The end of the ledger behind so many records.
fn tail(db: &Connection, size: u64) -> Tail {
    let mut tail = Tail::default();
    let mut statement = db.prepare("SELECT record FROM audit_events WHERE seq < ?1 ORDER BY seq").unwrap();
    for record in statement.query_map([size], |row| row.get::<_, Vec<u8>>(0)).unwrap() {
        tail.advance(leaf_hash(&record.unwrap()), |_| {});
    }
    assert_eq!(tail.size(), size);
    tail
}

#[test]
fn the_verification_every_six_hours_covers_what_was_added_and_what_the_tables_say() {
    if !can_be_people() {
        return;
    }
    let stage = Stage::new();
    // What was verified before, records 0 to 31, is behind it: an edit there is for `audit.verify` and for a start.
    for (what, act, resumed, whole) in [
        ("nothing", "SELECT 1", None, None),
        ("a new record", "UPDATE audit_events SET actor = 'x' WHERE seq = 34", Some("columns"), Some("columns")),
        ("a new record gone", "DELETE FROM audit_events WHERE seq = 34", Some("missing"), Some("missing")),
        ("the end gone", "DELETE FROM audit_events WHERE seq >= 34", Some("truncated"), Some("truncated")),
        ("an old vote", "UPDATE audit_events SET actor = 'x' WHERE seq = 6", Some("state"), Some("columns")),
        ("an old vote gone", "DELETE FROM audit_events WHERE seq = 6", Some("state"), Some("missing")),
        ("a vote alone", "UPDATE decisions SET account = 'x'", Some("state"), Some("state")),
        ("a trigger", "DROP TRIGGER audit_events_no_delete", Some("schema"), Some("schema")),
        ("an old record of no state", "UPDATE audit_events SET actor = 'x' WHERE seq = 9", None, Some("columns")),
        ("an old record's octets", "UPDATE audit_events SET record = x'7b7d' WHERE seq = 20", None, Some("columns")),
        ("such a record gone", "DELETE FROM audit_events WHERE seq = 9", None, Some("missing")),
    ] {
        let host = stage.host();
        let db = open(&host);
        let (verified, end) = (tail(&db, 32), tail(&db, 37));
        match act.starts_with("DROP") || act.starts_with("SELECT") {
            true => db.execute_batch(act).unwrap(),
            false => sql(&db, act),
        }
        for (begin, expected) in [(verified, resumed), (Tail::default(), whole)] {
            let found = integrity::check(&db, begin, &mut |_, _| {}).unwrap();
            let remembered = written::compare(&db, found.tail.size(), &end).unwrap();
            let damage = found.damage.or(remembered);
            assert_eq!(damage.as_ref().map(|damage| damage.rule.as_str()), expected, "{what}: {damage:?}");
        }
    }
    // What was added since and rewritten with everything that tells of it: only the daemon that wrote it knows.
    let host = stage.host();
    let db = open(&host);
    let (verified, end) = (tail(&db, 32), tail(&db, 37));
    unguarded(&db, |db| {
        rehash(db, u64::MAX >> 1, |seq, columns| {
            if seq == 36 {
                columns[2] = "system-reaper".to_owned();
            }
        });
        sign_again(db, &host.state);
    });
    for begin in [verified, Tail::default()] {
        let found = integrity::check(&db, begin, &mut |_, _| {}).unwrap();
        assert_eq!(found.damage, None);
        let damage = written::compare(&db, found.tail.size(), &end).unwrap().unwrap();
        assert_eq!(damage.rule, "rewritten", "{damage:?}");
    }
}
