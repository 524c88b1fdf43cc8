//! How much one requester may submit. What is refused here is too much, not an attempt at something forbidden: the
//! ledger is not filled with it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_shared::error::{ApiError, ErrorKind};

use super::Service;
use super::actor::Actor;
use crate::store::rows::{idempotency, requests};

/// The limits of one requester. The defaults are the documented ones; tests use smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests that wait for people: 2000.
    pub pending: u32,
    /// Submissions, amendments and remarks a minute, in the long run: 600.
    pub per_minute: i64,
    /// The same at once after a quiet time: 2000.
    pub burst: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pending: 2000, per_minute: 600, burst: 2000 }
    }
}

/// What every requester has used.
#[derive(Debug, Default)]
pub struct Quota {
    limits: Limits,
    used: Mutex<HashMap<u32, Used>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// The tick at which the whole burst is there again.
    full_at: i64,
    /// Pending requests: never fewer than there are, and more where some have ended since they were counted.
    pending: Option<u32>,
}

impl Quota {
    /// Lets a submission through, or refuses it. Those under way at the moment of a count may come on top of it.
    pub async fn admit(&self, service: &Service, actor: &Actor, key: Option<&str>) -> Result<(), ApiError> {
        let uid = actor.party.uid;
        if actor.permissions.roles().is_empty() {
            // No rule will let it through, and nothing is kept of strangers.
            return Ok(());
        }
        self.spend(uid, service.line.tick())?;
        if self.reserve(uid) {
            return Ok(());
        }
        let (key, limit) = (key.map(str::to_owned), self.limits.pending);
        let count = move |connection: &rusqlite::Connection| {
            let made = key.map(|key| idempotency::get(connection, uid, &key)).transpose()?.flatten();
            Ok((requests::count_pending_of(connection, uid, limit)?, made.is_some()))
        };
        let (pending, repeated) = service.readers.read_for(actor.caller.uid, count).await?;
        self.counted(uid, pending);
        // The same again makes nothing new: it gets its answer also where there is no room.
        if self.reserve(uid) || repeated {
            return Ok(());
        }
        let message = format!("{pending} requests of {} wait for people; at most {limit} may", actor.party.account);
        Err(ApiError::new(ErrorKind::RateLimited, message)
            .hint("have some of them decided first: countersign ls --state pending"))
    }

    /// Lets another record about a request that there is through, or refuses it: amendments and remarks come out of the
    /// same measure as submissions.
    pub fn admit_record(&self, service: &Service, actor: &Actor) -> Result<(), ApiError> {
        if actor.permissions.roles().is_empty() {
            return Ok(());
        }
        self.spend(actor.party.uid, service.line.tick())
    }

    fn spend(&self, uid: u32, tick: i64) -> Result<(), ApiError> {
        let Limits { per_minute, burst, .. } = self.limits;
        let each = 60_000 / per_minute.max(1);
        let mut used = self.lock();
        let used = used.entry(uid).or_default();
        let full_at = used.full_at.max(tick) + each;
        if full_at - tick > burst * each {
            return Err(ApiError::new(
                ErrorKind::RateLimited,
                format!(
                    "you have sent {burst} requests, amendments and remarks in short order, and {per_minute} a \
                     minute are taken"
                ),
            )
            .hint(format!("wait a minute; every {each} ms there is room for one more")));
        }
        used.full_at = full_at;
        Ok(())
    }

    fn reserve(&self, uid: u32) -> bool {
        let mut used = self.lock();
        let Some(pending) = used.entry(uid).or_default().pending.as_mut().filter(|n| **n < self.limits.pending) else {
            return false;
        };
        *pending += 1;
        true
    }

    fn counted(&self, uid: u32, pending: u32) {
        self.lock().entry(uid).or_default().pending = Some(pending);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota() -> Quota {
        Quota { limits: Limits { pending: 2, per_minute: 60, burst: 3 }, ..Quota::default() }
    }

    #[test]
    fn a_burst_is_taken_and_then_so_many_a_minute() {
        let quota = quota();
        let mut taken = Vec::new();
        // One try each 100 ms for ten seconds.
        for tick in (0..10_000).step_by(100) {
            if quota.spend(7, tick).is_ok() {
                taken.push(tick);
            }
        }
        assert_eq!(taken, [0, 100, 200, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000]);
        let refused = quota.spend(7, 9_001).unwrap_err();
        assert_eq!((refused.kind, refused.rule), (ErrorKind::RateLimited, None));
        assert!(refused.message.contains("60 a minute"), "{refused}");
        quota.spend(8, 9_001).unwrap();
        // A long rest gives the burst back, and not more.
        assert_eq!((0..9).filter(|_| quota.spend(7, 1_000_000).is_ok()).count(), 3);
    }

    #[test]
    fn places_are_reserved_up_to_the_limit_and_counted_again_where_they_run_out() {
        let quota = quota();
        assert!(!quota.reserve(7), "not counted yet");
        quota.counted(7, 0);
        assert!(quota.reserve(7) && quota.reserve(7) && !quota.reserve(7));
        quota.counted(7, 2);
        assert!(!quota.reserve(7));
        quota.counted(7, 1);
        assert!(quota.reserve(7) && !quota.reserve(7));
    }
}
