//! What came of an attempt, written down in one transaction: the notification, its place in the outbox and, for alerts of
//! certificates that end, the ledger record.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::AuditAction;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, OptionalExtension};

use super::super::alerts::{about, plain};
use crate::alerts::backoff::{Refusal, Retry};
use crate::alerts::outbox::{self, Claimed, Failed};
use crate::alerts::{Stage, State, closing, counts};
use crate::notify::outcome::MAX_WHY;
use crate::policy::Channel;
use crate::store::rows::notifications;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The other side accepted it, for everybody.
    Accepted,
    /// Not for everybody.
    Failed {
        /// Whether it may be accepted later.
        refusal: Refusal,
        /// Why, safe to show.
        why: String,
        /// How long the other side asks to be left alone.
        at_least: Span,
        /// JSON: who is still to be reached, where some were.
        remaining: Option<String>,
    },
    /// There was nothing to say any more, or nobody to say it to: why, safe to show.
    Moot(String),
    /// It had been taken back before it was sent.
    TakenBack,
}

impl Ended {
    /// A failure that may pass; `why` is safe to show, and kept as far as reasons of channels are.
    pub fn later(why: &str) -> Self {
        let why = why.chars().take(MAX_WHY).collect();
        Self::Failed { refusal: Refusal::Transient, why, at_least: Span::from_millis(0), remaining: None }
    }
}

/// An alert as its table has it.
struct Raised {
    version: u64,
    stage: Stage,
}

/// Writes it down.
pub fn complete(
    transaction: &mut Transaction<'_>,
    channel: Channel,
    claimed: &Claimed,
    ended: &Ended,
) -> Result<(), Failure> {
    match ended {
        Ended::Accepted => accepted(transaction, channel, claimed),
        Ended::Failed { refusal, why, at_least, remaining } => {
            let failed = Failed {
                refusal: *refusal,
                why,
                at_least: *at_least,
                remaining: remaining.as_deref(),
                random: random()?,
            };
            self::failed(transaction, channel, claimed, failed)
        }
        Ended::Moot(why) => {
            outbox::skipped(transaction.connection(), claimed, why)?;
            Ok(())
        }
        Ended::TakenBack => Ok(()),
    }
}

fn accepted(transaction: &mut Transaction<'_>, channel: Channel, claimed: &Claimed) -> Result<(), Failure> {
    if matches!(outbox::state(transaction.connection(), claimed.notification_id)?, State::Sent | State::Dead) {
        return Ok(());
    }
    let seq = record(transaction, channel, claimed, None)?;
    let connection = transaction.connection();
    outbox::sent(connection, claimed, transaction.now(), seq)?;
    if let Some(seq) = seq {
        close_late(transaction, channel, claimed, seq)?;
    }
    Ok(())
}

/// What was replaced or dealt with while the attempt was under way: what that may have opened elsewhere is closed.
fn close_late(transaction: &mut Transaction<'_>, channel: Channel, claimed: &Claimed, seq: u64) -> Result<(), Failure> {
    let (connection, at) = (transaction.connection(), (transaction.now(), transaction.tick()));
    let Some(Raised { version, .. }) = raised(connection, claimed.notification_id)? else { return Ok(()) };
    if closing::close_late(connection, (&claimed.resource_id, version), channel, at, seq)? {
        transaction.after_commit(Effect::Queued(channel));
    }
    Ok(())
}

fn failed(
    transaction: &mut Transaction<'_>,
    channel: Channel,
    claimed: &Claimed,
    failed: Failed<'_>,
) -> Result<(), Failure> {
    // What was taken back meanwhile is not said to have failed, and may have been accepted all the same.
    match outbox::state(transaction.connection(), claimed.notification_id)? {
        State::Queued | State::Failed => {}
        State::Skipped if failed.refusal == Refusal::Transient => {
            let seq = transaction.newest_record()?;
            return close_late(transaction, channel, claimed, seq);
        }
        State::Skipped | State::Sent | State::Dead => return Ok(()),
    }
    let seq = record(transaction, channel, claimed, Some(failed))?;
    let next = outbox::failed(transaction.connection(), claimed, failed, transaction.tick(), seq)?;
    let id = claimed.notification_id;
    tracing::warn!(channel = channel.as_str(), "notification {id} about {}: {}", claimed.resource_id, failed.why);
    // A trial has one attempt, and whoever tries it sees what came of it: nobody is called for that.
    if next == Some(Retry::Dead) && !notifications::is_trial(transaction.connection(), id)? {
        counts::died(transaction.connection())?;
        transaction.after_commit(Effect::Died);
    }
    Ok(())
}

/// The record of an attempt to send an alert; none for other messages.
fn record(
    transaction: &mut Transaction<'_>,
    channel: Channel,
    claimed: &Claimed,
    failed: Option<Failed<'_>>,
) -> Result<Option<u64>, Failure> {
    let Some(Raised { version, stage }) = raised(transaction.connection(), claimed.notification_id)? else {
        return Ok(None);
    };
    let action = if failed.is_some() { AuditAction::ExpirationAlertFailed } else { AuditAction::ExpirationAlertSent };
    let refusal = failed.map(|failed| match failed.refusal {
        Refusal::Transient => "transient",
        Refusal::Permanent => "permanent",
    });
    let draft = about(action, &claimed.resource_id)
        .text("channel", channel.as_str())
        .number("threshold", stage.days())
        .text("severity", claimed.severity.as_str())
        .number("version", i64::try_from(version).unwrap_or(i64::MAX))
        .number("notification", claimed.notification_id)
        .number("attempt", i64::from(claimed.attempts.saturating_add(1)))
        .text_if("refusal", refusal)
        .text_if("why", failed.map(|failed| plain(&Untrusted::from(failed.why))));
    let recorded = transaction.record(draft)?;
    transaction.after_commit(Effect::Alerted { channel, stage, accepted: failed.is_none() });
    Ok(Some(recorded.seq))
}

fn raised(connection: &Connection, id: i64) -> rusqlite::Result<Option<Raised>> {
    connection
        .prepare_cached("SELECT version, days FROM alert_events WHERE notification_id = ?1")?
        .query_row([id], |row| Ok(Raised { version: row.get("version")?, stage: Stage::new(row.get("days")?) }))
        .optional()
}

/// What spreads attempts that failed together.
fn random() -> Result<u32, ApiError> {
    let mut octets = [0; 4];
    let filled = SystemRandom::new().fill(&mut octets);
    filled.map_err(|_| ApiError::internal("the system gives no random numbers"))?;
    Ok(u32::from_ne_bytes(octets))
}
