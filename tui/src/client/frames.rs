//! Lines in and out of the socket: whole frames, a limit on their size, and a deadline on each wait.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use interprocess::local_socket::Stream;
use interprocess::local_socket::traits::Stream as _;

/// The largest answer that is read, in octets: 16 MiB. A page of 500 rows with every text at its limit fits.
pub const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// What one read takes at most, in octets.
const CHUNK: usize = 64 * 1024;

/// Why there is no frame.
#[derive(Debug)]
pub(super) enum FrameError {
    /// The deadline passed.
    TimedOut,
    /// The frame is larger than [`MAX_ANSWER`].
    TooLarge,
    /// The stream ended or failed.
    Io(io::Error),
}

/// A socket that is read line by line.
#[derive(Debug)]
pub(super) struct Frames {
    stream: Stream,
    /// What was read; everything before `start` was taken already.
    held: Vec<u8>,
    start: usize,
    /// How far `held` is known to hold no line feed.
    scanned: usize,
    /// Whether the socket has time limits of its own now, for writing and for reading.
    limited: (bool, bool),
}

impl Frames {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, held: Vec::new(), start: 0, scanned: 0, limited: (false, false) }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Writes one frame, line feed included.
    pub(super) fn send(&mut self, frame: &[u8], deadline: Option<Instant>) -> Result<(), FrameError> {
        let mut rest = frame;
        while !rest.is_empty() {
            let limit = remaining(deadline)?;
            if limit.is_some() || self.limited.0 {
                self.stream.set_send_timeout(limit).map_err(FrameError::Io)?;
                self.limited.0 = limit.is_some();
            }
            match (&self.stream).write(rest) {
                Ok(0) => return Err(FrameError::Io(io::ErrorKind::WriteZero.into())),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) => retriable(error)?,
            }
        }
        Ok(())
    }

    /// The next line without its line feed.
    pub(super) fn receive(&mut self, deadline: Option<Instant>) -> Result<Vec<u8>, FrameError> {
        loop {
            let fresh = self.held.get(self.scanned..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|&byte| byte == b'\n') {
                let end = self.scanned + at;
                let frame = self.held.get(self.start..end).unwrap_or_default().to_vec();
                self.start = end + 1;
                self.scanned = self.start;
                return Ok(frame);
            }
            self.held.drain(..self.start);
            self.start = 0;
            self.scanned = self.held.len();
            if self.scanned > MAX_ANSWER {
                return Err(FrameError::TooLarge);
            }
            self.fill(deadline)?;
        }
    }

    fn fill(&mut self, deadline: Option<Instant>) -> Result<(), FrameError> {
        let limit = remaining(deadline)?;
        if limit.is_some() || self.limited.1 {
            self.stream.set_recv_timeout(limit).map_err(FrameError::Io)?;
            self.limited.1 = limit.is_some();
        }
        let held = self.held.len();
        self.held.resize(held + CHUNK, 0);
        let outcome = (&self.stream).read(self.held.get_mut(held..).unwrap_or_default());
        self.held.truncate(held + outcome.as_ref().copied().unwrap_or(0));
        match outcome {
            Ok(0) => Err(FrameError::Io(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the daemon closed the connection",
            ))),
            Ok(_) => Ok(()),
            Err(error) => retriable(error),
        }
    }
}

/// What is left until the deadline, for the socket's own time limit; an error once it has passed.
fn remaining(deadline: Option<Instant>) -> Result<Option<Duration>, FrameError> {
    let Some(deadline) = deadline else { return Ok(None) };
    let left = deadline.saturating_duration_since(Instant::now());
    // A limit of zero would mean none at all to the kernel, which counts whole microseconds.
    if left < Duration::from_micros(1) { Err(FrameError::TimedOut) } else { Ok(Some(left)) }
}

/// A wait that was interrupted or ran out goes round again: the deadline alone decides.
fn retriable(error: io::Error) -> Result<(), FrameError> {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Ok(()),
        _ => Err(FrameError::Io(error)),
    }
}
