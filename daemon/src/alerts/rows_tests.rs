//! The life of certificates through the tables.

use std::collections::BTreeMap;

use countersign_shared::time::{Span, Timestamp};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use super::backoff;
use super::backoff::Refusal;
use super::outbox::{self, Failed};
use super::pass::{Alert, State};
use super::pass_tests::{END, time};
use super::plan::{AlertPlan, Target};
use super::plan_tests::{MATRIX, plan, renewal_policy};
use super::rows::{self, Watched};
use super::stage::{DAY, Stage};
use super::step::{Care, Desk, Moment, Rules, SET_ASIDE, Step, step};
use crate::policy::{Channel, RenewalPolicy, Severity};
use crate::store::migrations;
use crate::store::rows::notifications::{self, NewMessage};

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
    fn apart<T>(
        &mut self,
        steps: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Result<T, String>> {
        self.connection.execute_batch("SAVEPOINT apart")?;
        let done = steps(self);
        let undo = if done.is_err() { "ROLLBACK TO apart; " } else { "" };
        self.connection.execute_batch(&format!("{undo}RELEASE apart"))?;
        Ok(done.map_err(|error| error.to_string()))
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
            let one = step(self, Moment { now, tick: now.unix_millis(), epoch }, rules, (7, Care::Together)).unwrap();
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
                        assert!(outbox::sent(&self.connection, &claimed, time(tick), None).unwrap());
                        accepted.push(channel);
                    }
                    Err(refusal) => {
                        outbox::failed(&self.connection, &claimed, refused(refusal), tick, None).unwrap().unwrap();
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

    pub fn refuses(&self, sql: &str, why: &str) {
        let error = self.connection.execute_batch(sql).unwrap_err().to_string();
        assert!(error.contains(why), "{sql}: {error}");
    }
}

pub(super) fn refused(refusal: Refusal) -> Failed<'static> {
    Failed { refusal, why: "503", at_least: Span::from_millis(0), remaining: None, random: 7 }
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

    // The renewed one closes what was opened, and has a cycle of its own.
    house.watch("mc-1", 2, END + 365 * DAY);
    let now = time(END + DAY);
    assert_eq!(count(&house.send(now.unix_millis(), |_| Ok(()))), BTreeMap::from([(PagerDuty, 1), (OpsGenie, 1)]));
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
        assert!(outbox::sent(&house.connection, message, time(END), None).unwrap());
    }
    assert_eq!(outbox::claim(&house.connection, Channel::Email, END, 1000).unwrap().len(), 400);
    assert_eq!(outbox::release(&house.connection).unwrap(), 700);
    let again = outbox::claim(&house.connection, Channel::Email, END, 1000).unwrap();
    assert_eq!(again.len(), 700);
    assert!(claimed[300..].iter().all(|message| again.contains(message)), "the same ids");
    assert!(claimed[..300].iter().all(|message| !again.contains(message)));
    assert!(!outbox::sent(&house.connection, &claimed[0], time(END), None).unwrap(), "it was completed once");
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
        assert!(outbox::sent(&house.connection, &under_way[0], time(END), None).unwrap());
        let refused = refused(Refusal::Transient);
        assert_eq!(outbox::failed(&house.connection, &under_way[1], refused, END, None).unwrap(), None);
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

#[test]
fn a_failure_waits_as_long_as_the_other_side_asks_and_keeps_who_is_still_to_be_reached() {
    let mut house = House::new(plan(""));
    house.watch("mc-1", 1, END);
    house.pass(time(END));
    let claim = |tick| outbox::claim(&house.connection, Channel::Email, tick, 9).unwrap();
    let first = claim(END).remove(0);
    assert_eq!((first.attempts, first.severity, first.remaining.as_deref()), (0, Severity::Critical, None));
    let hour = Span::from_millis(3_600_000);
    let failure = Failed { at_least: hour, remaining: Some(r#"["b@x"]"#), ..refused(Refusal::Transient) };
    let next = outbox::failed(&house.connection, &first, failure, END, None).unwrap();
    assert_eq!(next, Some(backoff::Retry::After(hour)));
    let at = END + 3_600_000;
    assert_eq!((claim(at - 1), outbox::next_tick(&house.connection, Channel::Email).unwrap()), (vec![], Some(at)));
    let second = claim(at).remove(0);
    assert_eq!((second.attempts, second.remaining.as_deref()), (1, Some(r#"["b@x"]"#)));
    outbox::put_off(&house.connection, &second, at + 5).unwrap();
    assert_eq!((claim(at + 4), claim(at + 5)), (vec![], vec![second.clone()]), "no attempt was made");
    assert!(outbox::skipped(&house.connection, &second, "nothing to say").unwrap());
    assert_eq!(outbox::state(&house.connection, second.notification_id).unwrap(), State::Skipped);
    assert!(!outbox::skipped(&house.connection, &second, "twice").unwrap());
    assert!(outbox::sent(&house.connection, &second, time(at), None).unwrap(), "it was under way");
    let accepted = "SELECT accepted_at FROM messages";
    let accepted = house.connection.query_row(accepted, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(accepted, time(at).to_string());
}

#[test]
fn a_row_that_cannot_be_moved_is_in_the_way_of_no_other() {
    let mut house = House::new(plan(""));
    for number in 0..5 {
        house.watch(&format!("mc-{number}"), 1, END);
    }
    // What the table would refuse again and again: the alert is there, and its notification is not.
    house
        .connection
        .execute_batch(
            "PRAGMA foreign_keys = 0;
             INSERT INTO alert_events VALUES ('mc-2', 1, 0, 'Email', 'critical', '2020-01-01T00:00:00.000Z', 77)",
        )
        .unwrap();
    let plan = house.plan.clone();
    let rules = |_: &str| Rules { alerts: &plan, renewal: None };
    let at = Moment { now: time(END), tick: END, epoch: 1 };
    house.connection.execute_batch("BEGIN").unwrap();
    assert!(step(&mut house, at, rules, (9, Care::Together)).is_err());
    house.connection.execute_batch("ROLLBACK").unwrap();
    let done = step(&mut house, at, rules, (9, Care::Apart)).unwrap();
    let aside: Vec<&str> = done.aside.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((done.looked, aside), (5, vec!["mc-2"]));
    assert_eq!(rows::next_due(&house.connection).unwrap(), Some(time(END + SET_ASIDE)));
    assert_eq!(step(&mut house, at, rules, (9, Care::Apart)).unwrap().looked, 0, "the pass ends");
}

#[test]
fn what_is_most_urgent_is_claimed_first_and_then_what_waits_longest() {
    let house = House::new(plan(""));
    let queue = |severity, tick| {
        let message = NewMessage { kind: "x", resource_id: "mc-1", severity, params: "{}", seq: 0 };
        notifications::queue(&house.connection, &message, Channel::Email, (time(END), tick)).unwrap()
    };
    let (informational, warning) = (queue(Severity::Informational, 1), queue(Severity::Warning, 2));
    let (later, critical) = (queue(Severity::Critical, 4), queue(Severity::Critical, 3));
    let ahead = queue(Severity::Critical, 50);
    assert_eq!(outbox::next_tick(&house.connection, Channel::Email).unwrap(), Some(1));
    let claim = |limit| {
        let claimed = outbox::claim(&house.connection, Channel::Email, 10, limit).unwrap();
        claimed.iter().map(|claimed| claimed.notification_id).collect::<Vec<_>>()
    };
    assert_eq!(claim(1), [critical]);
    assert_eq!(claim(2), [later, warning]);
    assert_eq!(claim(9), [informational]);
    assert_eq!(claim(9), [0; 0]);
    assert_eq!(outbox::next_tick(&house.connection, Channel::Email).unwrap(), Some(50));
    assert!(ahead > critical);
}

#[test]
fn what_is_held_back_is_let_go_in_parts_and_what_has_failed_waits() {
    let mut house = House::new(plan(""));
    for id in ["mc-1", "mc-2", "mc-3", "mc-4"] {
        house.watch(id, 1, END);
    }
    house.pass(time(END));
    let (connection, later) = (&house.connection, END + 3_600_000);
    let claim = |tick| outbox::claim(connection, Channel::Email, tick, 9).unwrap();
    let claimed = claim(END);
    assert_eq!(claimed.len(), 4);
    outbox::failed(connection, &claimed[0], refused(Refusal::Transient), END, None).unwrap();
    claimed[1..].iter().for_each(|held| outbox::put_off(connection, held, later).unwrap());
    let holds = || outbox::holds(connection, Channel::Email, END).unwrap();
    let let_go = || outbox::hold_no_more(connection, Channel::Email, END, 2).unwrap();
    assert_eq!((holds(), let_go(), holds(), let_go(), holds(), let_go()), (true, 2, true, 1, false, 0));
    let free: Vec<i64> = claim(END).iter().map(|one| one.notification_id).collect();
    assert_eq!(free.len(), 3);
    assert!(!free.contains(&claimed[0].notification_id), "an attempt was made for it");
}

#[test]
fn what_died_for_some_is_raised_again_for_them_alone() {
    let mut house = House::new(plan(""));
    house.watch("mc-1", 1, END);
    house.pass(time(END));
    let claim = |house: &House, tick| outbox::claim(&house.connection, Channel::Email, tick, 9).unwrap().remove(0);
    let claimed = claim(&house, END);
    assert_eq!(claimed.remaining, None);
    let failed = Failed { remaining: Some("[\"gone@x\"]"), ..refused(Refusal::Permanent) };
    outbox::failed(&house.connection, &claimed, failed, END, None).unwrap();
    assert_eq!(house.alerts("mc-1", 1)[0].2, State::Dead);
    assert!(outbox::requeue(&house.connection, claimed.notification_id, END + 1).unwrap());
    let again = claim(&house, END + 1);
    assert_eq!((again.notification_id, again.remaining.as_deref()), (claimed.notification_id, Some("[\"gone@x\"]")));
    // Nobody was reached this time: it is meant for the same ones still.
    outbox::failed(&house.connection, &again, refused(Refusal::Permanent), END + 1, None).unwrap();
    house.watch("mc-2", 1, END);
    assert!(outbox::requeue(&house.connection, claimed.notification_id, END + 2).unwrap());
    assert_eq!(claim(&house, END + 2).remaining.as_deref(), Some("[\"gone@x\"]"));
}
