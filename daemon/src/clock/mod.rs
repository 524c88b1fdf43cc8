//! The one clock. Everything that asks for the time asks here, so that a test can hold it.
//!
//! Two readings: the *wall*, which people read and certificates carry, and the *tick*, milliseconds on a
//! line of our own that no change of the wall clock moves. Deadlines are ticks.

use std::time::Duration;

use countersign_shared::time::Timestamp;
use nix::time::{ClockId, clock_gettime};

pub mod line;

pub use line::TimeLine;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, milliseconds since 1970; may jump in either direction.
    fn wall_millis(&self) -> i64;
    /// Time since the host booted, suspension included (`CLOCK_BOOTTIME`); never jumps.
    fn boot(&self) -> Duration;
    /// Identifies this boot of the host (`/proc/sys/kernel/random/boot_id`).
    fn boot_id(&self) -> String;
}

/// The host's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_millis(&self) -> i64 {
        chrono::Utc::now().timestamp_millis()
    }

    fn boot(&self) -> Duration {
        // CLOCK_BOOTTIME exists since Linux 2.6.39; a failure would be a kernel that is not Linux.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
    }

    fn boot_id(&self) -> String {
        // Without it every start counts as a new boot, which the time line survives.
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
    }
}

/// The wall clock as a timestamp, held within the years that RFC 3339 can write.
pub fn wall(clock: &dyn Clock) -> Timestamp {
    let millis = clock.wall_millis().clamp(0, LAST_MILLIS);
    Timestamp::from_unix_millis(millis).unwrap_or(Timestamp::EPOCH)
}

/// 9999-12-31T23:59:59.999Z
const LAST_MILLIS: i64 = 253_402_300_799_999;

#[cfg(test)]
pub(crate) mod held {
    //! A clock that stands still until a test moves it.

    use std::sync::Mutex;

    use super::*;

    pub(crate) struct HeldClock(Mutex<(i64, Duration, String)>);

    impl HeldClock {
        pub(crate) fn at(wall_millis: i64) -> Self {
            Self(Mutex::new((wall_millis, Duration::from_secs(1000), "boot-1".into())))
        }

        /// Time passes: both readings move.
        pub(crate) fn pass(&self, time: Duration) {
            let mut held = self.0.lock().unwrap();
            held.0 += i64::try_from(time.as_millis()).unwrap();
            held.1 += time;
        }

        /// Somebody sets the wall clock.
        pub(crate) fn jump_wall(&self, millis: i64) {
            self.0.lock().unwrap().0 += millis;
        }

        /// The host boots again.
        pub(crate) fn reboot(&self, id: &str) {
            let mut held = self.0.lock().unwrap();
            held.1 = Duration::from_secs(5);
            held.2 = id.into();
        }
    }

    impl Clock for HeldClock {
        fn wall_millis(&self) -> i64 {
            self.0.lock().unwrap().0
        }
        fn boot(&self) -> Duration {
            self.0.lock().unwrap().1
        }
        fn boot_id(&self) -> String {
            self.0.lock().unwrap().2.clone()
        }
    }
}
