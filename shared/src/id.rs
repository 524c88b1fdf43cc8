//! Identifiers: a prefix that names the kind of thing, and a part that sorts by time of creation.

use std::fmt;
use std::str::FromStr;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so that an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Nine digits of milliseconds since 1970 (45 bits, until the year 3084) and five random ones (25 bits).
const TIME_DIGITS: usize = 9;
const RANDOM_DIGITS: usize = 5;

/// The sortable part of a fresh identifier.
///
/// Two ids made in one millisecond collide with a chance of 1 in 33,554,432; the database's primary key
/// decides, and the caller draws again.
pub fn unique_part(unix_millis: u64, random: u32) -> String {
    let mut digits = [0u8; TIME_DIGITS + RANDOM_DIGITS];
    let bits = u128::from(unix_millis) << (5 * RANDOM_DIGITS) | u128::from(random & 0x1ff_ffff);
    for (i, digit) in digits.iter_mut().rev().enumerate() {
        *digit = ALPHABET[(bits >> (5 * i) & 31) as usize];
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

macro_rules! id {
    ($name:ident, $prefix:literal, $what:literal) => {
        #[doc = concat!("The identifier of ", $what, ": `", $prefix, "` and 1 to 32 lower-case letters or digits.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// What every identifier of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh identifier; see [`unique_part`].
            pub fn fresh(unix_millis: u64, random: u32) -> Self {
                Self(format!("{}{}", $prefix, unique_part(unix_millis, random)))
            }

            /// The whole identifier, prefix included.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(raw: &str) -> Result<Self, String> {
                let rest = raw.strip_prefix($prefix).unwrap_or_default();
                let fits = (1..=32).contains(&rest.len())
                    && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
                if fits {
                    Ok(Self(raw.to_owned()))
                } else {
                    Err(concat!("the id of ", $what, " looks like ", $prefix, "01k8z3v5d2fq7m").to_owned())
                }
            }
        }

        crate::string_on_the_wire!($name, stringify!($name), concat!("identifier of ", $what));
    };
}

id!(RequestId, "ar-", "a request");
id!(JobId, "job-", "a job");
id!(CertificateId, "mc-", "a certificate");
id!(EventId, "ev-", "a ledger record");
id!(DelegationId, "dg-", "a delegation");

/// Eight digits hold sequence numbers up to 2⁴⁰.
const SEQ_DIGITS: usize = 8;

impl EventId {
    /// The identifier of the record with this sequence number: it sorts by time and carries the number, so
    /// that a look-up needs no index and two records never share one.
    pub fn of_record(unix_millis: u64, seq: u64) -> Self {
        let time = unique_part(unix_millis, 0);
        let digit = |i: usize| char::from(ALPHABET[(seq >> (5 * i) & 31) as usize]);
        let seq: String = (0..SEQ_DIGITS).rev().map(digit).collect();
        Self(format!("{}{}{seq}", Self::PREFIX, &time[..TIME_DIGITS]))
    }

    /// The sequence number that [`EventId::of_record`] put in; `None` for an identifier of another shape.
    pub fn seq(&self) -> Option<u64> {
        let digits = self.0.strip_prefix(Self::PREFIX)?.get(TIME_DIGITS..)?;
        if digits.len() != SEQ_DIGITS {
            return None;
        }
        digits.bytes().try_fold(0, |seq, byte| {
            let value = ALPHABET.iter().position(|&digit| digit == byte)?;
            Some(seq << 5 | value as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_parse_back() {
        let early = RequestId::fresh(1_790_000_000_000, u32::MAX);
        let late = RequestId::fresh(1_790_000_000_001, 0);
        assert!(early < late);
        assert_eq!(early.as_str().len(), "ar-".len() + 14);
        assert_eq!(late.to_string().parse(), Ok(late));
    }

    #[test]
    fn an_event_id_carries_its_sequence_number() {
        for seq in [0, 1, 31, 32, 1_000_000, (1 << 40) - 1] {
            assert_eq!(EventId::of_record(1_790_000_000_000, seq).seq(), Some(seq));
        }
        assert_eq!("ev-1".parse::<EventId>().unwrap().seq(), None);
        assert_eq!("ev-000000000iiiiiiii".parse::<EventId>().unwrap().seq(), None);
    }

    #[test]
    fn another_kind_or_shape_is_refused() {
        for bad in ["", "ar-", "job-01", "ar-UPPER", "ar-a b", "ar-\u{1b}[2J", &format!("ar-{}", "a".repeat(33))] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad:?}");
        }
    }
}
