//! Which time it is for certificates, when the wall clock jumps.
//!
//! A certificate ends by the wall clock, and a wall clock can be wrong for a minute. Its distance from the daemon's own
//! time line, which no setting of the clock moves, says whether it jumped: what is due only by a new reading waits until
//! that reading has stood for a while. Forward a quarter of an hour, so that nobody is paged because of a slip and
//! nothing is late by more; backward a day, since a clock that lost its battery must not silence the alerts at once.

use countersign_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Differences in milliseconds that are no jump: a clock that is being slewed, a leap second.
const SLIP: i64 = 60_000;
/// Milliseconds of the time line for which a reading ahead has to stand.
pub const AHEAD_SETTLES: i64 = 15 * 60_000;
/// The same for a reading behind.
pub const BEHIND_SETTLES: i64 = 86_400_000;

/// What is remembered between readings; kept in the database, so that a restart amid a jump believes nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reckoning {
    /// The line that ticks were read on: [`Mark::offset`](crate::clock::line::Mark), another one after a boot.
    pub line: i64,
    /// Wall clock minus tick that is believed, in milliseconds.
    pub offset: i64,
    /// The time that was given last, in milliseconds since 1970.
    pub last: i64,
    /// Another offset that is not yet believed, and the tick at which it was first seen.
    pub doubted: Option<(i64, i64)>,
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time by which alerts and renewals are due.
    pub now: Timestamp,
    /// What to keep.
    pub kept: Reckoning,
    /// The tick at which the doubted reading is believed: look again then, at the latest.
    pub settles_at: Option<i64>,
    /// Time was set back: what was planned by the old one has to be planned anew.
    pub went_back: bool,
}

/// Reads `wall` (milliseconds since 1970) and the `tick` of the same moment on its `line`. A first reading is believed.
pub fn reckon(kept: Option<Reckoning>, wall: i64, tick: i64, line: i64) -> Reading {
    let seen = wall.saturating_sub(tick);
    let before = match kept {
        Some(kept) if kept.line == line => kept,
        // After a boot ticks begin anew. Nothing tells downtime from a clock that was set forward meanwhile; one that
        // is behind what was believed before is wrong now, or was then.
        Some(kept) => {
            Reckoning { line, offset: wall.max(kept.last).saturating_sub(tick), last: kept.last, doubted: None }
        }
        None => Reckoning { line, offset: seen, last: wall, doubted: None },
    };
    let reading = |offset: i64, doubted: Option<(i64, i64)>, settles_at, went_back| {
        let now = time(offset, tick);
        Reading { now, kept: Reckoning { line, offset, last: now.unix_millis(), doubted }, settles_at, went_back }
    };
    let near = |offset: i64| seen.saturating_sub(offset).saturating_abs() <= SLIP;
    if near(before.offset) {
        // A minute back passes over no stage: nothing has to be planned anew.
        return reading(seen, None, None, false);
    }
    let since = match before.doubted {
        Some((offset, since)) if near(offset) && since <= tick => since,
        _ => tick,
    };
    let behind = seen < before.offset;
    let settles_at = since.saturating_add(if behind { BEHIND_SETTLES } else { AHEAD_SETTLES });
    if settles_at <= tick {
        return reading(seen, None, None, behind);
    }
    reading(before.offset, Some((seen, since)), Some(settles_at), false)
}

fn time(offset: i64, tick: i64) -> Timestamp {
    /// 9999-12-31T23:59:59.999Z
    const LAST: i64 = 253_402_300_799_999;
    Timestamp::from_unix_millis(tick.saturating_add(offset).clamp(0, LAST)).unwrap_or(Timestamp::EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_790_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn run(readings: &[(i64, i64)]) -> Vec<Reading> {
        let mut kept = None;
        let read = |(wall, tick): &(i64, i64)| {
            let reading = reckon(kept, *wall, *tick, 1);
            kept = Some(reading.kept);
            reading
        };
        readings.iter().map(read).collect()
    }

    #[test]
    fn a_slip_ahead_pages_nobody() {
        let year = 365 * 24 * HOUR;
        let seen = run(&[(NOON, NOON), (NOON + year, NOON + 1000), (NOON + 2000, NOON + 2000)]);
        assert_eq!(seen[1].now.unix_millis(), NOON + 1000);
        assert_eq!(seen[1].settles_at, Some(NOON + 1000 + AHEAD_SETTLES));
        assert_eq!(seen[2], reckon(Some(seen[0].kept), NOON + 2000, NOON + 2000, 1));
    }

    #[test]
    fn a_jump_that_stays_is_followed_in_a_quarter_of_an_hour_ahead_and_in_a_day_back() {
        for (jump, settles, back) in [(72 * HOUR, AHEAD_SETTLES, false), (-72 * HOUR, BEHIND_SETTLES, true)] {
            let jumped = |later: i64| (NOON + jump + later, NOON + later);
            let seen = run(&[(NOON, NOON), jumped(0), jumped(settles - 1), jumped(settles)]);
            assert_eq!(seen[2].now.unix_millis(), NOON + settles - 1);
            assert_eq!(seen[3].now.unix_millis(), NOON + jump + settles);
            assert_eq!((seen[2].went_back, seen[3].went_back), (false, back));
        }
    }

    #[test]
    fn each_other_reading_waits_anew() {
        let ahead = |hours: i64, later: i64| (NOON + hours * HOUR + later, NOON + later);
        let seen = run(&[(NOON, NOON), ahead(5, 0), ahead(9, AHEAD_SETTLES - 1), ahead(9, AHEAD_SETTLES)]);
        assert_eq!(seen[3].now.unix_millis(), NOON + AHEAD_SETTLES);
        assert_eq!(seen[3].settles_at, Some(NOON + 2 * AHEAD_SETTLES - 1));
    }

    #[test]
    fn after_a_boot_downtime_counts_and_a_dead_battery_does_not() {
        let kept = run(&[(NOON + 5 * HOUR, NOON)])[0].kept;
        let week = 7 * 24 * HOUR;
        let later = reckon(Some(kept), NOON + week, NOON + week, 2);
        assert_eq!((later.now.unix_millis(), later.settles_at), (NOON + week, None));
        let empty = reckon(Some(kept), 0, NOON + HOUR, 2);
        assert_eq!(empty.now.unix_millis(), NOON + 5 * HOUR, "goes on from what was believed");
        assert_eq!(empty.settles_at, Some(NOON + HOUR + BEHIND_SETTLES));
        let set = reckon(Some(empty.kept), NOON + 9 * HOUR, NOON + 2 * HOUR, 2);
        assert_eq!(set.kept.doubted, Some((7 * HOUR, NOON + 2 * HOUR)), "set right, it is ahead of what was believed");
    }

    #[test]
    fn a_slewed_clock_is_followed_at_once() {
        let seen = run(&[(NOON, NOON), (NOON + SLIP, NOON), (NOON + 2 * SLIP, NOON), (NOON + 1, NOON + 1 + SLIP)]);
        assert_eq!(seen.iter().map(|reading| reading.settles_at).collect::<Vec<_>>()[..3], [None; 3]);
        assert_eq!(seen[2].now.unix_millis(), NOON + 2 * SLIP);
    }

    proptest! {
        /// Whatever is read, time is that of the wall clock or goes on from what was believed.
        #[test]
        fn time_is_one_of_two(steps in proptest::collection::vec((0..40 * HOUR, -400 * HOUR..400 * HOUR), 1..30)) {
            let (mut kept, mut tick, mut wall): (Option<Reckoning>, i64, i64) = (None, NOON, NOON);
            for (passed, jump) in steps {
                tick += passed;
                wall += passed + if jump % 3 == 0 { jump } else { 0 };
                let reading = reckon(kept, wall, tick, 1);
                let goes_on = kept.map_or(wall, |kept| tick + kept.offset);
                prop_assert!([wall, goes_on].contains(&reading.now.unix_millis()));
                prop_assert_eq!(reading.settles_at.is_some(), reading.kept.doubted.is_some());
                prop_assert!(reading.settles_at.is_none_or(|at| at > tick));
                prop_assert!(!reading.went_back || reading.now.unix_millis() < goes_on);
                kept = Some(reading.kept);
            }
        }
    }
}
