//! When things happen to a request: by the hours in which people work, where its profile has a calendar, and on the
//! daemon's time line, which no change of the wall clock moves.

use countersign_shared::error::ApiError;
use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestKind, TimerKind};
use countersign_shared::time::{Span, Timestamp};

use crate::ledger::Draft;
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

/// Something that time does to a pending request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    kind: TimerKind,
    level: u32,
    when: Moment,
}

/// What time does to a request made now, besides its end.
pub fn timers(profile: &Profile, now: Moment, kind: RequestKind) -> Vec<Due> {
    let rules = profile.rules();
    let escalations = rules.escalations.iter().zip(0..).map(|(step, level)| Due {
        kind: TimerKind::Escalate,
        level,
        when: after(profile, now, step.after),
    });
    let wait = rules.auto_approve_after.filter(|_| kind == RequestKind::CertRenewal);
    let passing = wait.map(|wait| Due {
        kind: TimerKind::AutoApprove,
        level: 0,
        when: now.shifted(i64::try_from(wait.millis()).unwrap_or(i64::MAX)),
    });
    escalations.chain(passing).collect()
}

/// What a record says of when things happen to a request: what rows say of it is held against this.
pub fn dated(draft: Draft, deadline: Moment, timers: &[Due]) -> Draft {
    let draft = draft.number("deadline_tick", deadline.tick).text("expires_at", deadline.at);
    if timers.is_empty() {
        return draft;
    }
    draft.list("timers", timers.iter().map(|due| named(due.kind, due.level, due.when.tick)))
}

/// A timer as a record has it: `escalate:0:TICK`.
pub fn named(kind: TimerKind, level: u32, tick: i64) -> String {
    format!("{kind}:{level}:{tick}")
}

/// Sets them.
pub fn set(transaction: &mut Transaction<'_>, id: &RequestId, timers: &[Due]) -> Result<(), Failure> {
    for due in timers {
        let row = Timer {
            request_id: id.clone(),
            kind: due.kind,
            level: due.level,
            due_tick: due.when.tick,
            due_at: due.when.at,
            done_seq: None,
        };
        timers::insert(transaction.connection(), &row)?;
        transaction.after_commit(Effect::Timed);
    }
    Ok(())
}
