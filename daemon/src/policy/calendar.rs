//! When an office is open: days of the week, hours of the day, a time zone, and days off.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Weekday};
use countersign_shared::canonical::{CanonicalBytes, CanonicalError, Object};
use countersign_shared::time::{Span, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Open hours. A profile's snapshot holds the whole calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Lower-case letters, digits, `.`, `_` and `-`; at most 64.
    pub id: String,
    /// The days of the week on which it is open, each once.
    pub days: Vec<Day>,
    /// When it opens on each of them.
    pub from: ClockTime,
    /// When it closes, later on the same day; `24:00` is the day's end.
    pub until: ClockTime,
    /// Whose clock is meant: a name of the IANA time zone database.
    pub timezone: TimeZone,
    /// Dates on which it is closed, each once.
    #[serde(default)]
    pub holidays: Vec<Date>,
}

/// How far ahead [`Calendar::after`] looks.
const HORIZON: i64 = 365 * 86_400_000;
/// 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write.
const LAST_MOMENT: i64 = 253_402_300_799_999;
/// No clock was ever put forward by more than this: Samoa left out a day in 2011.
const LONGEST_GAP_MINUTES: i64 = 26 * 60;

impl Calendar {
    /// The first moment, not before `from`, by which it was open for `open` since `from`, and at which it is open or
    /// just closes. At most 365 days after `from`.
    ///
    /// An hour is an hour that passes: where clocks are put forward between opening and closing the day is shorter.
    /// It opens, and closes, at the first moment at which the clock of that day shows the time or a later one.
    pub fn after(&self, from: Timestamp, open: Span) -> Timestamp {
        let start = from.unix_millis();
        let latest = start.saturating_add(HORIZON).min(LAST_MOMENT).max(start);
        let mut left = i64::try_from(open.millis()).unwrap_or(i64::MAX);
        let first_day = from.datetime().with_timezone(&self.timezone.0).date_naive();
        let mut reached = latest;
        // The day before as well: the one that ends at 24:00 closes when the next begins.
        for date in first_day.pred_opt().unwrap_or(first_day).iter_days() {
            let Some((opens, closes)) = self.hours_of(date) else { continue };
            if opens > latest {
                break;
            }
            let begins = opens.max(start);
            if closes < begins {
                continue;
            }
            if left <= closes - begins {
                reached = begins.saturating_add(left);
                break;
            }
            left -= closes - begins;
        }
        Timestamp::from_unix_millis(reached.min(latest)).unwrap_or(from)
    }

    /// When it opens and closes on a date, in milliseconds since 1970; `None` where it stays closed.
    fn hours_of(&self, date: NaiveDate) -> Option<(i64, i64)> {
        if !self.days.contains(&Day::of(date)) || self.holidays.contains(&Date(date)) {
            return None;
        }
        let (opens, closes) =
            (self.timezone.first_moment(date, self.from)?, self.timezone.first_moment(date, self.until)?);
        (opens < closes).then_some((opens, closes))
    }

    pub(super) fn canonical(&self) -> Result<CanonicalBytes, CanonicalError> {
        Object::new()
            .strings("days", self.days.iter().map(|day| day.as_str()))
            .string("from", &self.from.to_string())
            .strings("holidays", self.holidays.iter().map(Date::to_string))
            .string("id", &self.id)
            .string("timezone", &self.timezone.to_string())
            .string("until", &self.until.to_string())
            .finish()
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn of(date: NaiveDate) -> Self {
        match date.weekday() {
            Weekday::Mon => Self::Mon,
            Weekday::Tue => Self::Tue,
            Weekday::Wed => Self::Wed,
            Weekday::Thu => Self::Thu,
            Weekday::Fri => Self::Fri,
            Weekday::Sat => Self::Sat,
            Weekday::Sun => Self::Sun,
        }
    }

    /// As the policy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mon => "mon",
            Self::Tue => "tue",
            Self::Wed => "wed",
            Self::Thu => "thu",
            Self::Fri => "fri",
            Self::Sat => "sat",
            Self::Sun => "sun",
        }
    }
}

/// A time on a wall clock in whole minutes, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClockTime(u16);

impl ClockTime {
    /// Minutes since the day began, as its clock counts them: 0 to 1440.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for ClockTime {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a time of day is written as 08:00, 00:00 to 24:00";
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        let (hours, minutes) = raw.split_once(':').filter(|(h, m)| digits(h) && digits(m)).ok_or(SHAPE)?;
        let (hours, minutes): (u16, u16) = (hours.parse().map_err(|_| SHAPE)?, minutes.parse().map_err(|_| SHAPE)?);
        let total = hours * 60 + minutes;
        if minutes > 59 || total > 1440 { Err(SHAPE) } else { Ok(Self(total)) }
    }
}

/// A zone of the IANA time zone database, as built into this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(chrono_tz::Tz);

impl TimeZone {
    /// For arithmetic.
    pub const fn tz(self) -> chrono_tz::Tz {
        self.0
    }

    /// The first moment, in milliseconds since 1970, at which the clock of a date shows the time or a later one.
    pub fn first_moment(self, date: NaiveDate, time: ClockTime) -> Option<i64> {
        let shown = date.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::minutes(i64::from(time.minutes())))?;
        (0..=LONGEST_GAP_MINUTES).find_map(|minutes| {
            let shown = shown.checked_add_signed(TimeDelta::minutes(minutes))?;
            self.0.from_local_datetime(&shown).earliest().map(|moment| moment.timestamp_millis())
        })
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl FromStr for TimeZone {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        let zone = raw.parse().map_err(|_| "a time zone is a name of the IANA database: Europe/Berlin, UTC")?;
        Ok(Self(zone))
    }
}

/// A date: `2026-12-25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(NaiveDate);

impl Date {
    /// For arithmetic.
    pub const fn date(self) -> NaiveDate {
        self.0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl FromStr for Date {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a date is written as 2026-12-25";
        let date = NaiveDate::parse_from_str(raw, "%Y-%m-%d").map(Self).map_err(|_| SHAPE)?;
        // chrono also reads signs, blanks and short numbers.
        if raw.len() == 10 && date.to_string() == raw { Ok(date) } else { Err(SHAPE) }
    }
}

macro_rules! written_as_text {
    ($type:ident, $description:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description })
            }
        }
    };
}

written_as_text!(ClockTime, "a time of day, 00:00 to 24:00");
written_as_text!(TimeZone, "a name of the IANA time zone database: Europe/Berlin, UTC");
written_as_text!(Date, "a date: 2026-12-25");

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
