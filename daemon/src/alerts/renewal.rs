//! When a certificate version is renewed by itself. Pure, like [`look`](super::pass::look).

use countersign_shared::time::Timestamp;

use crate::policy::RenewalPolicy;

/// When a version is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From.
    pub not_before: Timestamp,
    /// To, inclusive.
    pub not_after: Timestamp,
}

/// What was done so far to renew this version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Efforts {
    /// A request waits for people, or a job is under way.
    pub open: bool,
    /// People said no, or let it pass: the last request of the daemon for this version was rejected, expired or voided,
    /// and nothing that was asked for since has been carried out.
    pub refused: bool,
    /// Jobs that failed.
    pub failures: u32,
    /// When the last of them did.
    pub failed_at: Option<Timestamp>,
}

/// What to do about a version now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing: the policy leaves it to people.
    ByHand,
    /// One is under way, and there is never a second.
    UnderWay,
    /// Nothing by itself: people ended the last one. Alerts go on, and anybody who may can ask again.
    Refused,
    /// Nothing by itself: every try failed. Alerts go on.
    Exhausted,
    /// Ask for it then.
    At(Timestamp),
    /// Ask for it.
    Now,
}

impl Renewal {
    /// When to look again without an event that changes the [`Efforts`].
    pub const fn next(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::ByHand | Self::UnderWay | Self::Refused | Self::Exhausted | Self::Now => None,
        }
    }
}

/// When renewal begins: as many days before the end as the policy says. A window that leaves less than a tenth of the
/// lifetime would renew what was just issued, again and again; it stands for the last third of the lifetime.
pub fn begins(policy: &RenewalPolicy, validity: Validity) -> i64 {
    let (from, to) = (validity.not_before.unix_millis(), validity.not_after.unix_millis());
    let lifetime = to.saturating_sub(from).max(0);
    let window = i64::from(policy.renewal_window_days) * super::stage::DAY;
    if window > lifetime / 10 * 9 { to - lifetime / 3 } else { to - window }
}

/// What to do. Days of downtime and jumps of the clock change nothing but when it is asked: there is one renewal at a
/// time, and each failure is followed by one try, `retry_interval_seconds` later, `max_retries` times.
pub fn renewal(policy: &RenewalPolicy, validity: Validity, efforts: Efforts, now: Timestamp) -> Renewal {
    if efforts.open {
        return Renewal::UnderWay;
    }
    if efforts.refused {
        return Renewal::Refused;
    }
    if efforts.failures > policy.max_retries {
        return Renewal::Exhausted;
    }
    if !policy.auto_renew {
        return Renewal::ByHand;
    }
    let interval = i64::from(policy.retry_interval_seconds) * 1000;
    // A failure further ahead than that has its time from a clock that was wrong: it is waited for no longer, or a day of
    // a wrong clock would be a year without a try. The next failure has another time.
    let failed = efforts.failed_at.map(Timestamp::unix_millis).filter(|at| *at <= now.unix_millis() + interval);
    let failed = failed.map(|at| at.saturating_add(interval));
    let at = begins(policy, validity).max(failed.unwrap_or(i64::MIN));
    if at <= now.unix_millis() {
        return Renewal::Now;
    }
    Timestamp::from_unix_millis(at).map_or(Renewal::ByHand, Renewal::At)
}
