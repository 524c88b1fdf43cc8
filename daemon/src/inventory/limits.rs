//! How much one scan may take: each bound is named in the finding that it causes.

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
    entries: usize,
    octets: u64,
}

impl<'a> Budget<'a> {
    pub fn new(limits: Limits, started: Instant, stop: &'a AtomicBool) -> Self {
        let until = started.checked_add(limits.time).unwrap_or(started);
        Self { limits, until, stop, entries: 0, octets: 0 }
    }

    /// False once the time is over or the daemon is to stop.
    pub fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && Instant::now() < self.until
    }

    /// Counts one directory entry; false where it is one too many.
    pub fn take_entry(&mut self) -> bool {
        self.entries += 1;
        self.entries <= self.limits.entries
    }

    /// Counts octets about to be read; false where they are too many.
    pub fn take_octets(&mut self, octets: u64) -> bool {
        self.octets = self.octets.saturating_add(octets);
        self.octets <= self.limits.total_size
    }
}
