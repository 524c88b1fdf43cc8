//! Attempts that rules stopped, again and again: somebody should look. Counted from the ledger, so that a restart
//! forgets nothing, by the human behind them, so that no change of account starts anew.

use countersign_shared::protocol::{Attempts, AuditAction, Category};
use rusqlite::Connection;

use super::actor::Actor;
use crate::store::rows::attempts;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// Refusals of one human that raise the first alarm.
const FIRST: u32 = 5;
/// Within this time, in milliseconds of the time line; and for as long, only twice as many raise the next.
const WITHIN_MILLIS: i64 = 3_600_000;
/// Refusals that one look goes back over, and the most that an alarm counts.
const MOST: u32 = 1280;
/// How far back `daemon.status` tells of alarms, and of how many.
const TOLD_MILLIS: i64 = 86_400_000;
const TOLD: u32 = 20;

/// Raises the alarm where the refusal that was just recorded is one too many, in the same transaction.
pub fn look(transaction: &mut Transaction<'_>, actor: &Actor, rule: &'static str) -> Result<(), Failure> {
    let (human, from) = (actor.party.human(), transaction.tick().saturating_sub(WITHIN_MILLIS));
    let connection = transaction.connection();
    let enough = match attempts::newest_alarm(connection, &human)? {
        Some((tick, count)) if tick > from => count.saturating_mul(2),
        _ => FIRST,
    };
    let reached = enough <= MOST && attempts::nth_newest(connection, &human, enough)?.is_some_and(|tick| tick > from);
    if !reached {
        return Ok(());
    }
    let Some(stretch) = attempts::after(connection, &human, from, MOST)? else { return Ok(()) };
    let account = actor.party.human_account();
    let draft = actor
        .draft(AuditAction::AttemptsRepeated, Category::Auth, "user", &account)
        .text("human", human)
        .number("count", stretch.count)
        .text("since", stretch.since)
        .text("rule", rule);
    let recorded = transaction.record(draft)?;
    transaction.tell(AuditAction::AttemptsRepeated, &account, recorded)?;
    transaction.after_commit(Effect::AttemptsRepeated);
    Ok(())
}

/// What `daemon.status` tells: the alarms of the last 24 hours, newest first.
pub fn alarms(connection: &Connection, tick: i64) -> rusqlite::Result<Vec<Attempts>> {
    attempts::alarms(connection, tick.saturating_sub(TOLD_MILLIS), TOLD)
}
