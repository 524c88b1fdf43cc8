//! One look: tables of what is due, and what is not; renewals; the matrix without sending.

use countersign_shared::time::Timestamp;

use super::matrix::{Outlook, Reach, matrix};
use super::pass::{Past, State, look};
use super::plan::{AlertPlan, Target};
use super::plan_tests::{MATRIX, plan, renewal_policy};
use super::renewal::{Efforts, Renewal, Validity, begins, renewal};
use super::stage::{DAY, Stage};
use crate::policy::Channel;

pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis).unwrap()
}

/// The end of the certificate in these tests.
pub(super) const END: i64 = 1_800_000_000_000;

/// `days` before the end.
fn left(days: f64) -> Timestamp {
    time(END - (days * DAY as f64) as i64)
}

fn past(days: i32, channel: Channel, state: State) -> Past {
    let stage = Stage::new(days);
    let raised_at = time(stage.crossed_at(time(END)));
    Past { stage, target: Target::Channel(channel), state, raised_at }
}

fn due(plan: &AlertPlan, past: &[Past], now: Timestamp) -> Vec<String> {
    let pass = look(plan, time(END), past, now);
    assert!(pass.next.is_none_or(|next| next > now), "{pass:?}");
    let again = |again| if again { " again" } else { "" };
    pass.due.iter().map(|due| format!("{} {}{}", due.stage.days(), due.target, again(due.again))).collect()
}

#[test]
fn only_the_tightest_threshold_that_is_crossed_is_raised() {
    let of = plan("");
    for (days, expected) in [
        (400.0, ""),
        (30.000_001, ""),
        (30.0, "30 Email"),
        (29.0, "30 Email"),
        (14.0, "14 Email"),
        (5.0, "7 Email"),
        (0.000_001, "7 Email"),
        (0.0, "0 Email"),
        (-0.999, "0 Email"),
        (-1.0, "-1 Email"),
        (-5.5, "-5 Email"),
        (-4000.0, "-4000 Email"),
    ] {
        assert_eq!(due(&of, &[], left(days)).join(", "), expected, "{days} days left");
    }
}

#[test]
fn thresholds_beyond_the_renewal_window_go_off_at_their_time() {
    let of = plan("renewal_window_days = 5\nalert_thresholds_days = [365, 90]");
    assert_eq!(due(&of, &[], left(200.0)), ["365 Email"]);
    let next = look(&of, time(END), &[past(365, Channel::Email, State::Sent)], left(200.0)).next;
    assert_eq!(next, Some(left(90.0)));
}

#[test]
fn what_was_told_is_not_told_again_and_what_died_is_a_day_later() {
    let of = plan("alert_thresholds_days = [7]\nalert_severity_map = { \"0\" = \"critical\" }");
    for (state, days, expected, next) in [
        (State::Sent, 6.5, "", -1.0),
        (State::Skipped, 6.5, "", -1.0),
        // Looked at again in a day, since it may have died by then.
        (State::Queued, 6.5, "", 5.5),
        (State::Failed, 6.5, "", 5.5),
        (State::Dead, 6.5, "", 6.0),
        (State::Dead, 6.0, "7 Email again", 5.0),
        (State::Dead, 3.0, "7 Email again", 2.0),
        // A clock that was set back: the day counts from now.
        (State::Dead, 7.0, "", 6.0),
    ] {
        let before = [past(7, Channel::Email, state)];
        assert_eq!(due(&of, &before, left(days)).join(", "), expected, "{state:?} at {days}");
        assert_eq!(look(&of, time(END), &before, left(days)).next, Some(left(next)), "{state:?} at {days}");
    }
}

#[test]
fn a_failure_on_one_channel_is_nothing_to_the_others() {
    let of = plan(MATRIX);
    let before = [past(0, Channel::PagerDuty, State::Dead), past(0, Channel::Email, State::Sent)];
    assert_eq!(due(&of, &before, left(-0.5)), ["0 OpsGenie"]);
}

#[test]
fn an_expired_certificate_alerts_daily_also_where_no_threshold_says_so() {
    for lines in ["", "alert_thresholds_days = []", "alert_thresholds_days = [30]"] {
        let of = plan(lines);
        assert_eq!(due(&of, &[past(0, Channel::Email, State::Sent)], left(-3.2)), ["-3 Email"], "{lines}");
        let told = [past(-3, Channel::Email, State::Sent)];
        let pass = look(&of, time(END), &told, left(-3.2));
        assert_eq!((pass.due.len(), pass.next), (0, Some(left(-4.0))), "{lines}");
    }
}

#[test]
fn what_goes_to_nobody_is_raised_once_and_somebody_who_is_named_later_is_told() {
    let opted_out = plan("alert_channels = { informational = [] }");
    let recorded = Past { target: Target::Nobody, ..past(30, Channel::Email, State::Skipped) };
    assert_eq!(due(&opted_out, &[], left(20.0)), ["30 nobody"]);
    assert_eq!(due(&opted_out, std::slice::from_ref(&recorded), left(20.0)), Vec::<String>::new());
    assert_eq!(due(&plan(""), &[recorded], left(20.0)), ["30 Email"]);
}

#[test]
fn a_policy_that_lost_its_tighter_thresholds_does_not_step_back() {
    let of = plan("alert_thresholds_days = [30]");
    let crossed = past(7, Channel::Email, State::Sent);
    assert_eq!(due(&of, std::slice::from_ref(&crossed), left(5.0)), Vec::<String>::new());
    // What a clock that ran ahead told is no reason to be silent at the time.
    assert_eq!(due(&of, &[crossed], left(20.0)), ["30 Email"]);
}

#[test]
fn a_tighter_alert_takes_the_place_of_an_open_one_on_the_same_channel() {
    let of = plan(MATRIX);
    let before = [
        past(7, Channel::Slack, State::Failed),
        past(7, Channel::Email, State::Queued),
        past(14, Channel::Email, State::Sent),
        past(30, Channel::Slack, State::Dead),
    ];
    let pass = look(&of, time(END), &before, left(0.0));
    assert_eq!(pass.due.len(), 3);
    assert_eq!(pass.overtaken, [(Stage::new(7), Target::Channel(Channel::Email))], "Slack has no tighter one");
    assert_eq!(look(&of, time(END), &before, left(6.0)).overtaken, []);
}

#[test]
fn the_ends_of_time_are_survived() {
    let last = time(253_402_300_799_999);
    for now in [Timestamp::EPOCH, time(-62_167_219_200_000), last] {
        for not_after in [Timestamp::EPOCH, time(-62_167_219_200_000), last] {
            let pass = look(&plan(""), not_after, &[], now);
            assert!(pass.next.is_none_or(|next| next > now));
            matrix(&plan(""), not_after, &[], now, |_| Reach::NotConfigured);
        }
    }
    assert_eq!(look(&plan(""), last, &[], last).next, time(253_402_300_799_999).into_next());
}

/// A look at the last moment has no next one.
trait IntoNext {
    fn into_next(self) -> Option<Timestamp>;
}

impl IntoNext for Timestamp {
    fn into_next(self) -> Option<Timestamp> {
        Self::from_unix_millis(self.unix_millis() + DAY)
    }
}

#[test]
fn the_matrix_says_what_a_pass_does() {
    let of = plan(MATRIX);
    let before = [past(30, Channel::Slack, State::Sent), past(7, Channel::Slack, State::Dead)];
    let reach = |channel| match channel {
        Channel::Email => Reach::To(vec!["ops@corp.example".into()]),
        _ => Reach::NotConfigured,
    };
    let cells = matrix(&of, time(END), &before, left(6.9), reach);
    let row = |cell: &super::matrix::Cell| {
        format!("{} {} {} {:?}", cell.stage.days(), cell.severity.as_str(), cell.target, cell.outlook)
    };
    assert_eq!(
        cells.iter().map(row).collect::<Vec<_>>(),
        [
            "30 informational Slack Raised(Sent)",
            "14 warning Slack Passed",
            "14 warning Email Passed",
            "7 warning Slack Raised(Dead)",
            "7 warning Email Due",
            "0 critical PagerDuty Ahead",
            "0 critical OpsGenie Ahead",
            "0 critical Email Ahead",
            "-1 critical PagerDuty Ahead",
            "-1 critical OpsGenie Ahead",
            "-1 critical Email Ahead",
        ]
    );
    assert_eq!(cells[4].reach, Some(Reach::To(vec!["ops@corp.example".into()])));
    assert_eq!((cells[5].reach.as_ref(), cells[5].at), (Some(&Reach::NotConfigured), left(0.0)));
    let expired = matrix(&of, time(END), &[], left(-9.5), reach);
    assert_eq!(row(&expired[8]), "-9 critical PagerDuty Due");
    assert!(expired[..8].iter().all(|cell| cell.outlook == Outlook::Passed));
}

#[test]
fn renewal_begins_in_its_window_and_never_at_once_after_issue() {
    let policy = renewal_policy("renewal_window_days = 30");
    for (lifetime, before_end) in [(365, 30.0), (90, 30.0), (34, 30.0), (33, 11.0), (30, 10.0), (7, 7.0 / 3.0)] {
        let validity = Validity { not_before: left(f64::from(lifetime)), not_after: time(END) };
        let expected = END - (before_end * DAY as f64) as i64;
        assert!((begins(&policy, validity) - expected).abs() <= 1, "{lifetime} days");
    }
}

#[test]
fn a_renewal_is_asked_for_once_retried_as_the_policy_says_and_left_to_people_after_a_no() {
    let policy = renewal_policy("max_retries = 2\nretry_interval_seconds = 3600");
    let validity = Validity { not_before: left(365.0), not_after: time(END) };
    let hour = 1.0 / 24.0;
    let failed = |failures, days| Efforts { failures, failed_at: Some(left(days)), ..Efforts::default() };
    for (what, efforts, days, expected) in [
        ("ahead", Efforts::default(), 31.0, Renewal::At(left(30.0))),
        ("in the window", Efforts::default(), 30.0, Renewal::Now),
        ("after days of downtime", Efforts::default(), 2.0, Renewal::Now),
        ("after the end", Efforts::default(), -9.0, Renewal::Now),
        ("never two", Efforts { open: true, ..failed(1, 29.0) }, 20.0, Renewal::UnderWay),
        ("rejected", Efforts { refused: true, ..Efforts::default() }, 20.0, Renewal::Refused),
        ("failed just now", failed(1, 29.0), 29.0, Renewal::At(left(29.0 - hour))),
        ("failed an hour ago", failed(2, 29.0), 29.0 - hour, Renewal::Now),
        ("failed for the last time", failed(3, 29.0), 20.0, Renewal::Exhausted),
        ("failed by a clock that was wrong", failed(1, 10.0), 20.0, Renewal::Now),
        (
            "failed by a clock that was a little ahead",
            failed(1, 20.0 - hour / 2.0),
            20.0,
            Renewal::At(left(20.0 - 1.5 * hour)),
        ),
        ("failed before the window", failed(1, 90.0), 40.0, Renewal::At(left(30.0))),
    ] {
        assert_eq!(renewal(&policy, validity, efforts, left(days)), expected, "{what}");
    }
    let by_hand = renewal_policy("auto_renew = false");
    assert_eq!(renewal(&by_hand, validity, Efforts::default(), left(3.0)), Renewal::ByHand);
    let once = renewal_policy("max_retries = 0");
    assert_eq!(renewal(&once, validity, failed(1, 29.0), left(3.0)), Renewal::Exhausted);
}
