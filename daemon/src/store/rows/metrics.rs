//! What the counters start from: they count ledger events, so the ledger's tables say what they were.

use countersign_shared::lifecycle::RequestState;
use rusqlite::Connection;

use super::parsed;

/// How a request ended, as the metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// By a quorum.
    Approved,
    /// By a rejection.
    Rejected,
    /// By its deadline.
    Expired,
    /// By the bypass.
    Bypassed,
    /// By an admin.
    Voided,
    /// By its requester.
    Withdrawn,
}

impl Outcome {
    /// Every value: the label set is closed.
    pub const ALL: [Self; 6] =
        [Self::Approved, Self::Rejected, Self::Expired, Self::Bypassed, Self::Voided, Self::Withdrawn];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Bypassed => "bypassed",
            Self::Voided => "voided",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What a terminal state counts as; `None` for a request that is still pending.
    pub fn of(state: RequestState, by_bypass: bool) -> Option<Self> {
        match state {
            RequestState::Pending => None,
            RequestState::Approved if by_bypass => Some(Self::Bypassed),
            RequestState::Approved => Some(Self::Approved),
            RequestState::Rejected => Some(Self::Rejected),
            RequestState::Expired => Some(Self::Expired),
            RequestState::Voided => Some(Self::Voided),
            RequestState::Withdrawn => Some(Self::Withdrawn),
        }
    }

    /// True where people decided: the ages of these make the histogram.
    pub fn by_people(self) -> bool {
        matches!(self, Self::Approved | Self::Rejected)
    }
}

/// Calls `each` for every request that has ended: outcome, profile, and how long it was pending in milliseconds.
///
/// In the order in which they ended: a sum of fractions depends on the order of its terms, and the histogram's has
/// to come out as it was before the restart.
pub fn ended(connection: &Connection, mut each: impl FnMut(Outcome, &str, i64)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT r.state, r.profile_id, r.decided_by = 'system-bypass' AS bypass, a.details ->> '$.tick' AS ended,
                r.created_tick
         FROM approval_requests r JOIN audit_events a ON a.seq = r.seq WHERE r.state <> 'pending' ORDER BY r.seq",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let state: RequestState = parsed(row, "state")?;
        let age = row.get::<_, i64>("ended")? - row.get::<_, i64>("created_tick")?;
        if let Some(outcome) = Outcome::of(state, row.get("bypass")?) {
            each(outcome, row.get_ref("profile_id")?.as_str()?, age);
        }
    }
    Ok(())
}
