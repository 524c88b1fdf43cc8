//! When messages may go out on a channel: not in its quiet hours, not too many in a while, and several in one where it
//! collects them. What is critical goes out at once, always. Pure.

use std::fmt;
use std::str::FromStr;

use countersign_shared::time::{Span, Timestamp};
use serde::{Deserialize, Deserializer, de};

use crate::policy::Severity;
use crate::policy::calendar::{ClockTime, TimeZone};

/// The most messages of a rate.
const MAX_RATE: u32 = 10_000;
/// The shortest and the longest stretch of a rate, and of a digest.
const SHORTEST: Span = Span::from_secs(60);
const LONGEST: Span = Span::from_secs(86_400);
/// Quiet hours and rates that push each other on are followed so often; whoever asks again then goes on from there.
const MOST_STEPS: usize = 8;

/// How one channel is paced; by default not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Nothing but what is critical goes out.
    pub quiet_hours: Option<QuietHours>,
    /// So many go out in a while.
    pub rate: Option<Rate>,
    /// Messages to the same people are collected for so long, and go out as one.
    pub digest: Option<Collect>,
}

/// `{ from = "22:00", to = "06:00", zone = "Europe/Berlin" }`: from one time of the day to the next such other time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Hours")]
pub struct QuietHours {
    from: ClockTime,
    to: ClockTime,
    zone: TimeZone,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    from: ClockTime,
    to: ClockTime,
    zone: TimeZone,
}

impl TryFrom<Hours> for QuietHours {
    type Error = &'static str;

    fn try_from(Hours { from, to, zone }: Hours) -> Result<Self, Self::Error> {
        let day = |time: ClockTime| time.minutes() % 1440;
        if day(from) == day(to) {
            return Err("`from` and `to` are the same time: it would never or always be quiet");
        }
        Ok(Self { from, to, zone })
    }
}

impl QuietHours {
    /// When it is quiet no more; none where it is not quiet at `now`.
    ///
    /// It begins, and ends, at the first moment at which the clock of that day shows the time or a later one: where
    /// clocks are put forward over it, when they are; where they are put back, the first time.
    pub fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.datetime().with_timezone(&self.zone.tz()).date_naive();
        // The night may have begun yesterday; and a time that clocks leave out may fall on the day after its own.
        let first = today.pred_opt().and_then(|day| day.pred_opt()).unwrap_or(today);
        let mut end = None;
        for begins_on in first.iter_days().take(4) {
            let ends_on = if self.from < self.to { Some(begins_on) } else { begins_on.succ_opt() };
            let begin = self.zone.first_moment(begins_on, self.from);
            let until = ends_on.and_then(|day| self.zone.first_moment(day, self.to));
            if let (Some(begin), Some(until)) = (begin, until)
                && (begin..until).contains(&now.unix_millis())
            {
                end = end.max(Some(until));
            }
        }
        Timestamp::from_unix_millis(end?)
    }
}

/// `30/1h`: at most so many accepted messages in whatever stretch of that length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    most: u32,
    within: Span,
}

impl Rate {
    /// How many, at least 1.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// In what stretch.
    pub fn within(&self) -> Span {
        self.within
    }

    /// When one more may go out; none where it may at `now`.
    fn room_at(&self, now: Timestamp, accepted: &[Timestamp]) -> Option<Timestamp> {
        let within = i64::try_from(self.within.millis()).unwrap_or(i64::MAX);
        let since = now.unix_millis().saturating_sub(within);
        let mut counted: Vec<i64> = accepted.iter().map(|at| at.unix_millis()).filter(|at| *at > since).collect();
        counted.sort_unstable();
        let gone_first = counted.len().checked_sub(usize::try_from(self.most).unwrap_or(usize::MAX))?;
        counted.get(gone_first).and_then(|at| Timestamp::from_unix_millis(at.saturating_add(within)))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        let shape = || format!("a rate is written 30/1h: 1 to {MAX_RATE} messages within {SHORTEST} to {LONGEST}");
        let (most, within) = raw.split_once('/').ok_or_else(shape)?;
        let plain = !most.is_empty() && most.bytes().all(|octet| octet.is_ascii_digit());
        let most = most.parse().ok().filter(|most| plain && (1..=MAX_RATE).contains(most)).ok_or_else(shape)?;
        let within = within.parse().ok().filter(|span| (SHORTEST..=LONGEST).contains(span)).ok_or_else(shape)?;
        Ok(Self { most, within })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// For how long messages are collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collect(Span);

impl Collect {
    /// The end of the stretch in which a message was caused. Stretches follow each other without a gap, so that all that
    /// came in one go out together, whichever of them was first.
    fn ends_at(self, caused: Timestamp) -> Option<Timestamp> {
        let length = i64::try_from(self.0.millis()).unwrap_or(i64::MAX).max(1);
        let begin = caused.unix_millis().div_euclid(length).saturating_mul(length);
        Timestamp::from_unix_millis(begin.saturating_add(length))
    }
}

impl fmt::Display for Collect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Collect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let span = Span::deserialize(deserializer)?;
        if (SHORTEST..=LONGEST).contains(&span) {
            Ok(Self(span))
        } else {
            Err(de::Error::custom(format!("`digest` is not within {SHORTEST} to {LONGEST}")))
        }
    }
}

/// In the place of [`Collect`] where a channel takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCollected {}

impl<'de> Deserialize<'de> for NotCollected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        de::IgnoredAny::deserialize(deserializer)?;
        Err(de::Error::custom("this channel takes no digest: it tells of each thing at its time; remove the key"))
    }
}

/// From when on a message of this urgency may go out; none where it may at `now`. `accepted` are the messages that the
/// channel took, in any order, those that are under way counted as taken now; [`Rate::within`] says how far back they are
/// needed. Whoever was held asks again at that time.
pub fn held_until(pace: &Pace, severity: Severity, now: Timestamp, accepted: &[Timestamp]) -> Option<Timestamp> {
    if severity == Severity::Critical {
        return None;
    }
    // What was accepted by a clock that was ahead counts as just now: it leaves room after one stretch.
    let accepted: Vec<Timestamp> = accepted.iter().map(|at| (*at).min(now)).collect();
    let mut at = now;
    for _ in 0..MOST_STEPS {
        let quiet = pace.quiet_hours.and_then(|hours| hours.ends_at(at));
        let next = quiet.or_else(|| pace.rate.and_then(|rate| rate.room_at(at, &accepted)));
        match next.filter(|next| *next > at) {
            Some(next) => at = next,
            None => break,
        }
    }
    (at > now).then_some(at)
}

/// Until when a message that was caused at `caused` waits for others to go out with; none where it does not.
pub fn collected_until(pace: &Pace, severity: Severity, caused: Timestamp, now: Timestamp) -> Option<Timestamp> {
    if severity == Severity::Critical {
        return None;
    }
    pace.digest.and_then(|collect| collect.ends_at(caused)).filter(|end| *end > now)
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
