//! What everybody has to see, whatever screen is shown.

use super::State;

/// One alarm; each takes a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Damage was found and the daemon decides nothing.
    ReadOnly,
    /// A verification found damage that the daemon does not tell of yet.
    Damaged,
    /// More than the policy allows is anchored nowhere else.
    Unanchored,
    /// Nobody is asked.
    Bypass,
    /// Rules stopped somebody again and again.
    Attempts,
    /// Nothing is real.
    Demo,
}

impl State {
    /// The alarms that are up, the worst first.
    pub fn alarms(&self) -> Vec<Alarm> {
        let says = |alarm: Alarm| {
            let daemon = self.daemon.as_ref();
            match alarm {
                Alarm::ReadOnly => daemon.is_some_and(|daemon| daemon.read_only),
                Alarm::Damaged => self.audit.found_damage().is_some() && daemon.is_none_or(|daemon| !daemon.read_only),
                Alarm::Unanchored => daemon.is_some_and(|daemon| daemon.anchor_overdue),
                Alarm::Bypass => daemon.is_some_and(|daemon| daemon.bypass),
                Alarm::Attempts => daemon.is_some_and(|daemon| !daemon.attempts.is_empty()),
                Alarm::Demo => self.demo(),
            }
        };
        let all = [Alarm::ReadOnly, Alarm::Damaged, Alarm::Unanchored, Alarm::Bypass, Alarm::Attempts, Alarm::Demo];
        all.into_iter().filter(|alarm| says(*alarm)).collect()
    }
}
