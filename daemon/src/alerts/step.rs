//! One batch of a pass: what is due is looked at, raised and planned again in the transaction of whoever calls.

use std::collections::BTreeMap;

use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::pass::{Alert, Pass, look, tightest};
use super::plan::{AlertPlan, Target};
use super::renewal::begins;
use super::rows::{self, Watched};
use super::stage::Stage;
use crate::policy::{Channel, RenewalPolicy};

/// The transaction that a batch runs in.
pub trait Desk {
    /// What it fails with.
    type Error: From<rusqlite::Error>;
    /// The connection that may write.
    fn connection(&self) -> &Connection;
    /// Records that an alert goes to nobody, under [`Target::skipped`], and gives the record's sequence number.
    fn skipped(&mut self, watched: &Watched, alert: &Alert) -> Result<u64, Self::Error>;
    /// Runs `steps`. Where they fail because of the row that they are about, everything they did is undone, and the
    /// reason is the answer; other failures are the batch's.
    fn apart<T>(
        &mut self,
        steps: impl FnOnce(&mut Self) -> Result<T, Self::Error>,
    ) -> Result<Result<T, String>, Self::Error>;
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
    /// Alerts that were due and had been raised before, with the number of each.
    pub deduped: BTreeMap<(Channel, Stage), u64>,
    /// Certificates that could not be looked at, and why; they are looked at again after [`SET_ASIDE`].
    pub aside: Vec<(String, String)>,
}

/// Milliseconds for which a certificate is left alone whose rows cannot be read or moved: an hour.
pub const SET_ASIDE: i64 = 3_600_000;

/// How a batch goes about its certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// All together: one that fails takes the batch with it.
    Together,
    /// Each so that it can be undone alone, which costs a savepoint each.
    Apart,
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
    (limit, care): (u32, Care),
) -> Result<Step, D::Error> {
    let mut watched = rows::due(desk.connection(), at.now, limit)?;
    let anew = watched.is_empty();
    if anew {
        watched = rows::stale(desk.connection(), at.epoch, limit)?;
    }
    let mut step = Step { looked: watched.len(), ..Step::default() };
    for one in &watched {
        let rules = rules(&one.profile_id);
        if care == Care::Together {
            let pass = look_at(desk, at, rules, one, anew)?;
            step.count(pass);
            continue;
        }
        match desk.apart(|desk| look_at(desk, at, rules, one, anew))? {
            Ok(pass) => step.count(pass),
            Err(why) => {
                let later = Timestamp::from_unix_millis(at.now.unix_millis().saturating_add(SET_ASIDE));
                plan(desk.connection(), one, (later, None), at.epoch, anew)?;
                step.aside.push((one.certificate_id.clone(), why));
            }
        }
    }
    Ok(step)
}

impl Step {
    fn count(&mut self, pass: Pass) {
        for alert in pass.due {
            match alert.target {
                Target::Channel(channel) => {
                    self.raised += 1;
                    if !self.channels.contains(&channel) {
                        self.channels.push(channel);
                    }
                }
                Target::Unknown(_) | Target::Nobody => self.skipped += 1,
            }
        }
        for (stage, target) in pass.told {
            if let Target::Channel(channel) = target {
                *self.deduped.entry((channel, stage)).or_default() += 1;
            }
        }
    }
}

/// Raises what is due for one certificate, and plans when it is looked at again.
fn look_at<D: Desk>(desk: &mut D, at: Moment, rules: Rules<'_>, one: &Watched, anew: bool) -> Result<Pass, D::Error> {
    let not_after = one.validity.not_after;
    let stage = tightest(rules.alerts, not_after, at.now);
    let past = rows::past(desk.connection(), one, stage)?;
    let pass = look(rules.alerts, not_after, &past, at.now);
    for (stage, target) in &pass.overtaken {
        rows::overtake(desk.connection(), one, *stage, target)?;
    }
    for alert in &pass.due {
        let seq = match alert.target {
            Target::Channel(_) => one.seq,
            Target::Unknown(_) | Target::Nobody => desk.skipped(one, alert)?,
        };
        rows::raise(desk.connection(), one, alert, (at.now, at.tick), seq)?;
    }
    let renewal = rules.renewal.filter(|policy| policy.auto_renew);
    let begins = renewal.and_then(|policy| Timestamp::from_unix_millis(begins(policy, one.validity)));
    plan(desk.connection(), one, (pass.next, begins), at.epoch, anew)?;
    Ok(pass)
}

/// A look at what was due moves no renewal: only a new plan does.
fn plan(
    connection: &Connection,
    one: &Watched,
    next: (Option<Timestamp>, Option<Timestamp>),
    epoch: u64,
    anew: bool,
) -> rusqlite::Result<()> {
    if anew {
        rows::plan_anew(connection, &one.certificate_id, next, epoch)
    } else {
        rows::plan_look(connection, &one.certificate_id, next.0)
    }
}
