//! Times for people: RFC 3339 in UTC, and how far away that is.

use countersign_shared::time::{Span, Timestamp};

/// `2027-01-31T08:00:00Z, in 3h 5m`
pub(super) fn with_distance(time: Timestamp, now: Timestamp) -> String {
    format!("{}, {}", seconds(time), distance(time, now))
}

/// `in 3h 5m`, `2d 1h ago`, `now`
pub(super) fn distance(time: Timestamp, now: Timestamp) -> String {
    let gap = time.unix_millis().saturating_sub(now.unix_millis());
    let span = Span::from_millis(gap.unsigned_abs());
    match (span.secs(), gap > 0) {
        (0, _) => "now".to_owned(),
        (_, true) => format!("in {}", span.rough()),
        (_, false) => format!("{} ago", span.rough()),
    }
}

/// How long ago, without the word: `2d 1h`; `0s` for what lies ahead.
pub(super) fn age(time: Timestamp, now: Timestamp) -> String {
    let gap = now.unix_millis().saturating_sub(time.unix_millis());
    Span::from_millis(u64::try_from(gap).unwrap_or(0)).rough()
}

/// RFC 3339 in UTC with whole seconds.
pub(super) fn seconds(time: Timestamp) -> String {
    time.datetime().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_told_in_both_directions() {
        let now: Timestamp = "2027-01-31T08:00:00.500Z".parse().unwrap();
        for (time, shown) in [
            ("2027-01-31T11:05:00.500Z", "2027-01-31T11:05:00Z, in 3h 5m"),
            ("2027-01-29T07:00:00.500Z", "2027-01-29T07:00:00Z, 2d 1h ago"),
            ("2027-01-31T08:00:00.100Z", "2027-01-31T08:00:00Z, now"),
        ] {
            assert_eq!(with_distance(time.parse().unwrap(), now), shown);
        }
        assert_eq!(age("2027-01-31T07:59:00.500Z".parse().unwrap(), now), "1m 0s");
        assert_eq!(age("2028-01-31T07:59:00.500Z".parse().unwrap(), now), "0s");
    }
}
