//! Sends what the outbox has for one channel. Each channel of the closed list has a sender of its own, so that one that
//! is slow or fails is in the way of no other; those that are not configured have one too, which fails visibly.
//!
//! A message is claimed in a transaction, composed from what the database says at that moment, sent outside of any
//! transaction, and completed in another. A process that dies in between sends it again, under the same id.

mod attempt;
pub(super) mod complete;
mod pace;
mod together;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use pace::Valve;

use super::deadline::Alarm;
use crate::alerts::outbox::{self, Claimed};
use crate::clock::TimeLine;
use crate::identity::directory::Directory;
use crate::notify::Pace;
use crate::policy::{Channel, Policy};
use crate::service::PolicyInForce;
use crate::store::transaction::Failure;
use crate::store::{Health, Readers, Transaction, Writer};
use crate::tell::Switchboard;

/// Messages that one transaction claims.
const CLAIM: u32 = 32;
/// The same where a channel collects them.
const CLAIM_TOGETHER: u32 = 256;
/// Messages that one transaction no longer holds back: others have to write as well.
const RELEASE: usize = 1_000;
/// Messages of one network channel that are under way at a time.
const ABREAST: usize = 8;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 5_000;
/// How long an end waits for attempts that are under way; those that take longer are made again at the next start.
const GRACE: Duration = Duration::from_secs(5);

/// Something to send, for each channel.
pub type Bells = BTreeMap<Channel, Arc<Notify>>;

/// A bell for every channel.
pub fn bells() -> Bells {
    Channel::ALL.into_iter().map(|channel| (channel, Arc::default())).collect()
}

/// What the senders share.
#[derive(Clone)]
pub struct Office {
    /// Changes.
    pub writer: Writer,
    /// Reads; each sender has connections and turns of its own.
    pub readers: Readers,
    /// May the daemon act?
    pub health: Health,
    /// Who is told what.
    pub policy: PolicyInForce,
    /// Accounts and groups.
    pub directory: Arc<dyn Directory>,
    /// The channels.
    pub switchboard: Switchboard,
    /// Time.
    pub line: TimeLine,
    /// The installation: ids of messages begin with it.
    pub origin: Arc<str>,
    /// This host, by name.
    pub host: Arc<Untrusted>,
}

/// See the module.
pub struct Sender {
    office: Office,
    channel: Channel,
    queued: Arc<Notify>,
}

impl Sender {
    /// The sender of one channel, which `queued` wakes.
    pub fn new(office: &Office, channel: Channel, queued: Arc<Notify>) -> Self {
        let office = Office { readers: office.readers.apart(), ..office.clone() };
        Self { office, channel, queued }
    }

    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.office.line.clone())?;
        let mut claimed = VecDeque::new();
        let mut under_way = JoinSet::new();
        let (mut channels, mut policies) = (self.office.switchboard.watch(), self.office.policy.watch());
        // What is held back is judged anew at a start as well: it may have been held by another configuration.
        let mut judge_at = Some(i64::MIN);
        loop {
            let tick = self.office.line.tick();
            if judge_at.is_some_and(|at| at <= tick) {
                judge_at = match self.hold_no_more().await {
                    Ok(()) => None,
                    // Damage is final.
                    Err(error) if error.kind == ErrorKind::ReadOnly => None,
                    Err(error) => {
                        let channel = self.channel.as_str();
                        tracing::error!(channel, "messages are held as they were, looked at again soon: {error}");
                        Some(tick + RETRY_MILLIS)
                    }
                };
            }
            let next = match self.fill(&mut claimed, &mut under_way).await {
                Ok(next) => next,
                // Damage is final: what is under way ends, and nothing new is sent.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!(channel = self.channel.as_str(), "the outbox, tried again soon: {error}");
                    Some(self.office.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until([next, judge_at].into_iter().flatten().min()) => slept?,
                () = self.queued.notified() => {}
                Ok(()) = channels.changed() => judge_at = Some(i64::MIN),
                Ok(()) = policies.changed() => judge_at = Some(i64::MIN),
                Some(ended) = under_way.join_next() => ended.map_err(io::Error::other)?,
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        let ended = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::info!(channel = self.channel.as_str(), "attempts under way are made again at the next start");
        }
        Ok(())
    }

    /// Has what waits without an attempt looked at now: quiet hours, rates, digests and calendars may be others. What is
    /// to wait still is put off again when it is claimed.
    async fn hold_no_more(&self) -> Result<(), ApiError> {
        let (channel, tick) = (self.channel, self.office.line.tick());
        loop {
            let held =
                self.office.readers.read(move |connection| Ok(outbox::holds(connection, channel, tick)?)).await?;
            if !held {
                return Ok(());
            }
            let release = move |transaction: &mut Transaction<'_>| {
                Ok(outbox::hold_no_more(transaction.connection(), channel, tick, RELEASE)?)
            };
            if self.office.writer.write(release).await? < RELEASE {
                return Ok(());
            }
        }
    }

    /// Begins as many attempts as may be under way; returns when to look again, which is when one has ended where there
    /// is no room.
    pub(super) async fn fill(
        &self,
        claimed: &mut VecDeque<Parcel>,
        under_way: &mut JoinSet<()>,
    ) -> Result<Option<i64>, ApiError> {
        loop {
            self.office.health.check()?;
            while under_way.len() < abreast(self.channel)
                && let Some(message) = claimed.pop_front()
            {
                match message {
                    Parcel::One(message) => under_way.spawn(attempt::make(self.office.clone(), self.channel, message)),
                    Parcel::Several(messages) => {
                        under_way.spawn(together::make(self.office.clone(), self.channel, messages))
                    }
                };
            }
            if !claimed.is_empty() {
                return Ok(None);
            }
            let (channel, tick) = (self.channel, self.office.line.tick());
            let next = self.office.readers.read(move |connection| Ok(outbox::next_tick(connection, channel)?)).await?;
            if next.is_none_or(|next| next > tick) {
                return Ok(next);
            }
            let (policy, pace) = (self.office.policy.clone(), self.office.switchboard.channels().pace(channel));
            let claim = move |transaction: &mut Transaction<'_>| claim(transaction, &policy.now(), pace, channel);
            claimed.extend(self.office.writer.write(claim).await?);
        }
    }
}

/// How many attempts may be under way. What is written on this host goes one after the other: terminals and logs are
/// read in order, and a program need not be prepared to run beside itself.
const fn abreast(channel: Channel) -> usize {
    match channel {
        Channel::Syslog | Channel::Command | Channel::Wall => 1,
        Channel::Email
        | Channel::Slack
        | Channel::Teams
        | Channel::PagerDuty
        | Channel::OpsGenie
        | Channel::Webhook => ABREAST,
    }
}

/// What one attempt is made for.
pub(super) enum Parcel {
    One(Claimed),
    /// Messages that the channel collects.
    Several(Vec<Claimed>),
}

/// Claims what may go out now, and puts off what is held back.
fn claim(
    transaction: &mut Transaction<'_>,
    policy: &Policy,
    pace: Pace,
    channel: Channel,
) -> Result<Vec<Parcel>, Failure> {
    let (now, tick, connection) = (transaction.now(), transaction.tick(), transaction.connection());
    let (mut parcels, mut collected) = (Vec::new(), Vec::new());
    let limit = if pace.digest.is_some() { CLAIM_TOGETHER } else { CLAIM };
    let mut valve = Valve::of(connection, policy, pace, channel, now)?;
    for message in outbox::claim(connection, channel, tick, limit)? {
        match valve.held_until(&message)? {
            Some(until) if until > now => outbox::put_off(connection, &message, later(tick, now, until))?,
            _ if valve.is_collected(&message)? => collected.push(message),
            _ => parcels.push(Parcel::One(message)),
        }
    }
    if !collected.is_empty() {
        parcels.push(Parcel::Several(collected));
    }
    Ok(parcels)
}

/// The tick at which the wall clock reaches `until`, where nobody sets it.
fn later(tick: i64, now: Timestamp, until: Timestamp) -> i64 {
    tick.saturating_add(until.unix_millis().saturating_sub(now.unix_millis()))
}
