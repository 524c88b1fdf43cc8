//! Lines out of octets: bounded in size, whatever arrives and however it is cut.

use countersign_shared::error::ApiError;

use super::limits::Limits;
use super::seats::{Reserve, no_memory};

/// The buffer of a connection that has sent nothing large.
const SMALL: usize = 8 * 1024;
/// A buffer above this is given back once it is empty.
const KEPT: usize = 64 * 1024;

/// Splits what a peer sends at line feeds. It performs no I/O: the owner reads into [`Decoder::room`], reports
/// with [`Decoder::filled`], and takes lines until there is none.
#[derive(Debug)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
    /// Where the frame under way begins.
    start: usize,
    /// Up to where it was searched for a line feed.
    scanned: usize,
    /// Up to where octets were received.
    end: usize,
    /// The frame under way while it is being thrown away.
    skipped: Option<Skipped>,
    reserve: Reserve,
    frame_limit: usize,
    skip_limit: usize,
}

/// A frame that is not kept.
#[derive(Debug, Clone, Copy)]
struct Skipped {
    octets: usize,
    /// False where the frame itself may have been small enough but the user's memory was used up.
    oversized: bool,
}

/// What came out of the octets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded<'a> {
    /// A line without its line feed.
    Frame(&'a [u8]),
    /// A frame was too large, or too large for now; it is gone up to its line feed and the connection goes on.
    Refused(ApiError),
    /// The peer sends without end: answer, then close.
    Endless(ApiError),
}

impl Decoder {
    pub(super) fn new(limits: &Limits, reserve: Reserve) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            end: 0,
            skipped: None,
            reserve,
            frame_limit: limits.frame,
            skip_limit: limits.oversized_frame,
        }
    }

    /// Space to read into, never empty. Only to be asked for when [`Decoder::next`] gave nothing.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.scanned, self.end) = (0, 0, 0);
            if self.buffer.len() > KEPT {
                self.buffer = Vec::new();
                self.reserve.hold(0);
            }
        }
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.scanned -= self.start;
                self.end -= self.start;
                self.start = 0;
            } else {
                self.grow();
            }
        }
        &mut self.buffer[self.end..]
    }

    /// Doubles the buffer. Where the user's share of memory does not allow it, the frame under way is thrown away.
    fn grow(&mut self) {
        let size = (self.buffer.len() * 2).clamp(SMALL.min(self.frame_limit), self.frame_limit);
        if size <= KEPT || self.reserve.hold(size) {
            self.buffer.resize(size, 0);
        } else {
            self.skipped = Some(Skipped { octets: self.end, oversized: false });
            (self.start, self.scanned, self.end) = (0, 0, 0);
        }
    }

    /// `octets` were read into the room.
    pub(super) fn filled(&mut self, octets: usize) {
        self.end += octets;
    }

    /// The next line, if one is complete.
    pub(super) fn next(&mut self) -> Option<Decoded<'_>> {
        let fresh = &self.buffer[self.scanned..self.end];
        if let Some(at) = fresh.iter().position(|octet| *octet == b'\n') {
            let (first, end) = (self.start, self.scanned + at);
            self.start = end + 1;
            self.scanned = self.start;
            return Some(match self.skipped.take() {
                Some(mut skipped) => {
                    skipped.octets += end - first;
                    Decoded::Refused(self.refusal(skipped))
                }
                None => Decoded::Frame(&self.buffer[first..end]),
            });
        }
        self.scanned = self.end;
        let held = self.end - self.start;
        if self.skipped.is_some() || held >= self.frame_limit {
            let mut skipped = self.skipped.unwrap_or(Skipped { octets: 0, oversized: true });
            skipped.octets += held;
            skipped.oversized |= skipped.octets >= self.frame_limit;
            self.skipped = Some(skipped);
            self.start = self.end;
            if skipped.octets > self.skip_limit {
                return Some(Decoded::Endless(self.refusal(skipped)));
            }
        }
        None
    }

    /// True while a frame has begun and not ended.
    pub(super) fn is_within_frame(&self) -> bool {
        self.skipped.is_some() || self.end > self.start
    }

    fn refusal(&self, skipped: Skipped) -> ApiError {
        let octets = skipped.octets;
        if !skipped.oversized {
            return no_memory("a frame", octets);
        }
        ApiError::invalid(format!(
            "a frame of at least {octets} octets is over the limit of {} octets, line feed included",
            self.frame_limit
        ))
        .code(super::envelope::INVALID_REQUEST)
        .hint("send less in one call; lists page by cursor")
    }
}

/// What a peer is told that stopped in the middle of a frame.
pub(super) fn half_frame() -> ApiError {
    ApiError::invalid("the connection's input ended in the middle of a frame")
        .code(super::envelope::PARSE_ERROR)
        .hint("end each JSON object with a line feed")
}

/// What a peer is told that took too long over a frame.
pub(super) fn slow_frame(limits: &Limits) -> ApiError {
    ApiError::invalid(format!("a frame that was begun did not end within {} s", limits.frame_time.as_secs_f32()))
        .code(super::envelope::INVALID_REQUEST)
        .hint("send each JSON object in one go and end it with a line feed")
}

#[cfg(test)]
mod tests {
    use super::super::seats::Seats;
    use super::*;
    use countersign_shared::error::ErrorKind;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn decoder(frame: usize, memory_per_uid: usize) -> Decoder {
        let limits = Limits { memory_per_uid, frame, oversized_frame: frame * 4, ..Limits::default() };
        let seats = Seats::new(Arc::new(limits.clone()));
        Decoder::new(&limits, Reserve::new(seats.take(0).unwrap()))
    }

    /// Feeds `input` in pieces of at most `piece` octets; oversized frames come out as `None`.
    fn lines(input: &[u8], piece: usize, frame: usize) -> (Vec<Option<Vec<u8>>>, bool) {
        let mut decoder = decoder(frame, 1 << 20);
        let mut out = Vec::new();
        let mut rest = input;
        while !rest.is_empty() {
            let room = decoder.room();
            let n = room.len().min(piece).min(rest.len());
            room[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            decoder.filled(n);
            assert!(decoder.buffer.len() <= frame);
            while let Some(decoded) = decoder.next() {
                match decoded {
                    Decoded::Frame(line) => out.push(Some(line.to_vec())),
                    Decoded::Refused(_) => out.push(None),
                    Decoded::Endless(_) => return (out, true),
                }
            }
        }
        (out, decoder.is_within_frame())
    }

    #[test]
    fn the_limit_counts_the_line_feed() {
        let fits = [vec![b'a'; 15], b"\n".to_vec()].concat();
        let over = [vec![b'a'; 16], b"\nb\n".to_vec()].concat();
        for piece in [1, 7, 100] {
            assert_eq!(lines(&fits, piece, 16).0, [Some(vec![b'a'; 15])]);
            assert_eq!(lines(&over, piece, 16).0, [None, Some(b"b".to_vec())]);
        }
        assert_eq!(lines(&[b'a'; 100], 9, 16), (vec![], true));
    }

    #[test]
    fn a_large_buffer_is_given_back() {
        let mut decoder = decoder(1 << 20, 1 << 20);
        let mut sent = 0;
        while sent < 200_000 {
            let room = decoder.room();
            room.fill(b'a');
            let n = room.len();
            decoder.filled(n);
            sent += n;
            assert_eq!(decoder.next(), None);
        }
        decoder.room()[0] = b'\n';
        decoder.filled(1);
        assert!(matches!(decoder.next(), Some(Decoded::Frame(line)) if line.len() == sent));
        assert!(!decoder.is_within_frame());
        assert_eq!(decoder.room().len(), SMALL);
    }

    #[test]
    fn a_frame_without_room_is_refused_and_small_ones_still_pass() {
        let mut decoder = decoder(1 << 20, 100_000);
        let mut sent = 0;
        while sent < 200_000 {
            let room = decoder.room();
            room.fill(b'a');
            sent += room.len();
            let n = room.len();
            decoder.filled(n);
            assert_eq!(decoder.next(), None);
        }
        decoder.room()[..3].copy_from_slice(b"\nb\n");
        decoder.filled(3);
        let Some(Decoded::Refused(refused)) = decoder.next() else { panic!("not refused") };
        assert_eq!(refused.kind, ErrorKind::RateLimited);
        assert!(refused.message.contains(&sent.to_string()), "{refused}");
        assert_eq!(decoder.next(), Some(Decoded::Frame(b"b")));
    }

    proptest! {
        #[test]
        fn cutting_changes_nothing(input in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
                                   piece in 1usize..40) {
            let expected: Vec<Option<Vec<u8>>> = {
                let mut parts: Vec<_> = input.split(|octet| *octet == b'\n').collect();
                parts.pop();
                parts.into_iter().map(|line| (line.len() < 64).then(|| line.to_vec())).collect()
            };
            let (got, _) = lines(&input, piece, 64);
            prop_assert_eq!(got, expected);
        }
    }
}
