//! One batch of a pass: what is due is looked at, raised and planned again in the transaction of whoever calls.

use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::pass::{Alert, look, tightest};
use super::plan::{AlertPlan, Target};
use super::renewal::begins;
use super::rows::{self, Watched};
use crate::policy::{Channel, RenewalPolicy};

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

/// What a profile's renewal policy says.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'p> {
    /// Who is told when; [`AlertPlan::default`] for a profile that names no renewal policy, or is there no more.
    pub alerts: &'p AlertPlan,
    /// When it is renewed; by hand alone without one.
    pub renewal: Option<&'p RenewalPolicy>,
}

/// Looks at no more than `limit` certificates, by the `rules` of their profiles. What is planned anew has its renewal planned
/// for when that begins: whoever renews finds it in [`rows::to_renew`] and decides by [`renewal`](super::renewal::renewal).
pub fn step<'p, D: Desk>(
    desk: &mut D,
    at: Moment,
    rules: impl Fn(&str) -> Rules<'p>,
    limit: u32,
) -> Result<Step, D::Error> {
    let mut watched = rows::due(desk.connection(), at.now, limit)?;
    let anew = watched.is_empty();
    if anew {
        watched = rows::stale(desk.connection(), at.epoch, limit)?;
    }
    let mut step = Step { looked: watched.len(), ..Step::default() };
    for one in &watched {
        let Rules { alerts: plan, renewal } = rules(&one.profile_id);
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
        if anew {
            let renewal = renewal.filter(|policy| policy.auto_renew);
            let begins = renewal.and_then(|policy| Timestamp::from_unix_millis(begins(policy, one.validity)));
            rows::plan_anew(desk.connection(), &one.certificate_id, (pass.next, begins), at.epoch)?;
        } else {
            rows::plan_look(desk.connection(), &one.certificate_id, pass.next)?;
        }
    }
    Ok(step)
}
