//! The strings of RFC 4251 §5: a length of four octets, and as many octets.

/// Octets that are read from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// So many octets.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).and_then(|octets| octets.first().copied())
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    /// A positive number of arbitrary size, written in one way alone: no needless zero before it.
    pub(super) fn positive(&mut self) -> Option<&'a [u8]> {
        match self.string()? {
            [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
            number @ [first, ..] if (1..0x80).contains(first) => Some(number),
            _ => None,
        }
    }

    /// The same in exactly `N` octets.
    pub(super) fn scalar<const N: usize>(&mut self) -> Option<[u8; N]> {
        let number = self.positive()?;
        let mut padded = [0; N];
        padded.get_mut(N.checked_sub(number.len())?..)?.copy_from_slice(number);
        Some(padded)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Appends a string.
pub(super) fn put(out: &mut Vec<u8>, octets: &[u8]) {
    // Nothing that is written here is longer than a message of the protocol, 1 MiB.
    out.extend(u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(octets);
}
