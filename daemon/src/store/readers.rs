//! Readers: connections that cannot write, lent one query at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_shared::error::{ApiError, ErrorKind};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::Health;
use super::open::{OpenError, is_corruption};
use super::settings::{apply_to_reader, reader_flags};
use super::transaction::Failure;

/// Queries that run at one time; more wait their turn.
const READERS: usize = 4;

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
    health: Health,
}

impl Readers {
    /// Opens the first connection, so that a database that cannot be read is known at once.
    pub fn open(path: &Path, health: Health) -> Result<Self, OpenError> {
        let pool = Pool {
            path: path.to_owned(),
            idle: Mutex::new(Vec::with_capacity(READERS)),
            turns: Semaphore::new(READERS),
            health,
        };
        let first = pool.connect()?;
        pool.lock().push(first);
        Ok(Self(Arc::new(pool)))
    }

    /// Readers of a database that cannot be opened: every query is refused.
    pub fn of_nothing(health: Health) -> Self {
        Self(Arc::new(Pool {
            path: PathBuf::new(),
            idle: Mutex::new(Vec::new()),
            turns: Semaphore::new(READERS),
            health,
        }))
    }

    /// Runs `query` on a thread where it may block.
    pub async fn read<T, F>(&self, query: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let stopping = || ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down");
        let pool = self.0.clone();
        let _turn = self.0.turns.acquire().await.map_err(|_| stopping())?;
        tokio::task::spawn_blocking(move || pool.run(query)).await.map_err(|_| stopping())?
    }
}

impl Pool {
    fn run<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, ApiError> {
        let idle = self.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().map_err(|error| {
                self.health.check().err().unwrap_or_else(|| {
                    ApiError::new(ErrorKind::Unavailable, format!("the state cannot be read: {error}"))
                })
            })?,
        };
        let result = query(&connection);
        self.lock().push(connection);
        result.map_err(|failure| self.describe(failure))
    }

    fn describe(&self, failure: Failure) -> ApiError {
        match failure {
            Failure::Api(error) => error,
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

    fn connect(&self) -> Result<Connection, OpenError> {
        let connection = Connection::open_with_flags(&self.path, reader_flags())?;
        apply_to_reader(&connection)?;
        Ok(connection)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
