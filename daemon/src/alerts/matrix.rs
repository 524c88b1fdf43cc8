//! The whole matrix of one certificate, without sending anything: which alert goes when, to whom, on what.

use countersign_shared::time::Timestamp;

use super::pass::{Past, State, look, tightest};
use super::plan::{AlertPlan, Target};
use super::stage::Stage;
use crate::policy::{Channel, Severity};

/// Whom a channel reaches for the certificate at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Addresses, a channel's name, a program: what its configuration says, safe to show.
    To(Vec<String>),
    /// The policy names it and `countersign.toml` does not: each alert on it fails, visibly.
    NotConfigured,
}

/// What happens, or happened, to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Raised before, and what became of it.
    Raised(State),
    /// Goes out in the next pass.
    Due,
    /// Goes out at its time, while the certificate is not renewed.
    Ahead,
    /// Its time passed when a tighter one stood for it.
    Passed,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The threshold; for an expired certificate the day after its end.
    pub stage: Stage,
    /// When.
    pub at: Timestamp,
    /// How urgent.
    pub severity: Severity,
    /// On what.
    pub target: Target,
    /// To whom; none where nothing is sent.
    pub reach: Option<Reach>,
    /// What happens.
    pub outlook: Outlook,
}

/// Every threshold, largest first, the day after the end that is due or next, and for each all of its targets. `past` is
/// what [`look`] needs, or all that was raised for this version.
pub fn matrix(
    plan: &AlertPlan,
    not_after: Timestamp,
    past: &[Past],
    now: Timestamp,
    mut reach: impl FnMut(Channel) -> Reach,
) -> Vec<Cell> {
    let pass = look(plan, not_after, past, now);
    let current = tightest(plan, not_after, now);
    let overdue = current.filter(|stage| stage.is_overdue()).unwrap_or(Stage::new(-1));
    let stages = plan.thresholds().iter().copied().chain([(overdue, plan.severity(overdue))]);
    let mut cells = Vec::new();
    for (stage, severity) in stages {
        // Where the end of time comes first, nothing goes out.
        let Some(at) = Timestamp::from_unix_millis(stage.crossed_at(not_after)) else { continue };
        for target in plan.targets(severity) {
            let before = past.iter().find(|past| past.stage == stage && past.target == *target);
            let due = pass.due.iter().any(|alert| alert.stage == stage && alert.target == *target);
            let outlook = match before {
                _ if due => Outlook::Due,
                Some(past) => Outlook::Raised(past.state),
                None if at > now => Outlook::Ahead,
                None => Outlook::Passed,
            };
            let reach = match target {
                Target::Channel(channel) => Some(reach(*channel)),
                Target::Unknown(_) | Target::Nobody => None,
            };
            cells.push(Cell { stage, at, severity, target: target.clone(), reach, outlook });
        }
    }
    cells
}
