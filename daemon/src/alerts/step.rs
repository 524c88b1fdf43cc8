//! One batch of a pass: what is due is looked at, raised and planned again in the transaction of whoever calls.

use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::pass::{Alert, look, tightest};
use super::plan::{AlertPlan, Target};
use super::rows::{self, Watched};
use crate::policy::Channel;

/// The transaction that a batch runs in.
pub trait Desk {
    /// What it fails with.
    type Error: From<rusqlite::Error>;
    /// The connection that may write.
    fn connection(&self) -> &Connection;
    /// Records that an alert goes to nobody, under [`Target::skipped`], and gives the record's sequence number.
    fn skipped(&mut self, watched: &Watched, alert: &Alert) -> Result<u64, Self::Error>;
}

/// By what a batch is judged.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time that [`reckon`](super::reckoning::reckon) gives.
    pub now: Timestamp,
    /// Where the time line stands.
    pub tick: i64,
    /// The plan: counted up when another policy takes force and when time is set back; at least 1.
    pub epoch: u64,
}

/// What a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Certificates looked at; as many as the limit means that there may be more.
    pub looked: usize,
    /// Channels with something new to send.
    pub channels: Vec<Channel>,
    /// Alerts raised on channels.
    pub raised: usize,
    /// Alerts that go to nobody, and were recorded.
    pub skipped: usize,
}

/// Looks at no more than `limit` certificates. `plan` gives the alerts of a profile's renewal policy; a profile that names
/// none, or is there no more, has [`AlertPlan::default`].
pub fn step<'p, D: Desk>(
    desk: &mut D,
    at: Moment,
    plan: impl Fn(&str) -> &'p AlertPlan,
    limit: u32,
) -> Result<Step, D::Error> {
    let mut watched = rows::due(desk.connection(), at.now, limit)?;
    if watched.is_empty() {
        watched = rows::stale(desk.connection(), at.epoch, limit)?;
    }
    let mut step = Step { looked: watched.len(), ..Step::default() };
    for one in &watched {
        let plan = plan(&one.profile_id);
        let stage = tightest(plan, one.validity.not_after, at.now);
        let past = rows::past(desk.connection(), one, stage)?;
        let pass = look(plan, one.validity.not_after, &past, at.now);
        for (stage, target) in &pass.overtaken {
            rows::overtake(desk.connection(), one, *stage, target)?;
        }
        for alert in &pass.due {
            let seq = match alert.target {
                Target::Channel(channel) => {
                    step.raised += 1;
                    if !step.channels.contains(&channel) {
                        step.channels.push(channel);
                    }
                    one.seq
                }
                Target::Unknown(_) | Target::Nobody => {
                    step.skipped += 1;
                    desk.skipped(one, alert)?
                }
            };
            rows::raise(desk.connection(), one, alert, (at.now, at.tick), seq)?;
        }
        rows::plan_look(desk.connection(), &one.certificate_id, pass.next, at.epoch)?;
    }
    Ok(step)
}
