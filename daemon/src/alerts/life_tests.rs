//! Whatever happens between passes, on the real tables: at most one alert for each stage and channel, none missed, no burst.

use proptest::prelude::*;

use super::backoff::Refusal;
use super::outbox;
use super::pass::{Past, State, look, tightest};
use super::pass_tests::{END, time};
use super::plan::{AlertPlan, Target};
use super::plan_tests::plan;
use super::rows_tests::House;
use super::stage::{DAY, Stage};
use crate::policy::Channel;

const HOUR: i64 = 3_600_000;

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, with nobody looking: downtime.
    Hours(i64),
    /// A pass.
    Pass,
    /// What is due is sent; a bit for each channel says whether the other side accepts.
    Send(u16),
    /// A process that dies after it claimed everything, before or after the other side accepted.
    Crash,
    /// Somebody sets another policy in force.
    Policy(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..60_i64).prop_map(Event::Hours),
        1 => (60..500_i64).prop_map(Event::Hours),
        5 => Just(Event::Pass),
        4 => any::<u16>().prop_map(Event::Send),
        1 => Just(Event::Crash),
        1 => (0..3_usize).prop_map(Event::Policy),
    ];
    proptest::collection::vec(event, 1..60)
}

fn plans() -> [AlertPlan; 3] {
    [
        plan(super::plan_tests::MATRIX),
        plan("alert_thresholds_days = [60, 10, 9, 1]\nalert_channels = { critical = [\"Wall\", \"Slack\"] }"),
        plan("alert_thresholds_days = []\nalert_channels = { critical = [\"Email\", \"Pigeon\"] }"),
    ]
}

/// Runs what happened; gives the house and the time at the end. Each pass raises one alert a channel at most.
fn live(events: &[Event], start: i64) -> (House, i64) {
    let (mut house, mut now) = (House::new(plans()[0].clone()), start);
    house.watch("mc-1", 1, END);
    for event in events {
        match event {
            Event::Hours(hours) => now += hours * HOUR,
            Event::Pass => {
                let before = house.alerts("mc-1", 1).len();
                let pass = house.pass(time(now));
                assert!(pass.raised <= 3 && pass.skipped <= 2, "no burst: {pass:?}");
                assert!(house.alerts("mc-1", 1).len() <= before + pass.raised + pass.skipped);
                assert_eq!(house.pass(time(now)).looked, 0, "a second pass has nothing to do");
            }
            Event::Send(accepts) => {
                let answer = |channel| match accepts >> (channel as u16) & 1 {
                    0 if channel == Channel::Wall => Err(Refusal::Permanent),
                    0 => Err(Refusal::Transient),
                    _ => Ok(()),
                };
                house.send(now, answer);
            }
            Event::Crash => {
                for channel in Channel::ALL {
                    outbox::claim(&house.connection, channel, now, 100).unwrap();
                }
                outbox::release(&house.connection).unwrap();
            }
            Event::Policy(number) => {
                house.plan = plans()[*number].clone();
                house.epoch += 1;
            }
        }
    }
    (house, now)
}

fn tightest_of(alerts: &[(Stage, Target, State)], target: &Target) -> Stage {
    alerts.iter().filter(|(_, of, _)| of == target).map(|(stage, ..)| *stage).min().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_raised_is_told_once_or_overtaken_and_the_last_word_always_arrives(
        events in events(), days_left in -3_i64..80,
    ) {
        let (mut house, mut now) = live(&events, END - days_left * DAY);
        // From here the other sides accept, and the daemon runs.
        house.pass(time(now));
        house.send(now + HOUR, |_| Ok(()));
        let alerts = house.alerts("mc-1", 1);
        prop_assert!(alerts.iter().all(|(_, _, state)| !state.is_open()));
        now += DAY + HOUR;
        house.pass(time(now));
        house.send(now + HOUR, |_| Ok(()));
        let alerts = house.alerts("mc-1", 1);
        for (stage, target, state) in &alerts {
            match (target, state) {
                (Target::Channel(_), State::Sent) | (Target::Unknown(_) | Target::Nobody, State::Skipped) => {}
                // Overtaken, or dead when a tighter one was crossed: never the last word on its channel.
                (Target::Channel(_), State::Skipped) => {
                    prop_assert!(tightest_of(&alerts, target) < *stage, "{:?}", alerts);
                }
                (Target::Channel(_), State::Dead) => {
                    let current = tightest(&house.plan, time(END), time(now)).unwrap();
                    let asked = house.plan.targets(house.plan.severity(current)).contains(target);
                    prop_assert!(current != *stage || !asked, "{:?}", alerts);
                }
                (_, state) => prop_assert!(false, "{:?} stays {:?}", target, state),
            }
        }
        if let Some(current) = tightest(&house.plan, time(END), time(now)) {
            for target in house.plan.targets(house.plan.severity(current)) {
                let told = |state: &State| matches!((target, state), (Target::Channel(_), State::Sent)
                    | (Target::Unknown(_) | Target::Nobody, State::Skipped));
                let found = alerts.iter().any(|(stage, of, state)| *stage <= current && of == target && told(state));
                prop_assert!(found, "{:?} at {:?} is not told: {:?}", target, current, alerts);
            }
        }
        let distinct: i64 = house.connection.query_row(
            "SELECT count(DISTINCT version || ' ' || days || ' ' || target) - count(*) FROM alert_events", [],
            |row| row.get(0),
        ).unwrap();
        prop_assert_eq!(distinct, 0);
    }

    /// A daemon that runs by its deadlines alone, with other sides that refuse now and then: every threshold, once.
    #[test]
    fn by_its_deadlines_every_threshold_is_delivered_once_on_each_channel(
        thresholds in proptest::collection::btree_set(0_u32..=365, 0..6), refusals in proptest::collection::vec(0..5_u32, 40),
        which in 0..2_usize,
    ) {
        let channels = ["", super::plan_tests::MATRIX][which];
        let list: Vec<u32> = thresholds.iter().copied().collect();
        let mut house = House::new(plan(&format!("alert_thresholds_days = {list:?}\n{channels}")));
        house.watch("mc-1", 1, END);
        let (mut now, mut refusals) = (END - 366 * DAY, refusals.into_iter().cycle());
        let mut left = 0;
        while now < END + 3 * DAY {
            house.pass(time(now));
            let mut next = rows_next(&house);
            for channel in Channel::ALL {
                if let Some(tick) = outbox::next_tick(&house.connection, channel).unwrap() {
                    next = next.min(tick.max(now));
                }
            }
            // Between one and four refusals, never five: the last attempt is accepted.
            house.send(now, |_| {
                if left == 0 {
                    left = refusals.next().unwrap_or(0);
                    return Ok(());
                }
                left = 0;
                Err(Refusal::Transient)
            });
            now = next.max(now + 1);
        }
        house.send(END + 4 * DAY, |_| Ok(()));
        let alerts = house.alerts("mc-1", 1);
        let stages = thresholds.iter().map(|days| Stage::new(*days as i32)).chain([Stage::new(-1), Stage::new(-2)]);
        let mut expected = 0;
        for stage in stages {
            for target in house.plan.targets(house.plan.severity(stage)) {
                expected += 1;
                let of: Vec<_> = alerts.iter().filter(|(s, t, _)| *s == stage && t == target).collect();
                prop_assert!(of.len() == 1 && of[0].2 == State::Sent, "{:?} {:?}: {:?}", stage, target, of);
            }
        }
        prop_assert_eq!(alerts.iter().filter(|(stage, ..)| stage.days() > -3).count(), expected);
    }

    /// Clocks that are set wherever: nothing is raised twice, and what was not raised before is raised at its time.
    #[test]
    fn a_clock_that_jumps_makes_nothing_twice_and_nothing_missing(
        jumps in proptest::collection::vec(-80 * 24..80 * 24_i64, 0..20), settled in 1_i64..40,
    ) {
        let of = &plans()[0];
        let mut past: Vec<Past> = Vec::new();
        let at = |now: i64, past: &mut Vec<Past>| {
            let pass = look(of, time(END), past, time(now));
            for alert in pass.due {
                assert!(!past.iter().any(|past| past.stage == alert.stage && past.target == alert.target));
                let (stage, target) = (alert.stage, alert.target);
                past.push(Past { stage, target, state: State::Sent, raised_at: time(now) });
            }
            pass.next.unwrap().unix_millis()
        };
        for jump in jumps {
            at(END - jump * HOUR, &mut past);
        }
        // Set right, and planned anew.
        let mut now = END - settled * DAY;
        while now < END + 2 * DAY {
            now = at(now, &mut past);
        }
        for (stage, severity) in of.thresholds().iter().filter(|(stage, _)| i64::from(stage.days()) < settled) {
            for target in of.targets(*severity) {
                let found = past.iter().filter(|past| past.stage == *stage && past.target == *target).count();
                prop_assert_eq!(found, 1, "{:?} {:?}", stage, target);
            }
        }
    }
}

fn rows_next(house: &House) -> i64 {
    super::rows::next_due(&house.connection).unwrap().map_or(i64::MAX, |next| next.unix_millis())
}
