//! One look at one certificate version: what is due now, and when to look again. Pure: the same past and the same
//! moment give the same answer, so a pass that is run twice, after a crash or after days, does nothing twice.

use countersign_shared::time::Timestamp;

use super::plan::{AlertPlan, Target};
use super::stage::{DAY, Stage};
use crate::policy::Severity;

/// What became of an alert: the states of `notification_events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its first attempt.
    Queued,
    /// An attempt failed, another one follows.
    Failed,
    /// The other side accepted it. It stays so.
    Sent,
    /// No attempt follows by itself.
    Dead,
    /// Never meant to be sent, or overtaken before it was.
    Skipped,
}

impl State {
    /// As the table has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }

    /// Whether the outbox still has it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Failed)
    }
}

impl std::str::FromStr for State {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        [Self::Queued, Self::Failed, Self::Sent, Self::Dead, Self::Skipped]
            .into_iter()
            .find(|state| state.as_str() == raw)
            .ok_or("a notification is queued, failed, sent, dead or skipped")
    }
}

/// An alert of this certificate version that was raised before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// For which moment.
    pub stage: Stage,
    /// For whom.
    pub target: Target,
    /// What became of it.
    pub state: State,
    /// When it was raised, the last time where it was raised again.
    pub raised_at: Timestamp,
}

/// An alert that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// For which moment.
    pub stage: Stage,
    /// How urgent.
    pub severity: Severity,
    /// For whom; [`Target::skipped`] tells where nothing is sent and only a record is made.
    pub target: Target,
    /// It was raised before and died: its row is queued again and keeps its id.
    pub again: bool,
}

/// What one look says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// What to raise, each (stage, target) once, all of the same stage.
    pub due: Vec<Alert>,
    /// Open alerts that a tighter one for the same target replaces: they are skipped, so that whoever comes back after
    /// an outage reads one message, and that the current one.
    pub overtaken: Vec<(Stage, Target)>,
    /// Targets of the tightest stage that know it already, or are about to: nothing is raised for them.
    pub told: Vec<(Stage, Target)>,
    /// When to look again; none where the end of time comes first.
    pub next: Option<Timestamp>,
}

/// A dead alert does not count as sent: while no tighter one takes its place it is raised again after this time.
pub const REVIVE_AFTER: i64 = DAY;

/// The tightest stage that is crossed, if any.
pub fn tightest(plan: &AlertPlan, not_after: Timestamp, now: Timestamp) -> Option<Stage> {
    let crossed = |stage: Stage| stage.crossed_at(not_after) <= now.unix_millis();
    Stage::overdue(not_after, now)
        .or_else(|| plan.thresholds().iter().rev().map(|(stage, _)| *stage).find(|stage| crossed(*stage)))
}

/// Looks at a version that ends at `not_after`.
///
/// `past` has every alert of this version for the tightest crossed stage and all tighter ones, and those that are still
/// open for any other; more does no harm. Only the tightest stage is raised: a certificate first seen at five days, or
/// again after a long downtime, says how things stand and not what was missed on the way.
pub fn look(plan: &AlertPlan, not_after: Timestamp, past: &[Past], now: Timestamp) -> Pass {
    let mut pass = Pass::default();
    let mut next = next_stage(plan, not_after, now);
    if let Some(stage) = tightest(plan, not_after, now) {
        let severity = plan.severity(stage);
        for target in plan.targets(severity) {
            let alert = |again| Alert { stage, severity, target: target.clone(), again };
            match standing(not_after, past, stage, target, now) {
                Standing::New => pass.due.push(alert(false)),
                Standing::Told => pass.told.push((stage, target.clone())),
                // It may still die, and would then be raised again.
                Standing::Open => {
                    pass.told.push((stage, target.clone()));
                    next = next.min(now.unix_millis().saturating_add(REVIVE_AFTER));
                }
                Standing::Dead { since } if since.saturating_add(REVIVE_AFTER) <= now.unix_millis() => {
                    pass.due.push(alert(true));
                }
                Standing::Dead { since } => next = next.min(since.saturating_add(REVIVE_AFTER)),
            }
        }
        // Only what is raised now overtakes: what was raised before did it then.
        let open = past.iter().filter(|past| past.state.is_open() && past.stage > stage);
        let overtaken = open.filter(|past| pass.due.iter().any(|alert| alert.target == past.target));
        pass.overtaken = overtaken.map(|past| (past.stage, past.target.clone())).collect();
        if pass.due.iter().any(|alert| matches!(alert.target, Target::Channel(_))) {
            next = next.min(now.unix_millis().saturating_add(REVIVE_AFTER));
        }
    }
    pass.next = Timestamp::from_unix_millis(next);
    pass
}

enum Standing {
    New,
    Open,
    Told,
    Dead { since: i64 },
}

fn standing(not_after: Timestamp, past: &[Past], stage: Stage, target: &Target, now: Timestamp) -> Standing {
    let of_target = past.iter().filter(|past| past.target == *target);
    let mut standing = Standing::New;
    for past in of_target {
        if past.stage == stage {
            match past.state {
                // Raised in what a clock that was set back calls the future: the day counts from now.
                State::Dead => standing = Standing::Dead { since: past.raised_at.min(now).unix_millis() },
                State::Queued | State::Failed => return Standing::Open,
                State::Sent | State::Skipped => return Standing::Told,
            }
        }
        // A policy that lost its tighter thresholds does not step back to what is known already. What a clock that
        // ran ahead crossed too early says nothing about today.
        let crossed = past.stage < stage && past.stage.crossed_at(not_after) <= now.unix_millis();
        if crossed && (past.state.is_open() || past.state == State::Sent) {
            return Standing::Told;
        }
    }
    standing
}

/// When the next stage is crossed, in milliseconds since 1970.
fn next_stage(plan: &AlertPlan, not_after: Timestamp, now: Timestamp) -> i64 {
    let ahead = plan.thresholds().iter().map(|(stage, _)| stage.crossed_at(not_after));
    ahead.into_iter().find(|at| *at > now.unix_millis()).unwrap_or_else(|| {
        let overdue = Stage::overdue(not_after, now).map_or(0, Stage::days);
        Stage::new(overdue.saturating_sub(1)).crossed_at(not_after)
    })
}
