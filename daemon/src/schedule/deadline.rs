//! Sleeping until a moment of the time line, through suspension and changes of the wall clock.

use std::io;
use std::os::fd::AsFd;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::Mutex;

use crate::clock::TimeLine;

/// One alarm. `CLOCK_BOOTTIME` runs on while the host sleeps, which tokio's own timers do not.
pub struct Alarm {
    timer: TimerFd,
    /// The same timer, to be read: eight octets arrive when it has gone off. It is no pipe, but it is read
    /// like one, and this is tokio's way to read a descriptor without `unsafe`.
    rings: Mutex<pipe::Receiver>,
    line: TimeLine,
}

impl Alarm {
    /// An alarm that is not set.
    pub fn new(line: TimeLine) -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let rings = pipe::Receiver::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self { timer, rings: Mutex::new(rings), line })
    }

    /// Returns when the line reaches `tick`; never, where there is none.
    pub async fn until(&self, tick: Option<i64>) -> io::Result<()> {
        let Some(tick) = tick else { return std::future::pending().await };
        // An alarm at zero is no alarm (timerfd_settime(2)): the earliest is one nanosecond after boot.
        let at = self.line.boot_at(tick).max(std::time::Duration::from_nanos(1));
        let mut rings = self.rings.lock().await;
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(at)), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        rings.read_exact(&mut [0; 8]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn it_rings_at_its_moment_at_once_where_that_has_passed_and_again_when_set_again() {
        let line = TimeLine::resume(Arc::new(SystemClock), None, 0);
        let alarm = Alarm::new(line.clone()).unwrap();
        for wait in [20, -1_000_000_000_000, 20] {
            let tick = line.tick() + wait;
            alarm.until(Some(tick)).await.unwrap();
            assert!(line.tick() >= tick);
        }
        let never = tokio::time::timeout(std::time::Duration::from_millis(20), alarm.until(None));
        assert!(never.await.is_err());
    }
}
