//! Who has to agree to a request, and how far that is, as the protocol shows it.

use countersign_shared::lifecycle::{RequestState, TimerKind};
use countersign_shared::protocol::{Escalation, Step, Terms};
use rusqlite::Connection;

use crate::policy::Profile;
use crate::service::decide::Matter;
use crate::store::rows::timers;
use crate::store::transaction::Failure;

/// The terms that the request is decided under.
pub fn view(connection: &Connection, matter: &Matter<'_>) -> Result<Terms, Failure> {
    let tally = matter.tally();
    let rules = matter.profile.as_deref().map(Profile::rules);
    let timers = timers::of(connection, &matter.request.id)?;
    let escalation = |timer: &timers::Timer| Escalation {
        at: timer.due_at,
        groups: rules
            .and_then(|rules| rules.escalations.get(timer.level as usize))
            .map(|step| step.groups.clone())
            .unwrap_or_default(),
        done: timer.done_seq.is_some(),
    };
    // What has ended asks for nobody.
    let pending = matter.request.state == RequestState::Pending;
    let open = tally.open(&matter.terms).into_iter().map(|open| open && pending);
    let steps = matter.terms.steps.iter().zip(&tally.filled).zip(open);
    Ok(Terms {
        steps: steps
            .map(|((step, filled), open)| Step {
                group: step.group.clone(),
                need: step.need,
                filled_by: filled.clone(),
                open,
            })
            .collect(),
        ordered: matter.terms.ordered,
        reject_threshold: matter.terms.reject_threshold,
        rejections: tally.rejections,
        tightened: matter.terms != matter.made_under,
        escalations: timers.iter().filter(|timer| timer.kind == TimerKind::Escalate).map(escalation).collect(),
        auto_approve_at: timers
            .iter()
            .find(|timer| timer.kind == TimerKind::AutoApprove && timer.done_seq.is_none())
            .map(|timer| timer.due_at),
        carry_out_within: rules.map(|rules| rules.carry_out_within()),
    })
}
