//! When things happen to a request: by the hours in which people work, where its profile has a calendar, and on the
//! daemon's time line, which no change of the wall clock moves.

use countersign_shared::error::ApiError;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestKind, TimerKind};
use countersign_shared::time::{Span, Timestamp};

use crate::policy::Profile;
use crate::store::rows::terms::Scheduled;
use crate::store::rows::timers::{self, Timer};
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// The farthest scheduled start.
const LONGEST_DELAY: Span = Span::from_secs(90 * 86_400);

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock as it stands now.
    pub at: Timestamp,
    /// On the time line.
    pub tick: i64,
}

impl Moment {
    /// The begin of the command.
    pub fn of(transaction: &Transaction<'_>) -> Self {
        Self { at: transaction.now(), tick: transaction.tick() }
    }

    /// So long after it.
    pub fn later(self, span: Span) -> Self {
        self.shifted(i64::try_from(span.millis()).unwrap_or(i64::MAX))
    }

    /// The same distance from it on both.
    fn shifted(self, millis: i64) -> Self {
        let at = Timestamp::from_unix_millis(self.at.unix_millis().saturating_add(millis)).unwrap_or(self.at);
        Self { at, tick: self.tick.saturating_add(millis) }
    }
}

/// When so much of the time counted by a profile has passed since `from`: open hours alone where it has a calendar.
pub fn after(profile: &Profile, from: Moment, span: Span) -> Moment {
    let millis = match &profile.rules().calendar {
        Some(calendar) => calendar.after(from.at, span).unix_millis().saturating_sub(from.at.unix_millis()),
        None => i64::try_from(span.millis()).unwrap_or(i64::MAX),
    };
    from.shifted(millis)
}

/// A scheduled start, as asked for.
pub fn scheduled(transaction: &Transaction<'_>, at: Option<Timestamp>) -> Result<Option<Scheduled>, ApiError> {
    let Some(at) = at else { return Ok(None) };
    let wait = at.unix_millis().saturating_sub(transaction.now().unix_millis());
    if wait <= 0 {
        return Err(ApiError::invalid(format!("`not_before` is {at}, which has passed")));
    }
    if u64::try_from(wait).unwrap_or(0) > LONGEST_DELAY.millis() {
        return Err(ApiError::invalid(format!("`not_before` is {at}; at most {LONGEST_DELAY} from now is taken")));
    }
    Ok(Some(Scheduled { at, tick: transaction.tick().saturating_add(wait) }))
}

/// Sets what time does to a request made now, besides its end.
pub fn set_timers(
    transaction: &mut Transaction<'_>,
    id: &RequestId,
    profile: &Profile,
    kind: RequestKind,
) -> Result<(), Failure> {
    let (now, rules) = (Moment::of(transaction), profile.rules());
    let mut timers = Vec::new();
    for escalation in &rules.escalations {
        timers.push((TimerKind::Escalate, after(profile, now, escalation.after)));
    }
    if let Some(wait) = rules.auto_approve_after.filter(|_| kind == RequestKind::CertRenewal) {
        timers.push((TimerKind::AutoApprove, now.shifted(i64::try_from(wait.millis()).unwrap_or(i64::MAX))));
    }
    let mut level = 0;
    for (timer, due) in timers {
        level = if timer == TimerKind::Escalate { level } else { 0 };
        let row =
            Timer { request_id: id.clone(), kind: timer, level, due_tick: due.tick, due_at: due.at, done_seq: None };
        timers::insert(transaction.connection(), &row)?;
        transaction.after_commit(Effect::Pending { deadline_tick: due.tick });
        level += 1;
    }
    Ok(())
}
