//! The daemon's own time line: milliseconds that only ever pass.
//!
//! Within one boot of the host it follows `CLOCK_BOOTTIME`, through restarts of the daemon and whatever is
//! done to the wall clock. A new boot continues from the wall clock, but never from before the last tick
//! that was recorded: what has expired stays expired.

use std::sync::Arc;
use std::time::Duration;

use countersign_shared::time::Timestamp;

use super::{Clock, wall};

/// What is kept in the database so that a restart continues the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The boot that the offset belongs to.
    pub boot_id: String,
    /// Tick minus boot time, in milliseconds.
    pub offset: i64,
}

/// The clock together with the line's place on it.
#[derive(Clone)]
pub struct TimeLine {
    clock: Arc<dyn Clock>,
    mark: Mark,
}

impl TimeLine {
    /// Continues the line: from `kept` within the same boot, else from the wall clock or `last_tick`,
    /// whichever is later.
    pub fn resume(clock: Arc<dyn Clock>, kept: Option<Mark>, last_tick: i64) -> Self {
        let boot_id = clock.boot_id();
        let boot = millis(clock.boot());
        let mark = match kept {
            Some(mark) if mark.boot_id == boot_id && !boot_id.is_empty() && mark.offset + boot >= last_tick => mark,
            _ => Mark { boot_id, offset: clock.wall_millis().max(last_tick) - boot },
        };
        Self { clock, mark }
    }

    /// What to keep.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Where the line stands now, in milliseconds.
    pub fn tick(&self) -> i64 {
        self.mark.offset + millis(self.clock.boot())
    }

    /// The wall clock.
    pub fn wall(&self) -> Timestamp {
        wall(self.clock.as_ref())
    }

    /// Time since boot, for records.
    pub fn boot_millis(&self) -> i64 {
        millis(self.clock.boot())
    }

    /// The reading of `CLOCK_BOOTTIME` at which the line reaches `tick`; zero where that has passed before boot.
    pub fn boot_at(&self, tick: i64) -> Duration {
        Duration::from_millis(u64::try_from(tick - self.mark.offset).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::held::HeldClock;
    use super::*;

    const NOON: i64 = 1_790_000_000_000;

    #[test]
    fn the_wall_clock_does_not_move_the_line() {
        let clock = Arc::new(HeldClock::at(NOON));
        let line = TimeLine::resume(clock.clone(), None, 0);
        assert_eq!(line.tick(), NOON);
        clock.jump_wall(365 * 86_400_000);
        assert_eq!(line.tick(), NOON);
        clock.jump_wall(-730 * 86_400_000);
        clock.pass(Duration::from_secs(1));
        assert_eq!(line.tick(), NOON + 1000);
        let restarted = TimeLine::resume(clock, Some(line.mark().clone()), NOON + 500);
        assert_eq!(restarted.tick(), NOON + 1000);
    }

    #[test]
    fn a_boot_with_a_dead_battery_does_not_bring_time_back() {
        let clock = Arc::new(HeldClock::at(NOON));
        let line = TimeLine::resume(clock.clone(), None, 0);
        clock.pass(Duration::from_secs(3600));
        let last = line.tick();
        clock.jump_wall(-20 * 365 * 86_400_000);
        clock.reboot("boot-2");
        let rebooted = TimeLine::resume(clock.clone(), Some(line.mark().clone()), last);
        assert_eq!(rebooted.tick(), last);
        clock.pass(Duration::from_secs(1));
        assert_eq!(rebooted.tick(), last + 1000);
        assert_eq!(rebooted.boot_at(last + 1000), Duration::from_secs(6));
    }

    #[test]
    fn days_of_downtime_count() {
        let clock = Arc::new(HeldClock::at(NOON));
        let line = TimeLine::resume(clock.clone(), None, 0);
        clock.reboot("boot-2");
        clock.jump_wall(3 * 86_400_000);
        let rebooted = TimeLine::resume(clock, Some(line.mark().clone()), line.tick());
        assert_eq!(rebooted.tick(), NOON + 3 * 86_400_000);
    }
}
