//! Signs checkpoints of the ledger while it grows, and says so where too much of it is anchored nowhere else.
//!
//! Nothing of this is recorded: a ledger must not grow because it was looked at, and a checkpoint is its own evidence.

use std::io;
use std::sync::Arc;

use countersign_proof::short::ShortForm;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::time::{Span, Timestamp};
use tokio::sync::watch;

use super::deadline::Alarm;
use crate::checkpoint::{Notary, make};
use crate::clock::TimeLine;
use crate::policy::LedgerRules;
use crate::service::PolicyInForce;
use crate::store::rows::anchors::{self, Standing};
use crate::store::rows::checkpoints;
use crate::store::{Readers, Writer};

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
    /// From one checkpoint to the next.
    pub every: Span,
}

/// What the loop knows from one turn to the next.
#[derive(Default)]
struct Known {
    /// The size that the newest checkpoint is of.
    signed: u64,
    /// When the next one is due.
    due: i64,
    /// The alarm was said.
    alarmed: bool,
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
            none => none.insert(self.begin().await?),
        };
        let (tick, tail) = (self.line.tick(), self.writer.tail());
        if tail.size() > known.signed && tick >= known.due {
            let (by, of) = (notary.clone(), tail.clone());
            let made = self.writer.write(move |transaction| make::make(transaction, &by, &of)).await?;
            known.signed = made.size;
            known.due = tick.saturating_add(millis(self.every));
            let short = ShortForm::of(&made.signed, notary.key()).map(|short| short.to_string()).unwrap_or_default();
            // Where the journal is kept on another host too, this line is an anchor there.
            tracing::info!(size = made.size, root = %made.root, short, "checkpoint of the ledger");
        }
        let all_signed = self.writer.tail().size() <= known.signed;
        let sign = (!all_signed).then_some(known.due);
        let next = [sign, self.look(known).await?].into_iter().flatten().min();
        Ok(Turn { next, all_signed })
    }

    /// Where an earlier process left off: a daemon that is started again and again signs no more often for it.
    async fn begin(&self) -> Result<Known, ApiError> {
        let newest = self.readers.read(|connection| Ok(checkpoints::newest(connection)?)).await?;
        let (tick, every) = (self.line.tick(), millis(self.every));
        let since =
            newest.as_ref().map_or(every, |newest| self.line.wall().unix_millis() - newest.made_at.unix_millis());
        let wait = every.saturating_sub(since).clamp(0, every);
        Ok(Known { signed: newest.map_or(0, |newest| newest.size), due: tick + wait, alarmed: false })
    }

    /// Says so where the limit of the policy is passed; returns when it will be by time alone.
    async fn look(&self, known: &mut Known) -> Result<Option<i64>, ApiError> {
        let rules = self.policy.now().ledger();
        if rules == LedgerRules::default() {
            known.alarmed = false;
            return Ok(None);
        }
        let standing = self.readers.read(|connection| Ok(anchors::standing(connection)?)).await?;
        let (size, now) = (self.writer.tail().size(), self.line.wall());
        let overdue = is_overdue(rules, &standing, size, now);
        if overdue && !known.alarmed {
            let unanchored = size.saturating_sub(standing.anchored);
            tracing::error!(
                unanchored,
                since = standing.since.map(|since| since.to_string()),
                "THE LEDGER IS NOT ANCHORED as the policy asks: take a checkpoint off the host, and bring it back \
                 (countersign audit checkpoint, countersign audit anchor add)"
            );
        }
        known.alarmed = overdue;
        // By the number of records it is looked at whenever something is signed.
        let (Some(age), Some(since), false) = (rules.max_age, standing.since, overdue) else {
            // An anchor ends the alarm; it comes with a record, which is signed in its turn.
            return Ok(None);
        };
        let left = since.unix_millis().saturating_add(millis(age)).saturating_sub(now.unix_millis());
        Ok(Some(self.line.tick().saturating_add(left.max(1000))))
    }
}

/// Whether more is anchored nowhere than the policy allows.
pub fn is_overdue(rules: LedgerRules, standing: &Standing, size: u64, now: Timestamp) -> bool {
    let Some(since) = standing.since else { return false };
    let age = now.unix_millis() - since.unix_millis();
    rules.max_age.is_some_and(|limit| age > millis(limit))
        || rules.max_records.is_some_and(|limit| size.saturating_sub(standing.anchored) > limit)
}

fn millis(span: Span) -> i64 {
    i64::try_from(span.millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdue_by_age_or_by_number_and_never_for_records_of_anchors_alone() {
        let at = |seconds: i64| Timestamp::from_unix_millis(seconds * 1000).unwrap();
        let rules = |age: Option<u64>, records| LedgerRules { max_age: age.map(Span::from_secs), max_records: records };
        let begin = 1_790_000_000;
        let since = |seconds: Option<i64>| Standing { anchored: 10, since: seconds.map(|s| at(begin + s)) };
        for (limits, standing, size, overdue) in [
            (rules(None, None), since(Some(-1_000_000)), 1_000_000, false),
            (rules(Some(60), None), since(Some(-60)), 11, false),
            (rules(Some(60), None), since(Some(-61)), 11, true),
            (rules(None, Some(5)), since(Some(0)), 15, false),
            (rules(None, Some(5)), since(Some(0)), 16, true),
            (rules(Some(60), Some(5)), since(Some(-61)), 11, true),
            (rules(Some(60), Some(0)), since(None), 11, false),
            // The wall clock was set back.
            (rules(Some(60), None), since(Some(100)), 11, false),
        ] {
            assert_eq!(is_overdue(limits, &standing, size, at(begin)), overdue, "{limits:?} {standing:?} {size}");
        }
    }
}
