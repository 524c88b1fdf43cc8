//! The tables: what they refuse, by which index they are read, and the life of one certificate through them.

use std::collections::BTreeMap;

use countersign_shared::time::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::backoff;
use super::backoff::Refusal;
use super::outbox;
use super::pass::{Alert, State};
use super::pass_tests::{END, time};
use super::plan::{AlertPlan, Target};
use super::plan_tests::{MATRIX, plan, renewal_policy};
use super::rows::{self, Watched};
use super::stage::{DAY, Stage};
use super::step::{Desk, Moment, Rules, Step, step};
use crate::policy::{Channel, RenewalPolicy, Severity};
use crate::store::migrations;

/// A database in memory with the proposed tables, and one plan for all profiles.
pub(super) struct House {
    pub connection: Connection,
    pub plan: AlertPlan,
    pub renewal: Option<RenewalPolicy>,
    pub epoch: u64,
    pub skipped: Vec<(String, Alert)>,
}

impl Desk for House {
    type Error = rusqlite::Error;
    fn connection(&self) -> &Connection {
        &self.connection
    }
    fn skipped(&mut self, watched: &Watched, alert: &Alert) -> rusqlite::Result<u64> {
        self.skipped.push((watched.certificate_id.clone(), alert.clone()));
        Ok(0)
    }
}

impl House {
    pub fn new(plan: AlertPlan) -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut connection, migrations::newest()).unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).unwrap();
        connection.execute_batch("PRAGMA recursive_triggers = 1; PRAGMA trusted_schema = 0").unwrap();
        connection
            .execute_batch(
                "INSERT INTO audit_events VALUES (0, 'e', '', 'a', 'System', 'x', 'config', 't', 'i', '{}', x'7b7d')",
            )
            .unwrap();
        Self { connection, plan, renewal: None, epoch: 1, skipped: Vec::new() }
    }

    /// Watches a certificate as an import would, without a version row.
    pub fn watch(&self, id: &str, version: u64, not_after: i64) {
        self.connection
            .execute(
                "INSERT OR IGNORE INTO certificates (id, profile_id, environment, primary_name, owner_uid, owner_account,
                     created_at) VALUES (?1, 'p', 'e', ?1, 1, 'a', '')",
                [id],
            )
            .unwrap();
        self.connection
            .execute(
                "INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, epoch, seq)
                 VALUES (?1, ?2, ?3, ?4, 0, 0) ON CONFLICT (certificate_id) DO UPDATE SET version = ?2, not_before = ?3,
                     not_after = ?4, due_at = NULL, epoch = 0",
                params![id, version, time(not_after - 365 * DAY).to_string(), time(not_after).to_string()],
            )
            .unwrap();
    }

    pub fn pass(&mut self, now: Timestamp) -> Step {
        let (plan, renewal, epoch) = (self.plan.clone(), self.renewal.clone(), self.epoch);
        let rules = |_: &str| Rules { alerts: &plan, renewal: renewal.as_ref() };
        let mut sum = Step::default();
        loop {
            let one = step(self, Moment { now, tick: now.unix_millis(), epoch }, rules, 7).unwrap();
            sum.raised += one.raised;
            sum.skipped += one.skipped;
            sum.looked += one.looked;
            if one.looked == 0 {
                return sum;
            }
            assert!(sum.looked < 100_000, "a pass ends");
        }
    }

    /// Sends what is due; `accept` says what the other side does. Gives what was accepted.
    pub fn send(&self, tick: i64, mut accept: impl FnMut(Channel) -> Result<(), Refusal>) -> Vec<Channel> {
        let mut accepted = Vec::new();
        for channel in Channel::ALL {
            for claimed in outbox::claim(&self.connection, channel, tick, 100).unwrap() {
                match accept(channel) {
                    Ok(()) => {
                        assert!(outbox::sent(&self.connection, &claimed, 0).unwrap());
                        accepted.push(channel);
                    }
                    Err(refusal) => {
                        let why = (refusal, "503");
                        outbox::failed(&self.connection, &claimed, why, tick, 7, 0).unwrap().unwrap();
                    }
                }
            }
        }
        accepted
    }

    /// Every alert of a version: stage, target, state.
    pub fn alerts(&self, id: &str, version: u64) -> Vec<(Stage, Target, State)> {
        let mut statement = self
            .connection
            .prepare(
                "SELECT a.days, a.target, n.state FROM alert_events a JOIN notification_events n
                 ON n.id = a.notification_id WHERE a.certificate_id = ?1 AND a.version = ?2",
            )
            .unwrap();
        let rows = statement
            .query_map(params![id, version], |row| {
                let (target, state): (String, String) = (row.get(1)?, row.get(2)?);
                Ok((Stage::new(row.get(0)?), target.parse().unwrap(), state.parse().unwrap()))
            })
            .unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn refuses(&self, sql: &str, why: &str) {
        let error = self.connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    }
}

fn count(sent: &[Channel]) -> BTreeMap<Channel, usize> {
    sent.iter().fold(BTreeMap::new(), |mut counts, channel| {
        *counts.entry(*channel).or_default() += 1;
        counts
    })
}

#[test]
fn the_matrix_of_the_issue_as_time_passes() {
    use Channel::{Email, OpsGenie, PagerDuty, Slack};
    let mut house = House::new(plan(MATRIX));
    house.watch("mc-1", 1, END);
    let mut sent = Vec::new();
    for hours in (-12..=40 * 24).rev() {
        let now = time(END - hours * DAY / 24);
        house.pass(now);
        sent.extend(house.send(now.unix_millis(), |_| Ok(())));
        assert_eq!(house.pass(now).looked, 0, "a second pass has nothing to do");
        assert_eq!(house.send(now.unix_millis(), |_| Ok(())), []);
    }
    assert_eq!(count(&sent), BTreeMap::from([(Slack, 3), (Email, 3), (PagerDuty, 1), (OpsGenie, 1)]));

    // The renewed one has a cycle of its own.
    house.watch("mc-1", 2, END + 365 * DAY);
    let now = time(END + DAY);
    assert_eq!((house.pass(now).raised, house.alerts("mc-1", 2)), (0, vec![]));
    assert_eq!(rows::next_due(&house.connection).unwrap(), Some(time(END + 335 * DAY)));
    house.pass(time(END + 335 * DAY));
    assert_eq!(count(&house.send(END + 335 * DAY, |_| Ok(()))), BTreeMap::from([(Slack, 1)]));
}

#[test]
fn a_channel_that_fails_stops_no_other_and_is_delivered_later_or_raised_again() {
    let mut house = House::new(plan(MATRIX));
    house.watch("mc-1", 1, END);
    house.pass(time(END));
    let down = |channel| if channel == Channel::PagerDuty { Err(Refusal::Transient) } else { Ok(()) };
    assert_eq!(house.send(END, down), [Channel::Email, Channel::OpsGenie]);
    let next = outbox::next_tick(&house.connection, Channel::PagerDuty).unwrap().unwrap();
    assert!((END + 60_000..=END + 120_000).contains(&next), "{next}");
    assert_eq!(house.send(next - 1, |_| Ok(())), []);
    assert_eq!(house.send(next, |_| Ok(())), [Channel::PagerDuty]);

    // Five failures: dead, a day later raised again under the same id.
    house.watch("mc-2", 1, END);
    house.pass(time(END + 1));
    let mut tick = END + 1;
    let mut attempts = 0;
    while let Some(next) = outbox::next_tick(&house.connection, Channel::PagerDuty).unwrap() {
        tick = tick.max(next);
        house.send(tick, down);
        attempts += 1;
    }
    assert_eq!(attempts, backoff::MAX_ATTEMPTS);
    assert!((15..=31).contains(&((tick - END) / 60_000)), "half an hour at most");
    let dead = |house: &House| {
        let sql = "SELECT count(*), max(id) FROM notification_events WHERE state = 'dead'";
        house.connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))).unwrap()
    };
    let (1, Some(id)) = dead(&house) else { panic!("one is dead") };
    assert!(outbox::requeue(&house.connection, id, tick).unwrap());
    assert!(!outbox::requeue(&house.connection, id, tick).unwrap(), "once");
    assert_eq!(house.send(tick, |_| Err(Refusal::Permanent)), []);
    assert_eq!(dead(&house), (1, Some(id)), "a permanent refusal is not tried again");
}

#[test]
fn what_was_claimed_before_a_crash_is_sent_again_under_its_id() {
    let mut house = House::new(plan(""));
    for number in 0..1000 {
        house.watch(&format!("mc-{number}"), 1, END);
    }
    house.pass(time(END - DAY));
    let claimed = outbox::claim(&house.connection, Channel::Email, END, 600).unwrap();
    for message in &claimed[..300] {
        assert!(outbox::sent(&house.connection, message, 0).unwrap());
    }
    assert_eq!(outbox::claim(&house.connection, Channel::Email, END, 1000).unwrap().len(), 400);
    assert_eq!(outbox::release(&house.connection).unwrap(), 700);
    let again = outbox::claim(&house.connection, Channel::Email, END, 1000).unwrap();
    assert_eq!(again.len(), 700);
    assert!(claimed[300..].iter().all(|message| again.contains(message)), "the same ids");
    assert!(claimed[..300].iter().all(|message| !again.contains(message)));
    assert!(!outbox::sent(&house.connection, &claimed[0], 0).unwrap(), "it was completed once");
}

#[test]
fn what_was_dealt_with_or_renewed_is_told_of_no_more_and_what_was_under_way_is_told_as_it_went() {
    for renewed in [false, true] {
        let mut house = House::new(plan(MATRIX));
        house.watch("mc-1", 1, END);
        house.watch("mc-2", 1, END);
        house.pass(time(END - 6 * DAY));
        let under_way = outbox::claim(&house.connection, Channel::Email, END, 10).unwrap();
        if renewed {
            house.watch("mc-1", 2, END + 365 * DAY);
            house.watch("mc-2", 2, END + 365 * DAY);
        } else {
            rows::dealt_with(&house.connection, "mc-1").unwrap();
            rows::dealt_with(&house.connection, "mc-2").unwrap();
        }
        assert_eq!(house.send(END, |_| Ok(())), []);
        assert_eq!(house.pass(time(END)).raised, 0);
        assert!(outbox::sent(&house.connection, &under_way[0], 0).unwrap());
        let refused = (Refusal::Transient, "503");
        assert_eq!(outbox::failed(&house.connection, &under_way[1], refused, END, 7, 0).unwrap(), None);
        let states = |id| house.alerts(id, 1).into_iter().map(|(.., state)| state).collect::<Vec<_>>();
        assert_eq!(states("mc-1"), [State::Sent, State::Skipped], "renewed: {renewed}");
        assert_eq!(states("mc-2"), [State::Skipped, State::Skipped], "renewed: {renewed}");
    }
}

#[test]
fn another_policy_and_an_earlier_time_plan_everything_anew() {
    let mut house = House::new(plan("alert_thresholds_days = [7]"));
    house.watch("mc-1", 1, END);
    house.pass(time(END - 100 * DAY));
    assert_eq!(rows::next_due(&house.connection).unwrap(), Some(time(END - 7 * DAY)));
    house.plan = plan("alert_thresholds_days = [90, 7]\nalert_channels = { informational = [\"Pigeon\"] }");
    house.epoch = 2;
    assert_eq!(house.pass(time(END - 99 * DAY)).looked, 1);
    assert_eq!(rows::next_due(&house.connection).unwrap(), Some(time(END - 90 * DAY)));
    assert_eq!(house.pass(time(END - 90 * DAY)).skipped, 2);
    let actions: Vec<_> = house.skipped.iter().map(|(_, alert)| alert.target.skipped().unwrap()).collect();
    assert_eq!(actions, ["expiration_alert_skipped_no_channels", "expiration_alert_skipped_invalid_channel"]);
    house.epoch = 3;
    assert_eq!(house.pass(time(END - 89 * DAY)).skipped, 0, "recorded once");
}

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
        ("UPDATE outbox SET attempts = 5", "CHECK"),
        (
            "INSERT INTO outbox SELECT id, channel, resource_id, 0, 0, NULL FROM notification_events WHERE state = 'sent'",
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
                "SEARCH c USING INDEX sqlite_autoindex_certificates_1 (id=?)",
            ][..],
        ),
        (
            rows::STALE,
            2,
            &[
                "SEARCH w USING INDEX expiry_watch_stale (epoch<?)",
                "SEARCH c USING INDEX sqlite_autoindex_certificates_1 (id=?)",
            ],
        ),
        (
            rows::RENEW,
            2,
            &[
                "SEARCH w USING INDEX expiry_watch_renew (renew_at<?)",
                "SEARCH c USING INDEX sqlite_autoindex_certificates_1 (id=?)",
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
            3,
            &[
                "SEARCH outbox USING INTEGER PRIMARY KEY (rowid=?)",
                "LIST SUBQUERY 1",
                "SEARCH outbox USING INDEX outbox_due (channel=? AND next_tick<?)",
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
        (outbox::NEXT, 1, &["SEARCH outbox USING INDEX outbox_due (channel=?)"]),
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

#[test]
fn renewals_are_found_when_they_begin_and_planned_anew_with_the_policy() {
    let mut house = House::new(plan(""));
    house.renewal = Some(renewal_policy("renewal_window_days = 20"));
    house.watch("mc-1", 1, END);
    house.watch("mc-2", 1, END + DAY);
    let due = |house: &House, days: i64| {
        let found = rows::to_renew(&house.connection, time(END - days * DAY), 10).unwrap();
        found.into_iter().map(|watched| watched.certificate_id).collect::<Vec<String>>()
    };
    assert_eq!(house.pass(time(END - 100 * DAY)).looked, 2);
    assert_eq!(due(&house, 21), Vec::<String>::new());
    assert_eq!(due(&house, 20), ["mc-1"]);
    // A retry that was planned is not moved by a look at alerts.
    rows::plan_renewal(&house.connection, "mc-1", Some(time(END - 5 * DAY))).unwrap();
    house.pass(time(END - 13 * DAY));
    assert_eq!(due(&house, 6), ["mc-2"]);
    assert_eq!(due(&house, 5), ["mc-2", "mc-1"]);
    house.renewal = Some(renewal_policy("auto_renew = false"));
    house.epoch = 2;
    house.pass(time(END - 4 * DAY));
    assert_eq!(due(&house, 0), Vec::<String>::new());
}

#[test]
fn severities_are_kept_with_the_alert() {
    let mut house = House::new(plan(MATRIX));
    house.watch("mc-1", 1, END);
    house.pass(time(END - 20 * DAY));
    let severity: String =
        house.connection.query_row("SELECT severity FROM alert_events", [], |row| row.get(0)).unwrap();
    assert_eq!(severity.parse(), Ok(Severity::Informational));
}
