//! When a message that was not accepted is tried again.

use countersign_shared::time::Span;

/// Attempts of one message until it is dead.
pub const MAX_ATTEMPTS: u32 = 5;
const MINUTE: u64 = 60_000;
const LONGEST: u64 = 60 * MINUTE;

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The next attempt, after so long.
    After(Span),
    /// None, until somebody or the next day asks for it.
    Dead,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It may be accepted later: no connection, a timeout, SMTP 4xx, HTTP 408, 429 and 5xx.
    Transient,
    /// The same message will be refused again: SMTP 5xx, other HTTP 4xx, a channel that is not configured.
    Permanent,
}

/// After failure number `failures` (1 for the first): 2^n minutes, at most an hour, less up to a half of it by `random`,
/// which spreads what failed together. The fifth failure is the last.
pub fn retry(failures: u32, refusal: Refusal, random: u32) -> Retry {
    if refusal == Refusal::Permanent || failures >= MAX_ATTEMPTS {
        return Retry::Dead;
    }
    let whole = 2_u64.saturating_pow(failures).saturating_mul(MINUTE).min(LONGEST);
    let half = whole / 2;
    // A share of `half`: random / 2^32 of it.
    let share = (half * u64::from(random)) >> 32;
    Retry::After(Span::from_millis(whole - share))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(failures: u32, random: u32) -> Option<u64> {
        match retry(failures, Refusal::Transient, random) {
            Retry::After(span) => Some(span.millis()),
            Retry::Dead => None,
        }
    }

    #[test]
    fn each_failure_doubles_the_wait_and_the_fifth_ends_it() {
        for (failures, minutes) in [(1, 2), (2, 4), (3, 8), (4, 16)] {
            assert_eq!(millis(failures, 0), Some(minutes * MINUTE));
            assert_eq!(millis(failures, u32::MAX), Some(minutes * MINUTE / 2 + 1));
            assert_eq!(millis(failures, 1 << 31), Some(minutes * MINUTE * 3 / 4));
            assert_eq!(retry(failures, Refusal::Permanent, 0), Retry::Dead);
        }
        assert_eq!(millis(5, 0), None);
        assert_eq!(millis(u32::MAX, 0), None);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_an_hour_or_than_a_larger_random_makes_it(
            failures in 0..MAX_ATTEMPTS, one: u32, other: u32,
        ) {
            let (low, high) = (one.min(other), one.max(other));
            prop_assert!(millis(failures, low) >= millis(failures, high));
            prop_assert!(millis(failures, high) >= Some(MINUTE / 2) && millis(failures, low) <= Some(LONGEST));
        }
    }
}
