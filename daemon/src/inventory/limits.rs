//! How much one scan may take: each bound is named in the finding that it causes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bounds of one scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file that is read, in octets.
    pub file_size: u64,
    /// The most octets that are read in all.
    pub total_size: u64,
    /// The deepest directory below a root; 0 is the root itself.
    pub depth: usize,
    /// The most directory entries that are looked at, over all roots.
    pub entries: usize,
    /// Of entries, octets, sightings and iterations, one account may use one part in so many; root may use all. Whoever
    /// writes into one directory that is scanned hides nothing in the others.
    pub share: u64,
    /// The most iterations of key derivation, over all keystores.
    pub iterations: u64,
    /// The most certificates of one place.
    pub certificates_of_place: usize,
    /// The most sightings of one scan.
    pub sightings: usize,
    /// The most findings that are kept; how many more there were is counted.
    pub findings: usize,
    /// How long one scan may take.
    pub time: Duration,
    /// How long one listener may take, from connecting to its chain.
    pub listener_time: Duration,
    /// The most octets that are read from one listener.
    pub listener_size: usize,
    /// The most listeners of one scan.
    pub listeners: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_size: 4 << 20,
            total_size: 1 << 30,
            depth: 16,
            entries: 200_000,
            share: 4,
            iterations: 20_000_000,
            certificates_of_place: 1000,
            sightings: 100_000,
            findings: 1000,
            time: Duration::from_secs(300),
            listener_time: Duration::from_secs(5),
            listener_size: 256 << 10,
            listeners: 256,
        }
    }
}

/// What is left of a scan's bounds.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    pub limits: Limits,
    pub until: Instant,
    stop: &'a AtomicBool,
    entries: Measure,
    octets: Measure,
}

/// What there is of something for all, and how much of it was used by whom.
#[derive(Debug)]
pub(super) struct Measure {
    most: u64,
    share: u64,
    used: u64,
    by: HashMap<u32, u64>,
}

/// What is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UsedUp {
    /// All there is.
    All(u64),
    /// What one account may use.
    Share(u64),
}

impl Measure {
    pub fn new(most: u64, share: u64) -> Self {
        Self { most, share: most.div_ceil(share.max(1)), used: 0, by: HashMap::new() }
    }

    /// How much is left for whoever has this uid.
    pub fn left(&self, uid: Option<u32>) -> u64 {
        let all = self.most.saturating_sub(self.used);
        match uid {
            None | Some(0) => all,
            Some(uid) => all.min(self.share.saturating_sub(self.by.get(&uid).copied().unwrap_or(0))),
        }
    }

    /// Counts so much, if there is so much left.
    pub fn take(&mut self, uid: Option<u32>, amount: u64) -> Result<(), UsedUp> {
        if amount > self.most.saturating_sub(self.used) {
            return Err(UsedUp::All(self.most));
        }
        if amount > self.left(uid) {
            return Err(UsedUp::Share(self.share));
        }
        self.used += amount;
        if let Some(uid) = uid {
            *self.by.entry(uid).or_default() += amount;
        }
        Ok(())
    }
}

impl<'a> Budget<'a> {
    pub fn new(limits: Limits, started: Instant, stop: &'a AtomicBool) -> Self {
        let until = started.checked_add(limits.time).unwrap_or(started);
        Self {
            limits,
            until,
            stop,
            entries: Measure::new(limits.entries as u64, limits.share),
            octets: Measure::new(limits.total_size, limits.share),
        }
    }

    /// False once the time is over or the daemon is to stop.
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && Instant::now() < self.until
    }

    /// Counts one directory entry of an account.
    pub fn take_entry(&mut self, uid: u32) -> Result<(), UsedUp> {
        self.entries.take(Some(uid), 1)
    }

    /// Counts octets about to be read of an account's file.
    pub fn take_octets(&mut self, uid: u32, octets: u64) -> Result<(), UsedUp> {
        self.octets.take(Some(uid), octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_root_uses_more_than_a_share() {
        let mut measure = Measure::new(10, 4);
        assert_eq!(measure.take(Some(7), 4), Err(UsedUp::Share(3)));
        assert_eq!((measure.take(Some(7), 3), measure.left(Some(7)), measure.left(Some(8))), (Ok(()), 0, 3));
        assert_eq!(measure.take(Some(7), 1), Err(UsedUp::Share(3)));
        assert_eq!((measure.take(Some(0), 6), measure.left(Some(8)), measure.left(None)), (Ok(()), 1, 1));
        assert_eq!(measure.take(Some(8), 2), Err(UsedUp::All(10)));
    }
}
