//! Readers: connections that cannot write, lent one query at a time.
//!
//! The daemon's own queries have turns of their own. Callers share theirs: each user has a few at once at most,
//! waits for more, and each query has a deadline, so that nobody's searches keep others from reading.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_shared::error::{ApiError, ErrorKind};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Health;
use super::open::{OpenError, is_corruption};
use super::settings::{apply_to_reader, reader_flags};
use super::shares::{Share, Shares};
use super::transaction::Failure;

/// Queries of callers that run at one time; more wait their turn.
const TURNS: usize = 4;
/// Those of one user.
const TURNS_PER_UID: usize = 2;
/// Queries of the daemon itself that run at one time.
const OWN_TURNS: usize = 2;
/// How long a caller's query may run.
const DEADLINE: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 1000;

/// The daemon's own reads; cheap to clone.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

/// Reads that callers ask for; cheap to clone.
#[derive(Clone)]
pub struct CallerReaders(Arc<Pool>);

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    own: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    shares: Arc<Shares<Option<u32>>>,
    deadline: Duration,
    health: Health,
}

/// What a query holds until it has ended, also where its caller does not wait for that.
struct Turn {
    _turn: OwnedSemaphorePermit,
    _share: Option<Share<Option<u32>>>,
}

impl Readers {
    /// Opens the first connection, so that a database that cannot be read is known at once.
    pub fn open(path: &Path, health: Health) -> Result<Self, OpenError> {
        let pool = Pool::new(path.to_owned(), DEADLINE, health);
        let first = pool.connect()?;
        pool.lock().push(first);
        Ok(Self(Arc::new(pool)))
    }

    /// Readers of a database that cannot be opened: every query is refused.
    pub fn of_nothing(health: Health) -> Self {
        Self(Arc::new(Pool::new(PathBuf::new(), DEADLINE, health)))
    }

    /// Readers of the same database with connections and turns of their own, for queries that may be held up by what
    /// they ask besides. None is open yet.
    pub fn apart(&self) -> Self {
        let Pool { path, deadline, health, .. } = &*self.0;
        Self(Arc::new(Pool::new(path.clone(), *deadline, health.clone())))
    }

    /// The same connections for what callers ask.
    pub fn for_callers(&self) -> CallerReaders {
        CallerReaders(self.0.clone())
    }

    /// Runs a query of the daemon itself on a thread where it may block. Callers' queries never keep it waiting.
    pub async fn read<T, F>(&self, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let turn = self.0.own.clone().acquire_owned().await.map_err(|_| stopping())?;
        self.0.clone().run(Turn { _turn: turn, _share: None }, None, query).await
    }
}

impl CallerReaders {
    /// Runs a query for the user `uid`: in its turn, and not beyond the deadline.
    pub async fn read_for<T, F>(&self, uid: u32, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.share(Some(uid), query).await
    }

    /// Runs a small query that names nobody, and that everybody may ask, beside those of the daemon itself.
    pub async fn read_at_once<T, F>(&self, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        Readers(self.0.clone()).read(query).await
    }

    /// Runs a long query on a connection of its own, without a deadline and in nobody's turn. The caller sees to it
    /// that there is one at a time.
    pub async fn read_apart<T, F>(&self, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let pool = self.0.clone();
        let run = move || query(&pool.connected()?).map_err(|failure| pool.describe(failure));
        tokio::task::spawn_blocking(run).await.map_err(|_| stopping())?
    }

    async fn share<T, F>(&self, uid: Option<u32>, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        // The share first: who waits for it stands in nobody's way.
        let share = self.0.shares.take(uid).await.ok_or_else(stopping)?;
        let turn = self.0.turns.clone().acquire_owned().await.map_err(|_| stopping())?;
        self.0.clone().run(Turn { _turn: turn, _share: Some(share) }, Some(self.0.deadline), query).await
    }
}

impl Pool {
    fn new(path: PathBuf, deadline: Duration, health: Health) -> Self {
        let idle = Mutex::new(Vec::with_capacity(TURNS + OWN_TURNS));
        let (own, turns) = (Arc::new(Semaphore::new(OWN_TURNS)), Arc::new(Semaphore::new(TURNS)));
        Self { path, idle, own, turns, shares: Arc::new(Shares::new(TURNS_PER_UID)), deadline, health }
    }

    async fn run<T, F>(self: Arc<Self>, turn: Turn, deadline: Option<Duration>, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let run = move || {
            let _turn = turn;
            let idle = self.lock().pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.connected()?,
            };
            let end = deadline.map(|deadline| Instant::now() + deadline);
            let result = connection
                .progress_handler(STEPS, end.map(|end| move || Instant::now() >= end))
                .map_err(Failure::Database)
                .and_then(|()| query(&connection));
            self.lock().push(connection);
            result.map_err(|failure| self.describe(failure))
        };
        tokio::task::spawn_blocking(run).await.map_err(|_| stopping())?
    }

    fn describe(&self, failure: Failure) -> ApiError {
        match failure {
            Failure::Api(error) => error,
            Failure::Damage(damage) => self.health.found(damage),
            Failure::Database(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) =>
            {
                let message = format!("the answer was not found within {} s", self.deadline.as_secs_f32());
                ApiError::new(ErrorKind::Unavailable, message)
                    .hint("ask for less: narrow the filter, take a smaller `limit`")
            }
            Failure::Database(error) => {
                tracing::error!("reading the database: {error}");
                if is_corruption(&error) {
                    let text = format!("a page cannot be read: {error}");
                    self.health.raise(countersign_shared::protocol::Damage {
                        seq: None,
                        rule: "database".into(),
                        text,
                    });
                }
                ApiError::new(ErrorKind::Unavailable, format!("the state cannot be read: {error}"))
            }
        }
    }

    fn connected(&self) -> Result<Connection, ApiError> {
        self.connect().map_err(|error| {
            self.health
                .check()
                .err()
                .unwrap_or_else(|| ApiError::new(ErrorKind::Unavailable, format!("the state cannot be read: {error}")))
        })
    }

    fn connect(&self) -> Result<Connection, OpenError> {
        let connection = Connection::open_with_flags(&self.path, reader_flags())?;
        apply_to_reader(&connection)?;
        Ok(connection)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopping() -> ApiError {
    ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down")
}

#[cfg(test)]
#[path = "readers_tests.rs"]
mod tests;
