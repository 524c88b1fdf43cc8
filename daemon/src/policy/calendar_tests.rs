use proptest::prelude::*;

use super::*;

fn calendar(days: &[Day], from: &str, until: &str, timezone: &str, holidays: &[&str]) -> Calendar {
    Calendar {
        id: "office".to_owned(),
        days: days.to_vec(),
        from: from.parse().unwrap(),
        until: until.parse().unwrap(),
        timezone: timezone.parse().unwrap(),
        holidays: holidays.iter().map(|date| date.parse().unwrap()).collect(),
    }
}

const WEEK: [Day; 5] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri];
const ALL: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

fn office() -> Calendar {
    calendar(&WEEK, "08:00", "18:00", "Europe/Berlin", &["2026-12-25", "2027-01-01"])
}

fn check(calendar: &Calendar, cases: &[(&str, &str, &str)]) {
    for (from, open, expected) in cases {
        let reached = calendar.after(from.parse().unwrap(), open.parse().unwrap());
        assert_eq!(reached, expected.parse().unwrap(), "{open} after {from}");
    }
}

#[test]
fn only_open_hours_count() {
    check(
        &office(),
        &[
            ("2026-12-14T09:00:00+01:00", "4h", "2026-12-14T13:00:00+01:00"),
            ("2026-12-14T08:00:00+01:00", "10h", "2026-12-14T18:00:00+01:00"),
            ("2026-12-14T08:00:00+01:00", "36000001ms", "2026-12-15T08:00:00.001+01:00"),
            ("2026-12-14T17:00:00+01:00", "4h", "2026-12-15T11:00:00+01:00"),
            ("2026-12-14T07:59:59.999+01:00", "0s", "2026-12-14T08:00:00+01:00"),
            ("2026-12-14T12:34:56.789+01:00", "0s", "2026-12-14T12:34:56.789+01:00"),
            ("2026-12-14T18:00:00+01:00", "0s", "2026-12-14T18:00:00+01:00"),
            ("2026-12-14T18:00:00.001+01:00", "0s", "2026-12-15T08:00:00+01:00"),
            ("2026-12-14T18:00:00+01:00", "1ms", "2026-12-15T08:00:00.001+01:00"),
            ("2026-12-14T03:00:00+01:00", "1h", "2026-12-14T09:00:00+01:00"),
            // Friday to Monday, over Christmas, and to another year.
            ("2026-12-11T17:30:00+01:00", "1h", "2026-12-14T08:30:00+01:00"),
            ("2026-12-24T17:00:00+01:00", "2h", "2026-12-28T09:00:00+01:00"),
            ("2026-12-31T12:00:00+01:00", "20h", "2027-01-05T12:00:00+01:00"),
            // Berlin's Monday begins on Sunday in UTC; New York's evening is Berlin's night.
            ("2026-12-13T23:30:00Z", "1h", "2026-12-14T09:00:00+01:00"),
            ("2026-12-14T19:00:00-05:00", "1h", "2026-12-15T09:00:00+01:00"),
        ],
    );
}

#[test]
fn days_of_23_and_25_hours_are_counted_as_long_as_they_are() {
    // 2026-03-29, 02:00 to 03:00 are left out; 2026-10-25, 02:00 to 03:00 come twice.
    check(
        &calendar(&ALL, "00:00", "24:00", "Europe/Berlin", &[]),
        &[
            ("2026-03-29T00:00:00+01:00", "23h", "2026-03-30T00:00:00+02:00"),
            ("2026-03-29T00:00:00+01:00", "3h", "2026-03-29T04:00:00+02:00"),
            ("2026-10-25T00:00:00+02:00", "25h", "2026-10-26T00:00:00+01:00"),
            ("2026-10-25T00:00:00+02:00", "3h", "2026-10-25T02:00:00+01:00"),
        ],
    );
    check(
        &calendar(&[Day::Sun], "00:00", "24:00", "Europe/Berlin", &[]),
        &[
            ("2026-03-29T00:00:00+01:00", "23h", "2026-03-30T00:00:00+02:00"),
            ("2026-03-29T00:00:00+01:00", "24h", "2026-04-05T01:00:00+02:00"),
            ("2026-10-25T00:00:00+02:00", "25h", "2026-10-26T00:00:00+01:00"),
            ("2026-10-26T00:00:00+01:00", "0s", "2026-10-26T00:00:00+01:00"),
        ],
    );
    // The office keeps its wall clock: the same hours, another distance from UTC.
    check(
        &office(),
        &[
            ("2026-03-27T17:00:00+01:00", "2h", "2026-03-30T09:00:00+02:00"),
            ("2026-10-23T17:00:00+02:00", "2h", "2026-10-26T09:00:00+01:00"),
        ],
    );
}

#[test]
fn hours_that_no_clock_shows_and_hours_that_come_twice() {
    for (from, until, cases) in [
        // Not there on that Sunday at all.
        ("02:00", "03:00", [("2026-03-29T00:00:00Z", "1h", "2026-04-05T01:00:00Z")]),
        ("01:00", "02:30", [("2026-03-29T00:00:00Z", "1h", "2026-03-29T01:00:00Z")]),
        ("02:30", "04:00", [("2026-03-29T00:00:00Z", "0s", "2026-03-29T01:00:00Z")]),
        ("02:17", "04:00", [("2026-03-29T00:00:00Z", "1h", "2026-03-29T02:00:00Z")]),
        // Opens, and closes, when the clock shows it first.
        ("01:00", "02:30", [("2026-10-24T23:00:00Z", "90m", "2026-10-25T00:30:00Z")]),
        ("02:30", "03:30", [("2026-10-25T00:00:00Z", "2h", "2026-10-25T02:30:00Z")]),
        ("02:00", "03:00", [("2026-10-25T00:00:00Z", "2h", "2026-10-25T02:00:00Z")]),
    ] {
        check(&calendar(&[Day::Sun], from, until, "Europe/Berlin", &[]), &cases);
    }
    // Samoa went over the date line: 2011-12-30 was no day there.
    check(
        &calendar(&[Day::Fri], "08:00", "18:00", "Pacific/Apia", &[]),
        &[("2011-12-29T00:00:00-10:00", "1h", "2012-01-06T09:00:00+14:00")],
    );
    // Clocks that move by half an hour, and midnights that are left out.
    check(
        &calendar(&ALL, "00:00", "24:00", "Australia/Lord_Howe", &[]),
        &[("2026-04-05T00:00:00+11:00", "24h", "2026-04-05T23:30:00+10:30")],
    );
    check(
        &calendar(&ALL, "00:00", "08:00", "Africa/Cairo", &[]),
        &[("2026-04-23T20:00:00+02:00", "7h", "2026-04-24T08:00:00+03:00")],
    );
}

#[test]
fn it_looks_a_year_ahead_and_no_further() {
    let yearly = calendar(&[Day::Mon], "08:00", "09:00", "UTC", &[]);
    let from: Timestamp = "2026-12-14T08:00:00Z".parse().unwrap();
    for open in ["54h", "36600d"] {
        assert_eq!(yearly.after(from, open.parse().unwrap()), "2027-12-14T08:00:00Z".parse().unwrap(), "{open}");
    }
    let mondays: Vec<String> =
        (0..60).map(|week| (from.datetime().date_naive() + TimeDelta::weeks(week)).to_string()).collect();
    let mondays: Vec<&str> = mondays.iter().map(String::as_str).collect();
    let never = calendar(&[Day::Mon], "08:00", "09:00", "UTC", &mondays);
    assert_eq!(never.after(from, Span::from_secs(0)), "2027-12-14T08:00:00Z".parse().unwrap());
    let last: Timestamp = "9999-12-31T23:59:59.999Z".parse().unwrap();
    for zone in ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let calendar = calendar(&ALL, "00:00", "24:00", zone, &[]);
        assert_eq!(calendar.after(last, Span::from_secs(86_400)), last, "{zone}");
        let first: Timestamp = "0000-01-01T00:00:00Z".parse().unwrap();
        assert!(calendar.after(first, Span::from_secs(3600)) >= first, "{zone}");
    }
}

#[test]
fn words_of_a_calendar_read_back_and_others_are_refused() {
    for time in ["00:00", "08:30", "23:59", "24:00"] {
        assert_eq!(time.parse::<ClockTime>().unwrap().to_string(), time);
    }
    for bad in ["", "8:00", "08:0", "08:60", "24:01", "+8:00", "08:00:00", "0800", " 8:00", "٠٨:٠٠"] {
        assert!(bad.parse::<ClockTime>().is_err(), "{bad}");
    }
    assert_eq!("2028-02-29".parse::<Date>().unwrap().to_string(), "2028-02-29");
    for bad in ["", "2027-02-29", "2026-1-2", "26-01-02", "+2026-01-02", "2026-01-02 ", "+12026-01-02"] {
        assert!(bad.parse::<Date>().is_err(), "{bad}");
    }
    assert_eq!("Europe/Berlin".parse::<TimeZone>().unwrap().to_string(), "Europe/Berlin");
    for bad in ["", "europe/berlin", "Berlin", "+01:00", "/etc/passwd", "../UTC"] {
        assert!(bad.parse::<TimeZone>().is_err(), "{bad}");
    }
}

fn any_calendar() -> impl Strategy<Value = Calendar> {
    let zones = prop::sample::select(
        &[
            "UTC",
            "Europe/Berlin",
            "America/St_Johns",
            "Africa/Cairo",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Kiritimati",
        ][..],
    );
    let days = prop::sample::subsequence(ALL.to_vec(), 1..=7);
    let hours = (0u16..1440).prop_flat_map(|from| (Just(from), from + 1..=1440));
    let holidays = prop::collection::btree_set(0i64..400, 0..20);
    (zones, days, hours, holidays).prop_map(|(zone, days, (from, until), holidays)| {
        let first: Date = "2026-01-01".parse().unwrap();
        let mut calendar = calendar(&days, "00:00", "24:00", zone, &[]);
        (calendar.from, calendar.until) = (ClockTime(from), ClockTime(until));
        calendar.holidays = holidays.into_iter().map(|day| Date(first.0 + TimeDelta::days(day))).collect();
        calendar
    })
}

/// Moments of 2026 and how long it is open: so little that the horizon is not reached.
fn moment() -> impl Strategy<Value = Timestamp> {
    (1_767_225_600_000i64..1_798_761_600_000).prop_map(|millis| Timestamp::from_unix_millis(millis).unwrap())
}

/// True where it is open, or closes, at that moment.
fn is_open_or_closes(calendar: &Calendar, moment: Timestamp) -> bool {
    let local = moment.datetime().with_timezone(&calendar.timezone.tz()).naive_local();
    [local.date().pred_opt().unwrap(), local.date()].into_iter().any(|date| {
        let hours = calendar.hours_of(date);
        hours.is_some_and(|(opens, closes)| (opens..=closes).contains(&moment.unix_millis()))
    })
}

proptest! {
    #[test]
    fn it_is_monotone_and_additive_and_ends_in_open_hours(
        calendar in any_calendar(),
        moments in (moment(), moment()),
        a in 0u64..600_000,
        b in 0u64..600_000,
    ) {
        let (early, late) = (moments.0.min(moments.1), moments.0.max(moments.1));
        let (short, long) = (Span::from_millis(a), Span::from_millis(a + b));
        prop_assert!(calendar.after(early, short) <= calendar.after(late, short));
        prop_assert!(calendar.after(early, short) <= calendar.after(early, long));
        prop_assert!(calendar.after(early, short) >= early);
        let limit = Timestamp::from_unix_millis(early.unix_millis() + HORIZON).unwrap();
        let both = calendar.after(early, long);
        prop_assert!(both <= limit);
        if both < limit {
            prop_assert_eq!(calendar.after(calendar.after(early, short), Span::from_millis(b)), both);
            prop_assert!(is_open_or_closes(&calendar, both), "{}", both);
        }
    }

    /// Away from the nights in which clocks are changed, the wall clock alone says what is open.
    #[test]
    fn it_counts_the_minutes_that_a_wall_clock_shows(from in moment(), minutes in 0u64..3000) {
        let calendar = office();
        let open = |moment: i64| {
            let local = Timestamp::from_unix_millis(moment).unwrap().datetime().with_timezone(&calendar.timezone.tz());
            let day = local.date_naive();
            let hours = (8 * 60..18 * 60).contains(&chrono::Timelike::num_seconds_from_midnight(&local).div_euclid(60));
            hours && WEEK.contains(&Day::of(day)) && !calendar.holidays.contains(&Date(day))
        };
        let start = from.unix_millis().div_euclid(60_000) * 60_000;
        let end = calendar.after(Timestamp::from_unix_millis(start).unwrap(), Span::from_secs(minutes * 60)).unix_millis();
        let counted = (start..end).step_by(60_000).filter(|minute| open(*minute)).count();
        prop_assert_eq!(counted as u64, minutes);
    }
}
