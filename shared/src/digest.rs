//! SHA-256 values and the domain-separated hashes that the product takes.

use std::fmt;
use std::str::FromStr;

/// A SHA-256 value; 64 lower-case hexadecimal digits on every surface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash of the concatenation of `parts`. Callers separate domains by a first part that ends in NUL.
    pub fn of(parts: &[&[u8]]) -> Self {
        let hash = match parts {
            // Hashed where they are: what comes in parts is put together in a buffer, block by block.
            [whole] => ring::digest::digest(&ring::digest::SHA256, whole),
            _ => {
                let mut context = ring::digest::Context::new(&ring::digest::SHA256);
                parts.iter().for_each(|part| context.update(part));
                context.finish()
            }
        };
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.as_ref());
        Self(bytes)
    }

    /// A digest taken elsewhere.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 octets.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 digits as octets of ASCII.
    pub fn hex(&self) -> [u8; 64] {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut out = [0; 64];
        for (i, byte) in self.0.iter().enumerate() {
            out[2 * i] = HEX[usize::from(byte >> 4)];
            out[2 * i + 1] = HEX[usize::from(byte & 15)];
        }
        out
    }

    /// Upper-case groups of four digits, four groups a line: short enough to read aloud over a telephone.
    pub fn spoken(&self) -> Vec<String> {
        let digits = self.to_string().to_uppercase();
        let groups: Vec<&str> = (0..16).map(|i| &digits[i * 4..i * 4 + 4]).collect();
        groups.chunks(4).map(|line| line.join(" ")).collect()
    }
}

/// A [`Digest`] of octets that come one after the other.
#[derive(Clone)]
pub struct Hasher(ring::digest::Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// The next octets.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The hash of all of them.
    pub fn finish(self) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.finish().as_ref());
        Digest(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a digest is 64 lower-case hexadecimal digits (SHA-256)";
        let digits = raw.as_bytes();
        if digits.len() != 64 {
            return Err(SHAPE);
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(SHAPE),
        };
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = value(digits[2 * i])? << 4 | value(digits[2 * i + 1])?;
        }
        Ok(Self(bytes))
    }
}

crate::string_on_the_wire!(Digest, "Digest", "SHA-256, 64 lower-case hexadecimal digits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fips_180_vector_and_round_trip() {
        let digest = Digest::of(&[b"a", b"bc"]);
        assert_eq!(digest, Digest::of(&[b"abc"]));
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.spoken()[0], "BA78 16BF 8F01 CFEA");
    }

    #[test]
    fn other_shapes_are_refused() {
        for bad in ["", "00", &"0".repeat(63), &"A".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
