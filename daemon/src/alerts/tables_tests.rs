//! The tables: what they refuse, and by which index they are read.

use rusqlite::params;

use super::backoff::Refusal;
use super::outbox;
use super::pass_tests::{END, time};
use super::plan_tests::{MATRIX, plan};
use super::rows;
use super::rows_tests::House;
use super::stage::DAY;
use crate::policy::Channel;
use crate::store::migrations;

#[test]
fn the_tables_refuse_what_the_program_must_not_do() {
    let mut house = House::new(plan(MATRIX));
    house.watch("mc-1", 1, END);
    house.pass(time(END));
    house.send(END, |channel| if channel == Channel::Email { Ok(()) } else { Err(Refusal::Transient) });
    for (sql, why) in [
        (
            "INSERT INTO alert_events SELECT certificate_id, version, days, target, severity, raised_at, 99
             FROM alert_events LIMIT 1",
            "UNIQUE",
        ),
        (
            "INSERT OR REPLACE INTO alert_events SELECT certificate_id, version, days, target, severity, raised_at, 99
             FROM alert_events LIMIT 1",
            "alerts are kept",
        ),
        ("DELETE FROM alert_events", "alerts are kept"),
        ("UPDATE alert_events SET days = 9", "stands as it was raised"),
        ("UPDATE alert_events SET version = 9", "stands as it was raised"),
        ("UPDATE notification_events SET state = 'queued' WHERE state = 'sent'", "no such transition"),
        ("UPDATE notification_events SET state = 'dead' WHERE state = 'sent'", "no such transition"),
        ("UPDATE notification_events SET state = 'queued' WHERE state = 'failed'", "no such transition"),
        ("UPDATE notification_events SET channel = 'Wall', state = 'sent'", "no such transition"),
        ("UPDATE notification_events SET state = 'lost' WHERE state = 'failed'", "CHECK"),
        ("UPDATE notification_events SET channel = 'Wall'", "no such transition"),
        ("DELETE FROM outbox", "what is open stays"),
        ("UPDATE outbox SET channel = 'Wall'", "keeps what it is about"),
        ("UPDATE outbox SET severity = 'informational'", "keeps what it is about"),
        ("UPDATE outbox SET attempts = 5", "CHECK"),
        ("UPDATE outbox SET remaining = 'all'", "CHECK"),
        ("UPDATE messages SET params = '{\"to\":\"x\"}'", "keeps what it says"),
        (
            "INSERT INTO outbox (notification_id, channel, resource_id, severity, attempts, next_tick)
             SELECT id, channel, resource_id, 'critical', 0, 0 FROM notification_events WHERE state = 'sent'",
            "only what is queued",
        ),
        ("UPDATE expiry_watch SET version = 0", "newest version"),
        ("UPDATE expiry_watch SET not_after = not_before", "newest version"),
        ("UPDATE expiry_watch SET due_at = 'soon'", "CHECK"),
    ] {
        house.refuses(sql, why);
    }
}

#[test]
fn an_issued_version_is_watched_by_itself_and_from_before_too() {
    let house = House::new(plan(""));
    house.connection.execute_batch("PRAGMA foreign_keys = 0").unwrap();
    let issue = |version: u32, state: &str, end: i64| {
        let (id, end) = (format!("job-{version}"), time(end).to_string());
        house
            .connection
            .execute(
                "INSERT INTO certificate_versions VALUES ('mc-1', ?1, ?2, 'ca', ?3, ?4, ?4, '{}', ?5, ?5, '', ?3, 0)",
                params![version, state, id, format!("{version:064}"), end],
            )
            .unwrap();
    };
    let seen = || {
        let sql = "SELECT group_concat(version || ' ' || not_after || ' ' || epoch) FROM expiry_watch";
        house.connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).unwrap()
    };
    issue(1, "quarantined", END);
    assert_eq!(seen(), None);
    issue(2, "active", END);
    assert_eq!(seen().unwrap(), format!("2 {} 0", time(END)));
    rows::plan_anew(&house.connection, "mc-1", (Some(time(END)), None), 5).unwrap();
    house.connection.execute_batch("UPDATE certificate_versions SET state = 'superseded' WHERE version = 2").unwrap();
    issue(3, "active", END + DAY);
    assert_eq!(seen().unwrap(), format!("3 {} 0", time(END + DAY)), "each issued version anew");

    // Up again over what is there: nothing is watched twice, and what is not watched is again.
    house.connection.execute_batch("DELETE FROM expiry_watch").unwrap();
    for _ in 0..2 {
        house.connection.execute_batch(migrations::MIGRATIONS[3].up).unwrap();
        assert_eq!(seen().unwrap(), format!("3 {} 0", time(END + DAY)));
    }
}

#[test]
fn every_statement_of_a_pass_seeks_by_an_index_and_sorts_nothing() {
    let house = House::new(plan(""));
    for (sql, parameters, steps) in [
        (
            rows::DUE,
            2,
            &[
                "SEARCH w USING INDEX expiry_watch_due (due_at<?)",
                "SEARCH c USING INDEX sqlite_autoindex_certificates_1 (id=?) LEFT-JOIN",
            ][..],
        ),
        (
            rows::STALE,
            2,
            &[
                "SEARCH w USING INDEX expiry_watch_stale (epoch<?)",
                "SEARCH c USING INDEX sqlite_autoindex_certificates_1 (id=?) LEFT-JOIN",
            ],
        ),
        (
            rows::RENEW,
            2,
            &[
                "SEARCH w USING INDEX expiry_watch_renew (renew_at<?)",
                "SEARCH c USING INDEX sqlite_autoindex_certificates_1 (id=?) LEFT-JOIN",
            ],
        ),
        (rows::NEXT, 0, &["SEARCH expiry_watch USING COVERING INDEX expiry_watch_due (due_at>?)"]),
        (
            rows::PAST,
            3,
            &[
                "SEARCH a USING PRIMARY KEY (certificate_id=? AND version=? AND days<?)",
                "SEARCH n USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        (
            rows::OPEN,
            3,
            &[
                "SEARCH o USING COVERING INDEX outbox_by_resource (resource_id=?)",
                "SEARCH a USING INDEX alert_events_by_notification (notification_id=?)",
                "SEARCH n USING INTEGER PRIMARY KEY (rowid=?)",
            ],
        ),
        (
            outbox::CLAIM,
            4,
            &[
                "SEARCH outbox USING INTEGER PRIMARY KEY (rowid=?)",
                "LIST SUBQUERY 1",
                "SEARCH outbox USING INDEX outbox_due (channel=? AND severity=? AND next_tick<?)",
            ],
        ),
        // As the triggers that take alerts back have it, which name no index.
        (
            "SELECT o.notification_id FROM outbox o CROSS JOIN alert_events a ON a.notification_id = o.notification_id
             WHERE o.resource_id = ?1 AND a.version < ?2",
            2,
            &[
                "SEARCH o USING COVERING INDEX outbox_by_resource (resource_id=?)",
                "SEARCH a USING COVERING INDEX alert_events_by_notification (notification_id=?)",
            ],
        ),
        (outbox::NEXT, 2, &["SEARCH outbox USING INDEX outbox_due (channel=? AND severity=?)"]),
    ] {
        let mut statement = house.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        assert_eq!(statement.parameter_count(), parameters);
        let values = rusqlite::params_from_iter(std::iter::repeat_n(0, parameters));
        let found = statement.query_map(values, |row| row.get::<_, String>("detail")).unwrap();
        assert_eq!(found.collect::<Result<Vec<_>, _>>().unwrap(), steps, "{sql}");
    }
}

#[test]
fn with_nothing_due_a_pass_reads_nothing_however_many_there_are() {
    let mut house = House::new(plan(""));
    house.connection.execute_batch("BEGIN").unwrap();
    for number in 0..5000 {
        house.watch(&format!("mc-{number}"), 1, END + number * 1000);
    }
    assert_eq!(house.pass(time(END - 100 * DAY)).looked, 5000);
    for sql in [rows::DUE, rows::STALE] {
        let mut statement = house.connection.prepare(sql).unwrap();
        let now = time(END - 99 * DAY).to_string();
        let found =
            if sql == rows::DUE { statement.query(params![now, 500]) } else { statement.query(params![1, 500]) };
        assert!(found.unwrap().next().unwrap().is_none());
        assert_eq!(statement.get_status(rusqlite::StatementStatus::FullscanStep), 0);
        assert!(statement.get_status(rusqlite::StatementStatus::VmStep) < 40, "{sql}");
    }
}
