//! What a command sees of the database: one transaction that also holds the end of the ledger.
//!
//! There is no other way to write. A command that fails leaves nothing behind, neither rows nor records.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::{CertificateId, DelegationId, JobId, RequestId};
use countersign_shared::protocol::{AuditAction, Damage};
use countersign_shared::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_TRIGGER};
use rusqlite::{Connection, params};

use super::integrity::written;
use super::routing::Routes;
use super::rows::metrics::Outcome;
use super::rows::nodes;
use super::rows::notifications::{self, NewMessage};
use crate::alerts::Stage;
use crate::alerts::closing::KEEP_INCIDENTS;
use crate::clock::TimeLine;
use crate::in_force::{InForce, PolicyInForce};
use crate::ledger::record::Sealed;
use crate::ledger::{Draft, Tail};
use crate::policy::{Channel, Policy};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// A refusal or fault that the caller is told as it is.
    Api(ApiError),
    /// SQLite failed; the writer says what that means.
    Database(rusqlite::Error),
    /// The state says something that the ledger does not: nothing is decided from here on.
    Damage(Damage),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// What has to happen once a command's changes are durable: wake-ups and counters, never state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// One request more waits for people.
    Pending,
    /// Something is due on a request that waits, other than its end: when to look next may be sooner.
    Timed,
    /// A request left `pending`.
    Decided {
        /// How.
        outcome: Outcome,
        /// Under which profile.
        profile_id: String,
        /// How long it had been pending, in milliseconds.
        age_millis: i64,
    },
    /// A job can be picked up.
    JobReady,
    /// A job, or a request that has none, moved: whoever waits for its id looks again.
    Moved(String),
    /// A channel has a message to send.
    Queued(Channel),
    /// An attempt to send an alert is on record.
    Alerted {
        /// On which channel.
        channel: Channel,
        /// For which moment.
        stage: Stage,
        /// Whether the other side accepted it.
        accepted: bool,
    },
    /// Alerts were due that had been raised before.
    Deduped {
        /// On which channel.
        channel: Channel,
        /// For which moment.
        stage: Stage,
        /// How many.
        count: u64,
    },
    /// No attempt follows for a message by itself.
    Died,
    /// A certificate was revoked: the list of its issuer says so next.
    Revoked,
    /// A certificate is watched from now on, with another end, or no longer: when alerts are due is to be looked at anew.
    Watched,
    /// When a certificate is renewed was planned anew, and may be sooner.
    RenewalPlanned,
    /// A say was handed over, and has to come back at its time.
    Delegated,
    /// A rule stopped somebody, and that is on record.
    Refused {
        /// Which.
        rule: &'static str,
    },
    /// Rules stopped one human again and again, and that is on record.
    AttemptsRepeated,
    /// A free text was erased: what is left of it in the log of the database goes as well.
    TextErased,
    /// Another policy takes force. Commands that come after it run in a group of their own, under that policy.
    PolicyChanged(Arc<InForce>),
}

impl Effect {
    /// True where the commands that follow have to see it: they wait for the commit.
    pub(super) fn ends_the_group(&self) -> bool {
        matches!(self, Self::PolicyChanged(_))
    }
}

/// A record as it stands in the ledger now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its sequence number.
    pub seq: u64,
    /// Its leaf hash.
    pub hash: Digest,
}

/// See the module.
pub struct Transaction<'a> {
    pub(super) connection: &'a Connection,
    pub(super) tail: Tail,
    /// The ledger's size as of the last commit: records below it are durable.
    pub(super) durable: u64,
    pub(super) effects: Vec<Effect>,
    /// The nearest point that the transaction can go back to.
    pub(super) restore: Restore,
    /// Why steps that failed could not be undone: the group must not commit.
    pub(super) not_undone: Option<rusqlite::Error>,
    pub(super) line: &'a TimeLine,
    pub(super) routes: &'a Routes,
    pub(super) now: Timestamp,
    pub(super) tick: i64,
}

/// A point that the transaction can go back to, and SQLite's count of changed rows as it was there.
///
/// While the count is the same nothing has been written since, and another point would undo nothing more. That
/// saves nearly all savepoints, for each of which SQLite copies every page that is written after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restore {
    pub(super) point: Point,
    pub(super) changes: u64,
}

/// See [`Restore`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Point {
    /// The begin of the group's transaction.
    Begin,
    /// The innermost savepoint.
    Savepoint,
}

impl<'a> Transaction<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        tail: Tail,
        (durable, begun): (u64, u64),
        line: &'a TimeLine,
        routes: &'a Routes,
    ) -> Self {
        Self {
            connection,
            tail,
            durable,
            effects: Vec::new(),
            restore: Restore { point: Point::Begin, changes: begun },
            not_undone: None,
            line,
            routes,
            now: line.wall(),
            tick: line.tick(),
        }
    }

    /// The connection, to read and to change rows; the ledger is changed by [`Transaction::record`] alone.
    pub fn connection(&self) -> &Connection {
        self.connection
    }

    /// The wall clock at the command's begin.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The time line at the command's begin.
    pub fn tick(&self) -> i64 {
        self.tick
    }

    /// The ledger's size, the records of this transaction included.
    pub fn ledger_size(&self) -> u64 {
        self.tail.size()
    }

    /// The ledger's size as of the last commit: only records below it may allow a signature.
    pub fn durable_size(&self) -> u64 {
        self.durable
    }

    /// Tells people what `recorded` says, on the channels that are routed for it. Where there are none, the notification
    /// says that instead.
    pub fn tell(&mut self, action: AuditAction, resource_id: &str, recorded: Recorded) -> Result<(), Failure> {
        let (channels, severity) = self.routes.of(action);
        if channels.is_empty() {
            return self.tell_nobody(action, resource_id, "no channel is configured for it", recorded);
        }
        let message = NewMessage { kind: action.as_str(), resource_id, severity, params: "{}", seq: recorded.seq };
        self.tell_on(channels, &message)
    }

    /// Tells people something besides what a record says, on the channels that are routed for `action`.
    pub fn tell_as(&mut self, action: AuditAction, message: &NewMessage<'_>) -> Result<(), Failure> {
        let (channels, _) = self.routes.of(action);
        if channels.is_empty() {
            let what = (message.kind, message.resource_id);
            notifications::skip(self.connection, what, "no channel is configured for it", self.now, message.seq)?;
            return Ok(());
        }
        self.tell_on(channels, message)
    }

    /// Tells people something on these channels.
    pub fn tell_on(&mut self, channels: &[Channel], message: &NewMessage<'_>) -> Result<(), Failure> {
        for channel in channels {
            notifications::queue(self.connection, message, *channel, (self.now, self.tick))?;
            self.effects.push(Effect::Queued(*channel));
        }
        Ok(())
    }

    /// Notes that nobody is told of what `recorded` says, and why.
    pub fn tell_nobody(
        &mut self,
        action: AuditAction,
        resource_id: &str,
        why: &str,
        recorded: Recorded,
    ) -> Result<(), Failure> {
        notifications::skip(self.connection, (action.as_str(), resource_id), why, self.now, recorded.seq)?;
        Ok(())
    }

    /// A watch has ended, or a newer version is watched: the table has queued what closes incidents elsewhere.
    pub fn watch_ended(&mut self) {
        self.effects.extend(KEEP_INCIDENTS.map(Effect::Queued));
    }

    /// The sequence number of the newest record.
    pub fn newest_record(&self) -> Result<u64, Failure> {
        Ok(self.connection.query_row("SELECT max(seq) FROM audit_events", [], |row| row.get(0))?)
    }

    /// Appends a record. Whatever a command changes, it says so here, in the same transaction.
    pub fn record(&mut self, draft: Draft) -> Result<Recorded, Failure> {
        if self.connection.is_autocommit() {
            return Err(given_up());
        }
        let draft = draft.number("tick", self.tick).number("boot_ms", self.line.boot_millis());
        let sealed = self
            .tail
            .seal(draft, self.now)
            .map_err(|error| ApiError::internal(format!("the ledger record has no canonical form: {error}")))?;
        insert(self.connection, &sealed).map_err(|error| {
            match error.sqlite_error().map(|error| error.extended_code) {
                Some(SQLITE_CONSTRAINT_TRIGGER | SQLITE_CONSTRAINT_PRIMARYKEY) => {
                    Failure::Damage(written::in_the_way(sealed.seq, &error))
                }
                _ => error.into(),
            }
        })?;
        Ok(Recorded { seq: sealed.seq, hash: sealed.hash })
    }

    /// The policy to judge by: the one in force, or the one that an earlier part of this command puts in force.
    pub fn rules(&self, in_force: &PolicyInForce) -> Arc<Policy> {
        let next = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::PolicyChanged(next) => Some(next.policy().clone()),
            _ => None,
        });
        next.unwrap_or_else(|| in_force.now())
    }

    /// Asks for something to happen after the commit.
    pub fn after_commit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Runs `steps`; where they fail, everything they did is undone and the transaction goes on.
    pub fn attempt<T>(&mut self, steps: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let (tail, effects) = (self.tail.clone(), self.effects.len());
        let (outer, changes) = (self.restore, self.connection.total_changes());
        let new_point = changes != outer.changes;
        if new_point {
            self.connection.prepare_cached("SAVEPOINT attempt")?.execute([])?;
            self.restore = Restore { point: Point::Savepoint, changes };
        }
        // A command that panics is a fault of its own; the writer and everybody else's commands go on.
        let result = catch_unwind(AssertUnwindSafe(|| steps(self))).unwrap_or_else(|_| {
            Err(ApiError::internal("a fault of the daemon stopped the command; nothing was changed").into())
        });
        if self.connection.is_autocommit() {
            // SQLite has rolled the whole transaction back by itself; the group ends here.
            return result;
        }
        if result.is_err() {
            if self.connection.total_changes() != changes {
                self.go_back();
            }
            self.tail = tail;
            self.effects.truncate(effects);
        }
        if new_point {
            self.step("RELEASE attempt");
            self.restore = outer;
        }
        // What could not be undone takes the whole group with it; nothing is written on top of it.
        if self.not_undone.is_some() {
            return Err(given_up());
        }
        result
    }

    /// Undoes everything since the nearest point.
    fn go_back(&mut self) {
        match self.restore.point {
            Point::Savepoint => self.step("ROLLBACK TO attempt"),
            Point::Begin => {
                self.step("ROLLBACK");
                self.step("BEGIN IMMEDIATE");
            }
        }
        // The count goes on through what was undone.
        self.restore.changes = self.connection.total_changes();
    }

    /// One statement about the transaction itself. Where it fails, what stands in the transaction is not what this says.
    fn step(&mut self, sql: &str) {
        let done = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        if let Err(error) = done {
            self.not_undone.get_or_insert(error);
        }
    }

    /// A fresh request id.
    pub fn fresh_request(&self) -> Result<RequestId, Failure> {
        Ok(RequestId::fresh(self.millis(), random_bits()?))
    }

    /// A fresh job id.
    pub fn fresh_job(&self) -> Result<JobId, Failure> {
        Ok(JobId::fresh(self.millis(), random_bits()?))
    }

    /// A fresh certificate id.
    pub fn fresh_certificate(&self) -> Result<CertificateId, Failure> {
        Ok(CertificateId::fresh(self.millis(), random_bits()?))
    }

    /// A fresh delegation id.
    pub fn fresh_delegation(&self) -> Result<DelegationId, Failure> {
        Ok(DelegationId::fresh(self.millis(), random_bits()?))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.now.unix_millis()).unwrap_or(0)
    }
}

/// The transaction is gone, or not what it should be: no caller may go on in it.
pub(super) fn given_up() -> Failure {
    ApiError::new(ErrorKind::Unavailable, "the transaction was given up; nothing was changed").into()
}

/// Sixteen random octets that stand before a free text when it is hashed: the text can be erased later and
/// not be guessed from its hash.
pub fn fresh_salt() -> Result<[u8; 16], Failure> {
    let mut salt = [0; 16];
    fill_random(&mut salt)?;
    Ok(salt)
}

/// The salted digest by which records and contents hold a free text.
pub fn salted(salt: &[u8], text: &str) -> Digest {
    Digest::of(&[b"countersign-text-v1\0", salt, text.as_bytes()])
}

fn random_bits() -> Result<u32, Failure> {
    let mut bytes = [0; 4];
    fill_random(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn fill_random(bytes: &mut [u8]) -> Result<(), Failure> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| ApiError::new(ErrorKind::Unavailable, "the system has no random numbers").into())
}

fn insert(connection: &Connection, sealed: &Sealed) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO audit_events (seq, event_id, created_at, actor, actor_type, action, category,
                 resource_type, resource_id, details, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            sealed.seq,
            sealed.event_id.as_str(),
            sealed.created_at.to_string(),
            sealed.draft.actor,
            sealed.draft.actor_type.as_str(),
            sealed.draft.action.as_str(),
            sealed.draft.category.as_str(),
            sealed.draft.resource_type,
            sealed.draft.resource_id,
            sealed.details.as_str(),
            sealed.record,
        ])?;
    sealed.nodes.iter().try_for_each(|node| nodes::insert(connection, node))
}
