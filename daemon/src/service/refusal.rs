//! Attempts are evidence: what a rule stopped becomes a ledger row, before the caller is told.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category};

use super::actor::Actor;
use super::attempts;
use crate::store::transaction::Failure;
use crate::store::{Effect, Transaction};

/// Refusals that one user can put into the ledger before it has to wait, and how many come back a minute.
const BURST: i64 = 60;
const MILLIS_EACH: i64 = 1000;

/// Runs the steps of a verb. Where a rule stops them, everything is undone, the attempt is recorded, and the
/// refusal comes out as a value: the record commits, the refused change does not exist.
pub fn or_record<T>(
    transaction: &mut Transaction<'_>,
    actor: &Actor,
    verb: &'static str,
    resource: (&'static str, &str),
    steps: impl FnOnce(&mut Transaction<'_>) -> Result<T, Failure>,
) -> Result<Result<T, ApiError>, Failure> {
    match transaction.attempt(steps) {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Api(error)) if error.rule.is_some() => Ok(Err(record(transaction, actor, verb, resource, error)?)),
        Err(failure) => Err(failure),
    }
}

/// Records one refusal, and returns what the caller is told: where the refusals of a user are used up, that nothing
/// more of the kind is taken. Looked at here as well as before the verb, since many calls, or one on many requests, can
/// come before the first of them is refused.
pub fn record(
    transaction: &mut Transaction<'_>,
    actor: &Actor,
    verb: &'static str,
    (resource_type, resource_id): (&'static str, &str),
    error: ApiError,
) -> Result<ApiError, Failure> {
    if let Some(patience) = &actor.patience {
        patience.spend(actor.caller.uid, transaction.tick())?;
    }
    let rule = error.rule.unwrap_or("none");
    let draft = actor
        .draft(AuditAction::ApprovalRefused, Category::Auth, resource_type, resource_id)
        .text("verb", verb)
        .text("rule", rule)
        .text("kind", error.kind);
    transaction.after_commit(Effect::Refused { rule });
    if actor.is_daemon {
        transaction.record(draft)?;
        return Ok(error);
    }
    transaction.record(draft.text("human", actor.party.human()))?;
    attempts::look(transaction, actor, rule)?;
    Ok(error)
}

/// Keeps one caller from filling the ledger with refusals: a bucket for each user.
#[derive(Debug, Default)]
pub struct Patience(Mutex<HashMap<u32, Bucket>>);

#[derive(Debug)]
struct Bucket {
    left: i64,
    tick: i64,
}

impl Patience {
    /// Refuses a user who has used up its refusals. The last one that still fits was recorded.
    pub fn check(&self, uid: u32, tick: i64) -> Result<(), ApiError> {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match buckets.get(&uid) {
            Some(bucket) if bucket.refilled(tick) < 1 => Err(used_up()),
            _ => Ok(()),
        }
    }

    /// Counts a refusal; refuses the user where there is none left to count.
    pub fn spend(&self, uid: u32, tick: i64) -> Result<(), ApiError> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.retain(|_, bucket| bucket.refilled(tick) < BURST);
        let bucket = buckets.entry(uid).or_insert(Bucket { left: BURST, tick });
        let left = bucket.refilled(tick);
        if left < 1 {
            return Err(used_up());
        }
        *bucket = Bucket { left: left - 1, tick };
        Ok(())
    }
}

fn used_up() -> ApiError {
    let message = format!("{BURST} attempts of yours were refused by a rule in short order");
    ApiError::new(ErrorKind::RateLimited, message).hint("wait a minute; each refusal told what to do instead")
}

impl Bucket {
    fn refilled(&self, tick: i64) -> i64 {
        (self.left + (tick - self.tick).max(0) / MILLIS_EACH).min(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_runs_out_and_time_gives_it_back() {
        let patience = Patience::default();
        for _ in 0..BURST {
            patience.check(7, 0).unwrap();
            patience.spend(7, 0).unwrap();
        }
        // What was under way before is counted as well, and nothing below nothing.
        assert_eq!(patience.spend(7, 0).unwrap_err().kind, ErrorKind::RateLimited);
        assert_eq!(patience.check(7, 0).unwrap_err().kind, ErrorKind::RateLimited);
        patience.check(8, 0).unwrap();
        patience.check(7, MILLIS_EACH).unwrap();
    }
}
