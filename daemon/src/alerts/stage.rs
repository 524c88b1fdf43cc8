//! The moments of a certificate's end at which people are told.

use countersign_shared::time::Timestamp;

/// Milliseconds of a day: thresholds are days of 24 hours before the second in which a certificate ends.
pub const DAY: i64 = 86_400_000;

/// One moment at which an alert goes out, as whole days before the end: a threshold (365 to 0), or a day after it
/// (−1, −2, …), since an expired certificate goes on alerting daily. A lower number is tighter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stage(i32);

impl Stage {
    /// A threshold, or where negative a day after the end.
    pub const fn new(days: i32) -> Self {
        Self(days)
    }

    /// Days before the end; negative after it.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// Whether it lies after the end.
    pub const fn is_overdue(self) -> bool {
        self.0 < 0
    }

    /// When it is crossed, in milliseconds since 1970.
    pub fn crossed_at(self, not_after: Timestamp) -> i64 {
        not_after.unix_millis().saturating_sub(i64::from(self.0).saturating_mul(DAY))
    }

    /// The last of the daily stages that is crossed; none within the first day after the end.
    pub(super) fn overdue(not_after: Timestamp, now: Timestamp) -> Option<Self> {
        let days = now.unix_millis().saturating_sub(not_after.unix_millis()).div_euclid(DAY);
        i32::try_from(days).ok().filter(|days| *days >= 1).map(|days| Self(-days))
    }

    /// The label of `countersign_expiry_alerts_total`, whose set is closed: 0 to 365 and `expired`.
    pub fn label(self) -> String {
        if self.is_overdue() { "expired".to_owned() } else { self.0.to_string() }
    }
}
