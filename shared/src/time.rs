//! Points in time as RFC 3339 in UTC with milliseconds, and spans as people write them (`90d`).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};

/// A wall-clock time: UTC, RFC 3339, milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// 1970-01-01T00:00:00Z
    pub const EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// A time from milliseconds since 1970; `None` outside the years that RFC 3339 can write.
    pub fn from_unix_millis(millis: i64) -> Option<Self> {
        let time = DateTime::from_timestamp_millis(millis)?;
        let year = time.year();
        (0..=9999).contains(&year).then_some(Self(time))
    }

    /// Milliseconds since 1970.
    pub fn unix_millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// `2027-01-31T08:00:00.000Z`: every record and row has its time in it, some of them several.
    fn rfc3339(self) -> [u8; 24] {
        let (date, time) = (self.0.date_naive(), self.0.time());
        let mut out = *b"0000-00-00T00:00:00.000Z";
        let mut write = |place: std::ops::Range<usize>, mut number: u32| {
            for digit in out[place].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        };
        write(0..4, date.year().unsigned_abs());
        write(5..7, date.month());
        write(8..10, date.day());
        write(11..13, time.hour());
        write(14..16, time.minute());
        write(17..19, time.second());
        write(20..23, time.nanosecond() / 1_000_000);
        out
    }

    /// For arithmetic and other formats.
    pub fn datetime(self) -> DateTime<Utc> {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc3339()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a time is written as in RFC 3339, for example 2027-01-31T08:00:00Z";
        let parsed = DateTime::parse_from_rfc3339(raw).map_err(|_| SHAPE)?;
        Self::from_unix_millis(parsed.timestamp_millis()).ok_or(SHAPE)
    }
}

crate::string_on_the_wire!(Timestamp, "Timestamp", "RFC 3339, UTC, milliseconds");

/// A span of time in whole milliseconds, written as a number and a unit: `500ms`, `30s`, `5m`, `72h`, `90d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span(u64);

/// The longest span: a hundred years.
const LONGEST: u64 = 100 * 366 * 86_400_000;

impl Span {
    /// A span of whole seconds, at most a hundred years.
    pub const fn from_secs(seconds: u64) -> Self {
        let millis = seconds.saturating_mul(1000);
        Self(if millis > LONGEST { LONGEST } else { millis })
    }

    /// A span of milliseconds, at most a hundred years.
    pub const fn from_millis(millis: u64) -> Self {
        Self(if millis > LONGEST { LONGEST } else { millis })
    }

    /// Whole milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// Two units at most, for people: `3d 4h`, `12m 5s`, `0s`.
    pub fn rough(self) -> String {
        let seconds = self.secs();
        let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
        match (days, hours, minutes, seconds % 60) {
            (0, 0, 0, s) => format!("{s}s"),
            (0, 0, m, s) => format!("{m}m {s}s"),
            (0, h, m, _) => format!("{h}h {m}m"),
            (d, h, _, _) => format!("{d}d {h}h"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0;
        match UNITS.iter().find(|(_, size)| millis != 0 && millis.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}", millis / size),
            None => f.write_str("0s"),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Largest first, so that a span is written in the largest unit that divides it.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl FromStr for Span {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a span is a whole number and a unit: 500ms, 30s, 5m, 72h or 90d, at most 36600d";
        let digits = raw.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = raw.split_at(digits);
        let size = UNITS.iter().find(|(name, _)| *name == unit).ok_or(SHAPE)?.1;
        let millis = number.parse::<u64>().ok().and_then(|n| n.checked_mul(size)).ok_or(SHAPE)?;
        if millis > LONGEST { Err(SHAPE) } else { Ok(Self(millis)) }
    }
}

crate::string_on_the_wire!(Span, "Span", "a whole number and a unit: 500ms, 30s, 5m, 72h, 90d");

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_read_and_written_in_their_largest_unit() {
        for (raw, shown) in [("168h", "7d"), ("90d", "90d"), ("90s", "90s"), ("1500ms", "1500ms"), ("0h", "0s")] {
            assert_eq!(raw.parse::<Span>().map(|span| span.to_string()), Ok(shown.to_owned()), "{raw}");
        }
        for bad in ["", "7", "d", "-1d", "1.5h", "1 h", "1w", "99999999999999999999s", "36601d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        assert_eq!(Span::from_secs(93_784).rough(), "1d 2h");
    }

    proptest! {
        #[test]
        fn times_are_written_as_chrono_writes_them(millis in -62_167_219_200_000_i64..=253_402_300_799_999) {
            let time = Timestamp::from_unix_millis(millis).unwrap();
            prop_assert_eq!(time.to_string(), time.datetime().to_rfc3339_opts(SecondsFormat::Millis, true));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn times_are_utc_with_milliseconds() {
        let time: Timestamp = "2027-01-31T09:00:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2027-01-31T08:00:00.000Z");
        for bad in ["", "2027-01-31", "yesterday", "2027-13-01T00:00:00Z"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }
}
