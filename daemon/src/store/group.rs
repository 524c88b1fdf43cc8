//! One group: commands that arrived together, each on its own savepoint, made durable by one commit.

use countersign_shared::error::{ApiError, ErrorKind};
use rusqlite::{Connection, params};

use super::integrity::written;
use super::open::is_corruption;
use super::routing::Routes;
use super::transaction::{Effect, Failure, Transaction, given_up};
use super::{Health, writer::Command};
use crate::clock::TimeLine;
use crate::ledger::{Frontier, Tail};

/// The most commands that share a commit.
pub const MAX_GROUP: usize = 128;

/// A group that is durable.
#[derive(Debug)]
pub struct Done {
    /// How many of the commands it holds, from the first: the others wait for the next group.
    pub commands: usize,
    /// What has to happen now.
    pub effects: Vec<Effect>,
}

/// A group that failed as a whole.
#[derive(Debug)]
pub struct Undone {
    /// What its commands are told.
    pub error: ApiError,
    /// Where it was the COMMIT that failed: what is true if it has reached the disk all the same.
    pub unless_durable: Option<Box<(Tail, Vec<Effect>)>>,
}

/// Runs the commands and commits. On success the tail has moved on; on failure it is where it was.
pub fn run(
    connection: &Connection,
    tail: &mut Tail,
    line: &TimeLine,
    routes: &Routes,
    commands: &mut [Box<dyn Command>],
    health: &Health,
) -> Result<Done, Undone> {
    let mut unless_durable = None;
    let result = commit(connection, tail, (line, routes), commands, &mut unless_durable);
    result.map_err(|failure| {
        // After a failed COMMIT the transaction may still be open; nothing of it may join the next group.
        if !connection.is_autocommit()
            && let Err(rollback) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!("rolling back failed: {rollback}");
        }
        Undone { error: describe(failure, health), unless_durable }
    })
}

fn commit(
    connection: &Connection,
    tail: &mut Tail,
    (line, routes): (&TimeLine, &Routes),
    commands: &mut [Box<dyn Command>],
    unless_durable: &mut Option<Box<(Tail, Vec<Effect>)>>,
) -> Result<Done, Failure> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    if let Some(damage) = written::compare_end(connection, tail)? {
        return Err(Failure::Damage(damage));
    }
    let begun = connection.total_changes();
    let mut current = tail.clone();
    let (mut effects, mut ran) = (Vec::new(), 0);
    for command in commands {
        let mut transaction = Transaction::new(connection, current, (tail.size(), begun), line, routes);
        let outcome = transaction.attempt(|transaction| command.run(transaction));
        // A command that could not be undone alone takes the group with it.
        if let Some(error) = transaction.not_undone.take() {
            return Err(error.into());
        }
        // SQLite gave the whole transaction up (disk full, I/O): nothing may run outside of one.
        if connection.is_autocommit() {
            return Err(match outcome {
                Err(Failure::Database(error)) => error.into(),
                _ => given_up(),
            });
        }
        if let Err(failure) = outcome {
            command.fail(failure);
        }
        let last = transaction.effects.iter().any(Effect::ends_the_group);
        effects.append(&mut transaction.effects);
        current = transaction.tail;
        ran += 1;
        if last {
            break;
        }
    }
    if current.size() != tail.size() {
        keep_frontier(connection, current.frontier())?;
    }
    if let Err(error) = connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])) {
        *unless_durable = Some(Box::new((current, effects)));
        return Err(error.into());
    }
    *tail = current;
    Ok(Done { commands: ran, effects })
}

fn keep_frontier(connection: &Connection, frontier: &Frontier) -> rusqlite::Result<()> {
    let peaks: Vec<u8> = frontier.peaks().iter().flat_map(|peak| *peak.as_bytes()).collect();
    connection
        .prepare_cached(
            "INSERT INTO ledger_frontier (id, size, peaks) VALUES (1, ?1, ?2)
             ON CONFLICT (id) DO UPDATE SET size = excluded.size, peaks = excluded.peaks",
        )?
        .execute(params![frontier.size(), peaks])?;
    Ok(())
}

/// What a failure means to the caller. Corruption turns the daemon read-only.
pub fn describe(failure: Failure, health: &Health) -> ApiError {
    match failure {
        Failure::Api(error) => error,
        Failure::Database(error) => meaning(error, health),
        Failure::Damage(damage) => health.found(damage),
    }
}

fn meaning(error: rusqlite::Error, health: &Health) -> ApiError {
    use rusqlite::ErrorCode::{
        CannotOpen, ConstraintViolation, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, ReadOnly, SystemIoFailure,
    };
    tracing::error!("the database: {error}");
    if is_corruption(&error) {
        health.raise(countersign_shared::protocol::Damage {
            seq: None,
            rule: "database".into(),
            text: error.to_string(),
        });
    }
    if let Err(read_only) = health.check() {
        return read_only;
    }
    let unknown = "look whether it took effect before you try again";
    match error.sqlite_error_code() {
        Some(DiskFull) => {
            ApiError::new(ErrorKind::Unavailable, "the disk that holds the state is full; nothing was changed")
                .hint("make room in the state directory, then try again")
        }
        Some(DatabaseBusy | DatabaseLocked) => {
            ApiError::new(ErrorKind::Unavailable, "another process holds the state; nothing was changed")
                .hint("no other program may write countersign.db; try again in a moment")
        }
        Some(SystemIoFailure | ReadOnly | CannotOpen | OutOfMemory) => {
            ApiError::new(ErrorKind::Unavailable, format!("the state cannot be written: {error}")).hint(unknown)
        }
        Some(ConstraintViolation) => {
            ApiError::internal(format!("a rule of the database stopped it, nothing was changed: {error}"))
        }
        _ => ApiError::internal(format!("the database failed: {error}")).hint(unknown),
    }
}
