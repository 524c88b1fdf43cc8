//! Serial numbers: random, so that nobody can foresee or collide them (CA/Browser Forum asks for 64 bits).

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom, SystemRandom};

/// A serial number of 16 random octets, positive; 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial([u8; 16]);

impl Serial {
    /// Draws a serial number from the system's generator.
    ///
    /// The first octet lies in 40..=7f, so that the INTEGER is positive and always 16 octets long; 126 bits
    /// are random.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, ring::error::Unspecified> {
        let mut octets = [0; 16];
        SystemRandom::new().fill(&mut octets)?;
        octets[0] = octets[0] & 0x3f | 0x40;
        Ok(Self(octets))
    }

    /// The octets of the INTEGER, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl FromStr for Serial {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a serial number is 32 lower-case hexadecimal digits, positive";
        let octets = data_encoding::HEXLOWER.decode(raw.as_bytes()).map_err(|_| SHAPE)?;
        let octets: [u8; 16] = octets.try_into().map_err(|_| SHAPE)?;
        if (0x40..=0x7f).contains(&octets[0]) { Ok(Self(octets)) } else { Err(SHAPE) }
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_positive_of_one_length_and_differ() {
        let drawn: std::collections::HashSet<Serial> = (0..1000).map(|_| Serial::random().unwrap()).collect();
        assert_eq!(drawn.len(), 1000);
        assert!(drawn.iter().all(|serial| (0x40..=0x7f).contains(&serial.as_bytes()[0])));
        assert!(drawn.iter().all(|serial| serial.to_string().len() == 32));
    }
}
