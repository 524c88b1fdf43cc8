//! Numbers, hashes and names as the formats of C2SP write them: one way to write each, and text from outside made fit to show.

use std::str::Split;

use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use data_encoding::BASE64;

/// The number that a line of decimal digits is: no sign, no leading zero but in `0` itself.
pub fn decimal(digits: &str) -> Option<u64> {
    let canonical = digits == "0" || !digits.starts_with('0');
    (canonical && !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The hash that a line of base 64 is: RFC 4648 §4 with padding, no stray bits.
pub fn hash(line: &str) -> Option<Digest> {
    let octets: [u8; 32] = BASE64.decode(line.as_bytes()).ok()?.try_into().ok()?;
    Some(Digest::from_bytes(octets))
}

/// A hash as a line.
pub fn of_hash(hash: &Digest) -> String {
    BASE64.encode(hash.as_bytes())
}

/// The lines before the first empty one, and the octets behind it. Bounded like a note.
pub fn head(octets: &[u8]) -> Option<(Split<'_, char>, &[u8])> {
    // What stands before a note is at most 65 hashes, and the extra data of a proof.
    const MOST: usize = 64 * 1024;
    let blank = octets.windows(2).take(MOST).position(|pair| pair == b"\n\n")?;
    let head = std::str::from_utf8(&octets[..blank]).ok()?;
    Some((head.split('\n'), &octets[blank + 2..]))
}

/// The lines as hashes, `most` at most.
pub fn hashes<'a>(lines: impl Iterator<Item = &'a str>, most: usize) -> Option<Vec<Digest>> {
    let hashes: Vec<Digest> = lines.take(most + 1).map(hash).collect::<Option<_>>()?;
    (hashes.len() <= most).then_some(hashes)
}

/// At most 80 characters of foreign text, with nothing in it that deceives.
pub fn shown(raw: &str) -> String {
    const MOST: usize = 80;
    let mut shortened: String = raw.chars().take(MOST).collect();
    if raw.chars().nth(MOST).is_some() {
        shortened.push('…');
    }
    Untrusted::new(shortened).safe().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_way_to_write_a_number() {
        for (digits, number) in [("0", 0), ("10", 10), ("18446744073709551615", u64::MAX)] {
            assert_eq!(decimal(digits), Some(number));
        }
        for digits in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "１", "18446744073709551616"] {
            assert_eq!(decimal(digits), None, "{digits}");
        }
    }

    #[test]
    fn one_way_to_write_a_hash() {
        let line = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        assert_eq!(hash(line).map(|hash| of_hash(&hash)).as_deref(), Some(line));
        for line in [
            "",
            "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I",
            "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=",
            "CsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I=",
            " CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
            "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==",
        ] {
            assert_eq!(hash(line), None, "{line}");
        }
    }

    #[test]
    fn foreign_text_is_short_and_plain() {
        assert_eq!(shown("a\u{202e}b"), "a<U+202E>b");
        assert_eq!(shown(&"x".repeat(81)), format!("{}…", "x".repeat(80)));
    }
}
