//! Nothing critical waits, nothing waits for ever, and clocks that jump confuse nobody.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(from: &str, to: &str, zone: &str) -> QuietHours {
    Hours { from: from.parse().unwrap(), to: to.parse().unwrap(), zone: zone.parse().unwrap() }.try_into().unwrap()
}

fn quiet(from: &str, to: &str, zone: &str) -> Pace {
    Pace { quiet_hours: Some(hours(from, to, zone)), ..Pace::default() }
}

fn rate(raw: &str) -> Pace {
    Pace { rate: Some(raw.parse().unwrap()), ..Pace::default() }
}

#[test]
fn quiet_hours_end_when_the_clock_says_so_also_where_clocks_jump() {
    let table = [
        // A night in winter (UTC+1), from both sides.
        (("22:00", "06:00", "Europe/Berlin"), "2026-01-10T20:59:59Z", None),
        (("22:00", "06:00", "Europe/Berlin"), "2026-01-10T21:00:00Z", Some("2026-01-11T05:00:00Z")),
        (("22:00", "06:00", "Europe/Berlin"), "2026-01-11T04:59:59Z", Some("2026-01-11T05:00:00Z")),
        (("22:00", "06:00", "Europe/Berlin"), "2026-01-11T05:00:00Z", None),
        // 2026-03-29: 02:00 becomes 03:00, and the night is an hour shorter.
        (("22:00", "06:00", "Europe/Berlin"), "2026-03-28T22:00:00Z", Some("2026-03-29T04:00:00Z")),
        // It ends at a time that this day leaves out: when the clocks are put forward.
        (("22:00", "02:30", "Europe/Berlin"), "2026-03-28T22:00:00Z", Some("2026-03-29T01:00:00Z")),
        // It begins and ends within the hour that is left out.
        (("02:10", "02:50", "Europe/Berlin"), "2026-03-29T01:00:00Z", None),
        // 2026-10-25: 03:00 becomes 02:00; the first 02:30 counts.
        (("22:00", "02:30", "Europe/Berlin"), "2026-10-24T23:00:00Z", Some("2026-10-25T00:30:00Z")),
        (("22:00", "02:30", "Europe/Berlin"), "2026-10-25T01:15:00Z", None),
        (("02:30", "04:00", "Europe/Berlin"), "2026-10-25T01:15:00Z", Some("2026-10-25T03:00:00Z")),
        // Within one day, and to its end.
        (("12:00", "13:00", "UTC"), "2026-06-01T12:30:00Z", Some("2026-06-01T13:00:00Z")),
        (("12:00", "13:00", "UTC"), "2026-06-01T13:30:00Z", None),
        (("18:00", "24:00", "UTC"), "2026-06-01T23:59:59Z", Some("2026-06-02T00:00:00Z")),
        (("18:00", "00:00", "UTC"), "2026-06-01T23:59:59Z", Some("2026-06-02T00:00:00Z")),
        (("00:00", "08:00", "Asia/Kathmandu"), "2026-06-01T18:15:00Z", Some("2026-06-02T02:15:00Z")),
        // Samoa left out 2011-12-30.
        (("22:00", "06:00", "Pacific/Apia"), "2011-12-30T09:00:00Z", Some("2011-12-30T16:00:00Z")),
    ];
    for ((from, to, zone), now, expected) in table {
        let held = held_until(&quiet(from, to, zone), Severity::Warning, at(now), &[]);
        assert_eq!(held, expected.map(at), "{from} {to} {zone} at {now}");
    }
}

#[test]
fn a_rate_leaves_room_when_the_oldest_that_counts_is_old_enough() {
    let now = at("2026-06-01T12:00:00Z");
    let ago = |minutes: i64| Timestamp::from_unix_millis(now.unix_millis() - minutes * 60_000).unwrap();
    let table: [(&str, &[i64], Option<i64>); 8] = [
        ("2/1h", &[], None),
        ("2/1h", &[10], None),
        ("2/1h", &[10, 70], None),
        ("2/1h", &[10, 60], None),
        ("2/1h", &[10, 59], Some(1)),
        ("2/1h", &[5, 50, 10, 20], Some(50)),
        ("1/1m", &[0], Some(1)),
        // The clock was ahead by a day.
        ("1/1h", &[-1440], Some(60)),
    ];
    for (raw, accepted, expected) in table {
        let accepted: Vec<Timestamp> = accepted.iter().map(|minutes| ago(*minutes)).collect();
        let held = held_until(&rate(raw), Severity::Informational, now, &accepted);
        assert_eq!(held, expected.map(|minutes| ago(-minutes)), "{raw} {accepted:?}");
    }
}

#[test]
fn a_rate_that_has_room_at_night_waits_for_the_morning() {
    let pace = Pace { rate: rate("1/12h").rate, ..quiet("22:00", "06:00", "UTC") };
    let accepted = [at("2026-06-01T11:00:00Z")];
    let held = |now: &str| held_until(&pace, Severity::Warning, at(now), &accepted);
    assert_eq!(held("2026-06-01T12:00:00Z"), Some(at("2026-06-02T06:00:00Z")));
    assert_eq!(held("2026-06-02T06:00:00Z"), None);
}

#[test]
fn what_came_in_one_stretch_goes_out_together() {
    let pace = Pace { digest: Some(Collect(Span::from_secs(1800))), ..Pace::default() };
    let until = |caused: &str, now: &str| collected_until(&pace, Severity::Warning, at(caused), at(now));
    let end = at("2026-06-01T12:30:00Z");
    assert_eq!(until("2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z"), Some(end));
    assert_eq!(until("2026-06-01T12:29:59Z", "2026-06-01T12:29:59Z"), Some(end));
    assert_eq!(until("2026-06-01T12:10:00Z", "2026-06-01T12:30:00Z"), None, "its time has come");
    let now = at("2026-06-01T12:10:00Z");
    assert_eq!(collected_until(&pace, Severity::Critical, now, now), None);
    assert_eq!(collected_until(&Pace::default(), Severity::Warning, now, now), None);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for bad in ["", "30", "0/1h", "10001/1h", "+3/1h", "3/59s", "3/25h", "3/", "/1h", "3/1h/1h", "-1/1h", "3 /1h"] {
        assert!(bad.parse::<Rate>().is_err(), "{bad}");
    }
    for good in ["1/1m", "10000/1d", "30/1h"] {
        assert!(good.parse::<Rate>().is_ok(), "{good}");
    }
    for (from, to) in [("22:00", "22:00"), ("00:00", "24:00"), ("24:00", "00:00")] {
        let hours = Hours { from: from.parse().unwrap(), to: to.parse().unwrap(), zone: "UTC".parse().unwrap() };
        assert!(QuietHours::try_from(hours).is_err(), "{from} {to}");
    }
}

fn any_pace() -> impl Strategy<Value = Pace> {
    let time = (0u16..1440).prop_map(|minutes| format!("{:02}:{:02}", minutes / 60, minutes % 60));
    let zone = prop::sample::select(vec![
        "Europe/Berlin",
        "UTC",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Asia/Kathmandu",
    ]);
    let hours = (time.clone(), time, zone).prop_filter_map("the same time", |(from, to, zone)| {
        let hours = Hours { from: from.parse().ok()?, to: to.parse().ok()?, zone: zone.parse().ok()? };
        QuietHours::try_from(hours).ok()
    });
    let rate = (1u32..5, 60u64..86_400).prop_map(|(most, secs)| Rate { most, within: Span::from_secs(secs) });
    let digest = (60u64..86_400).prop_map(|secs| Collect(Span::from_secs(secs)));
    (prop::option::of(hours), prop::option::of(rate), prop::option::of(digest))
        .prop_map(|(quiet_hours, rate, digest)| Pace { quiet_hours, rate, digest })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_critical_waits(pace in any_pace(), now in 1_000_000_000_000i64..2_000_000_000_000, ago in prop::collection::vec(0i64..90_000_000, 0..20)) {
        let now = Timestamp::from_unix_millis(now).unwrap();
        let accepted: Vec<_> = ago.iter().filter_map(|ago| Timestamp::from_unix_millis(now.unix_millis() - ago)).collect();
        prop_assert_eq!(held_until(&pace, Severity::Critical, now, &accepted), None);
        prop_assert_eq!(collected_until(&pace, Severity::Critical, now, now), None);
    }

    /// Whoever is held and asks again at that time goes out in the end, within two days and two stretches of the rate.
    #[test]
    fn everything_goes_out_in_the_end(pace in any_pace(), begin in 1_000_000_000_000i64..2_000_000_000_000, ago in prop::collection::vec(0i64..90_000_000, 0..20)) {
        let begin = Timestamp::from_unix_millis(begin).unwrap();
        let accepted: Vec<_> = ago.iter().filter_map(|ago| Timestamp::from_unix_millis(begin.unix_millis() - ago)).collect();
        let mut now = collected_until(&pace, Severity::Warning, begin, begin).unwrap_or(begin);
        let mut asked = 0;
        while let Some(next) = held_until(&pace, Severity::Warning, now, &accepted) {
            prop_assert!(next > now);
            (now, asked) = (next, asked + 1);
            prop_assert!(asked < 10);
        }
        prop_assert!(now.unix_millis() - begin.unix_millis() < 5 * 86_400_000, "{} {}", begin, now);
        prop_assert!(pace.quiet_hours.is_none_or(|hours| hours.ends_at(now).is_none()));
    }
}
