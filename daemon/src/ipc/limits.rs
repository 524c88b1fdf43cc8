//! Every limit of the socket, by name.

use std::io;
use std::time::Duration;

use countersign_shared::protocol::frame::MAX_FRAME;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limits of the socket. The defaults are the documented ones; tests use smaller ones.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once: 4096.
    pub connections: usize,
    /// Connections at once of one user: 1024.
    pub connections_per_uid: usize,
    /// Octets of large frames under way and of large answers not read yet, over all connections of one user:
    /// 64 MiB. A connection's first 64 KiB either way do not count.
    pub memory_per_uid: usize,
    /// Octets of a frame, line feed included: 1 MiB. An answer is held to it as well.
    pub frame: usize,
    /// Octets of an oversized frame that are read and thrown away before the connection is closed: 64 MiB.
    pub oversized_frame: usize,
    /// Time for a frame from its first octet to its line feed: 30 s.
    pub frame_time: Duration,
    /// Calls of one connection that run aside at once: 32.
    pub aside: usize,
    /// Subscriptions of one connection: 8.
    pub streams: usize,
    /// Octets of answers that wait for a connection's peer to read; no further call is taken up above it: 1 MiB.
    pub queued: usize,
    /// Time for queued answers to be taken by the peer: 30 s.
    pub write_time: Duration,
    /// Time for running calls to end when the daemon stops: 10 s.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_uid: 1024,
            memory_per_uid: 64 * 1024 * 1024,
            frame: MAX_FRAME,
            oversized_frame: 64 * MAX_FRAME,
            frame_time: Duration::from_secs(30),
            aside: 32,
            streams: 8,
            queued: 1024 * 1024,
            write_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Descriptors that the daemon keeps for itself: database, ledger, delivery, attestation.
    const RESERVED: u64 = 128;

    /// Fits the number of connections to the number of descriptors that the process may open, so that
    /// connections never take the descriptors that a decision needs.
    #[must_use]
    pub fn within(mut self, open_files: u64) -> Self {
        let free = open_files.saturating_sub(Self::RESERVED).max(16);
        self.connections = self.connections.min(usize::try_from(free).unwrap_or(usize::MAX));
        self.connections_per_uid = self.connections_per_uid.min((self.connections * 3 / 4).max(1));
        self
    }
}

/// Raises the soft limit of open files to the hard one and returns it.
pub fn raise_open_files() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_the_daemon_itself() {
        let limits = Limits::default().within(1024);
        assert_eq!((limits.connections, limits.connections_per_uid), (896, 672));
        assert_eq!(Limits::default().within(1 << 20).connections, 4096);
        assert_eq!(Limits::default().within(0).connections, 16);
    }
}
