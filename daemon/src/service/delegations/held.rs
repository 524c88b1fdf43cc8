//! Says that the caller holds from others, with the accounts of their givers as the name service knows them now.

use std::fmt;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::time::Timestamp;

use crate::gate::Delegated;
use crate::identity::directory::Account;
use crate::policy::{Permission, Permissions, Policy};
use crate::service::Service;
use crate::service::actor::{Actor, DEMO_MARK, account_name, demo_account};

/// Says that one person can hold at a time. Each costs a look-up of its giver's account when it may be used.
pub const MAX_HELD: usize = 32;

/// A say that was handed to the caller, and that holds as far as has been looked at before the verb.
#[derive(Clone, Debug)]
pub struct Held {
    /// As the ledger has it.
    pub delegated: Delegated,
    /// The giver's account, looked up now: its groups are those of now.
    pub account: Account,
    /// What the giver may do now.
    permissions: Permissions,
    /// Until when, by the wall clock as it stands now.
    until: Timestamp,
}

impl Held {
    /// One whose giver's account was looked up at `now`.
    pub fn new(policy: &Policy, delegated: Delegated, account: Account, now: Timestamp, tick: i64) -> Self {
        let permissions = Permissions::of(policy, &account, now);
        let left = delegated.until_tick.saturating_sub(tick);
        let until = Timestamp::from_unix_millis(now.unix_millis().saturating_add(left)).unwrap_or(now);
        Self { delegated, account, permissions, until }
    }

    /// Whether the account is its giver's still: the person's, as it was at the grant. A user id that was given to
    /// somebody else has another name, one that was deleted has none, and neither has anything to hand over.
    pub fn is_still_theirs(&self, policy: &Policy) -> bool {
        let by = &self.delegated.by;
        by.person.is_some() && policy.person_of(&self.account) == by.person.as_deref()
    }

    /// Whether requests under a profile are for its holder to see.
    pub fn shows(&self, policy: &Policy, profile: &str) -> bool {
        let delegable = policy.profile(profile).is_some_and(|profile| profile.rules().allow_delegation);
        delegable && self.delegated.covers(profile) && self.permissions.allows(Permission::Decide(profile))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let giver = self.delegated.by.person.as_deref().unwrap_or_default();
        write!(f, "{giver}'s until {}", self.until)?;
        match &self.delegated.profiles {
            Some(ids) => write!(f, " ({})", ids.join(", ")),
            None => Ok(()),
        }
    }
}

impl Service {
    /// The caller, with the says that were handed to them. To be asked before the verb: a look-up of an account may
    /// block, which the thread that writes must not.
    pub async fn with_says(&self, mut actor: Actor) -> Result<Actor, ApiError> {
        let Some(person) = actor.party.person.clone() else { return Ok(actor) };
        let tick = self.line.tick();
        let read = move |connection: &rusqlite::Connection| Ok(Delegated::to(connection, &person, tick, MAX_HELD)?);
        let delegated = match self.readers.read_for(actor.caller.uid, read).await {
            Ok(delegated) => delegated,
            // Nothing is decided on a damaged database; what can be read of it is read by one's own right.
            Err(_) if self.health.damage().is_some() => return Ok(actor),
            Err(error) => return Err(error),
        };
        if delegated.is_empty() {
            return Ok(actor);
        }
        actor.held = self.look_ups.run(|| self.of_their_givers(delegated, tick)).await?;
        Ok(actor)
    }

    fn of_their_givers(&self, delegated: Vec<Delegated>, tick: i64) -> Result<Vec<Held>, ApiError> {
        let (policy, now) = (self.policy.now(), self.line.wall());
        let mut held: Vec<Held> = Vec::with_capacity(delegated.len());
        for delegated in delegated {
            let known = held.iter().find(|held| held.delegated.by == delegated.by).map(|held| held.account.clone());
            let account = match known {
                Some(account) => Some(account),
                None => self.giver(&policy, &delegated)?,
            };
            let Some(account) = account else { continue };
            let one = Held::new(&policy, delegated, account, now, tick);
            if one.is_still_theirs(&policy) {
                held.push(one);
            }
        }
        Ok(held)
    }

    /// The account that a say was handed over from; `None` where its user id has another name now, or none.
    fn giver(&self, policy: &Policy, delegated: &Delegated) -> Result<Option<Account>, ApiError> {
        let by = &delegated.by;
        if let Some(name) = by.account.strip_suffix(DEMO_MARK).filter(|_| self.facts.demo) {
            return Ok(Some(demo_account(policy, name)).filter(|account| account.uid == by.uid));
        }
        let account = self.directory.account(by.uid, policy.needs_unix_groups()).map_err(|error| {
            let message = format!("the name service did not answer for uid {}: {error}", by.uid);
            ApiError::new(ErrorKind::Unavailable, message)
                .hint("check `getent passwd` and `id` on the host; without an answer nobody is let through")
        })?;
        Ok(Some(account).filter(|account| account_name(account) == by.account))
    }
}
