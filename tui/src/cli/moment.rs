//! Moments as people write them: RFC 3339, or so long from now.

use std::str::FromStr;

use countersign_shared::time::{Span, Timestamp};

/// `2027-01-31T08:00:00Z`, or `+2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    After(Span),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        match raw.strip_prefix('+') {
            Some(span) => span.parse().map(Self::After).map_err(str::to_owned),
            None => raw.parse().map(Self::At).map_err(|error: &str| format!("{error}, or +2h for two hours from now")),
        }
    }
}

impl Moment {
    /// The moment itself. One that is counted from now falls on a whole second, so that it can be said again.
    pub(super) fn from(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::After(span) => {
                let second = now.unix_millis().div_euclid(1000).checked_mul(1000)?;
                Timestamp::from_unix_millis(second.checked_add_unsigned(span.millis())?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_distance() {
        let now: Timestamp = "2027-01-31T08:00:00.750Z".parse().unwrap();
        for (raw, moment) in [
            ("2027-02-01T08:00:00+02:00", "2027-02-01T06:00:00Z"),
            ("+2h", "2027-01-31T10:00:00Z"),
            ("+90d", "2027-05-01T08:00:00Z"),
        ] {
            assert_eq!(raw.parse::<Moment>().unwrap().from(now), Some(moment.parse().unwrap()), "{raw}");
        }
        for bad in ["", "+", "2h", "+2", "tomorrow", "-2h", "2027-02-01", "+99999d"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
        let end: Timestamp = "9999-12-31T23:59:59Z".parse().unwrap();
        assert_eq!("+1h".parse::<Moment>().unwrap().from(end), None);
    }
}
