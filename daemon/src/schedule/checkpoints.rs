//! Signs checkpoints of the ledger while it grows, and says so where too much of it is anchored nowhere else.
//!
//! Checkpoints are not recorded: a ledger must not grow because it was looked at, and a checkpoint is its own evidence. The
//! alarm is.

use std::io;
use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::time::{Span, Timestamp};
use rusqlite::Connection;
use tokio::sync::watch;

use super::deadline::Alarm;
use crate::checkpoint::overdue::{self, Due};
use crate::checkpoint::places::Outgoing;
use crate::checkpoint::{Notary, make};
use crate::clock::TimeLine;
use crate::config::CheckpointSettings;
use crate::policy::Severity;
use crate::service::PolicyInForce;
use crate::store::rows::checkpoints;
use crate::store::rows::notifications::{self, CHECKPOINT, NewMessage};
use crate::store::{Readers, Transaction, Writer};
use crate::tell::requests::ledger::Carried;

/// How long to wait after something that failed.
const RETRY_MILLIS: i64 = 60_000;

/// See the module.
pub struct Checkpoints {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// The keys; none on a damaged installation, of which nothing is signed.
    pub notary: Option<Arc<Notary>>,
    /// How much may be unanchored.
    pub policy: PolicyInForce,
    /// Time.
    pub line: TimeLine,
    /// How often, and on which channels.
    pub settings: CheckpointSettings,
    /// For the places that take them.
    pub newest: watch::Sender<Option<Arc<Outgoing>>>,
}

/// What the loop knows from one turn to the next.
#[derive(Default)]
struct Known {
    /// The size that the newest checkpoint is of.
    signed: u64,
    /// When the next one is due.
    due: i64,
    /// The size that the newest message is of.
    carried: u64,
    /// When the next one is due.
    carry_due: i64,
}

/// What one turn leaves.
struct Turn {
    /// When the next one is due; by time, never where there is none.
    next: Option<i64>,
    /// Whatever is added from here on is a reason for another turn.
    all_signed: bool,
}

impl Checkpoints {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        let (mut end, mut changes) = (self.writer.watch(), self.policy.watch());
        let mut known = None;
        loop {
            let Turn { next, all_signed } = match self.turn(&mut known).await {
                Ok(turn) => turn,
                // Damage is final: nothing is signed any more, and nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => Turn { next: None, all_signed: false },
                Err(error) => {
                    tracing::error!("a checkpoint could not be made, tried again soon: {error}");
                    Turn { next: Some(self.line.tick() + RETRY_MILLIS), all_signed: false }
                }
            };
            let signed = known.as_ref().map_or(0, |known: &Known| known.signed);
            tokio::select! {
                slept = alarm.until(next) => slept?,
                // While something waits to be signed, more of it changes nothing.
                Ok(_) = end.wait_for(|tail| tail.size() > signed), if all_signed => {}
                Ok(()) = changes.changed() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Does what is due; returns when something is.
    async fn turn(&self, known: &mut Option<Known>) -> Result<Turn, ApiError> {
        let Some(notary) = &self.notary else { return Ok(Turn { next: None, all_signed: false }) };
        let known = match known {
            Some(known) => known,
            none => none.insert(self.begin(notary).await?),
        };
        let tick = self.line.tick();
        if self.writer.tail().size() > known.signed && tick >= known.due {
            let made = make::sign(&self.writer, notary).await?;
            known.signed = made.size;
            known.due = tick.saturating_add(millis(self.settings.every));
            let made = Outgoing::of(&made, notary);
            // Where the journal is kept on another host too, this line is an anchor there.
            let short = made.short.clone().unwrap_or_default();
            tracing::info!(size = made.size, root = %made.root, short, "checkpoint of the ledger");
            self.newest.send_replace(Some(Arc::new(made)));
        }
        self.carry(known, tick).await?;
        let look = self.look().await?;
        let all_signed = self.writer.tail().size() <= known.signed;
        let sign = (!all_signed).then_some(known.due);
        let carry = (!self.settings.channels.is_empty() && known.signed > known.carried).then_some(known.carry_due);
        let next = [sign, carry, look].into_iter().flatten().min();
        Ok(Turn { next, all_signed })
    }

    /// Where an earlier process left off: a daemon that is started again and again signs and tells no more often for it.
    async fn begin(&self, notary: &Notary) -> Result<Known, ApiError> {
        let about = overdue::object(self.origin());
        let read = move |connection: &Connection| {
            Ok((checkpoints::newest(connection)?, notifications::last_carried(connection, &about)?))
        };
        let (newest, carried) = self.readers.read(read).await?;
        let (tick, now) = (self.line.tick(), self.line.wall().unix_millis());
        let wait = |every: Span, last: Option<Timestamp>| {
            let every = millis(every);
            every.saturating_sub(last.map_or(every, |last| now - last.unix_millis())).clamp(0, every)
        };
        let due = tick + wait(self.settings.every, newest.as_ref().map(|newest| newest.made_at));
        let carry_due = tick + wait(self.settings.channels_every, carried.map(|(_, at)| at));
        if let Some(newest) = &newest {
            // A process that ended may not have taken it everywhere.
            self.newest.send_replace(Some(Arc::new(Outgoing::of(newest, notary))));
        }
        let signed = newest.map_or(0, |newest| newest.size);
        Ok(Known { signed, due, carried: carried.map_or(0, |(size, _)| size), carry_due })
    }

    /// Queues the message of a checkpoint where one is due, and says when the next one is. A restart queues nothing earlier.
    async fn carry(&self, known: &mut Known, tick: i64) -> Result<(), ApiError> {
        if self.settings.channels.is_empty() || known.signed <= known.carried || tick < known.carry_due {
            return Ok(());
        }
        let (size, channels) = (known.signed, self.settings.channels.clone());
        let params = serde_json::to_string(&Carried { size, to: self.settings.to.clone() })
            .map_err(|error| ApiError::internal(format!("the message of a checkpoint: {error}")))?;
        let about = overdue::object(self.origin());
        let queue = move |transaction: &mut Transaction<'_>| {
            let message = NewMessage {
                kind: CHECKPOINT,
                resource_id: &about,
                severity: Severity::Informational,
                params: &params,
                seq: size.saturating_sub(1),
            };
            transaction.tell_on(&channels, &message)
        };
        self.writer.write(queue).await?;
        known.carried = size;
        known.carry_due = tick.saturating_add(millis(self.settings.channels_every));
        Ok(())
    }

    /// Says so where a limit of the policy is passed, and where that is over; returns when time alone may change it.
    async fn look(&self) -> Result<Option<i64>, ApiError> {
        let (rules, origin) = (self.policy.now().ledger(), self.origin().to_owned());
        let (size, moment) = (self.writer.tail().size(), (self.line.wall(), self.line.tick()));
        let read = {
            let origin = origin.clone();
            move |connection: &Connection| Ok(overdue::look(connection, (rules, &origin), size, moment)?)
        };
        let look = self.readers.read(read).await?;
        if look.due.is_none() {
            return Ok(look.next);
        }
        // By the rules of the moment at which it is written.
        let policy = self.policy.clone();
        let settled = self
            .writer
            .write(move |transaction| {
                let rules = transaction.rules(&policy).ledger();
                overdue::settle(transaction, rules, &origin)
            })
            .await?;
        match settled.due {
            Some(Due::Alarm) => tracing::error!(
                unanchored = size.saturating_sub(settled.standing.anchored),
                since = settled.standing.since.map(|since| since.to_string()),
                "THE LEDGER IS NOT ANCHORED as the policy asks: take a checkpoint off the host, and bring it back \
                 (countersign audit checkpoint, countersign audit anchor add)"
            ),
            Some(Due::AllClear) => tracing::info!("the ledger is anchored as the policy asks"),
            None => {}
        }
        Ok(settled.next)
    }

    fn origin(&self) -> &str {
        self.notary.as_ref().map_or("", |notary| notary.log().origin())
    }
}

fn millis(span: Span) -> i64 {
    i64::try_from(span.millis()).unwrap_or(i64::MAX)
}
