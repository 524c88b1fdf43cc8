//! Opens the state directory and looks at everything in it before anything is decided.

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_shared::protocol::Damage;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::Connection;

use super::issuers::ISSUERS;
use super::{BootError, during};
use crate::clock::Clock;
use crate::clock::line::Mark;
use crate::ledger::Tail;
use crate::store::migrations::{migrate, newest, schema_difference};
use crate::store::open::{OpenError, StateDir};
use crate::store::rows::{meta, nodes};
use crate::store::settings::{apply_to_writer, writer_flags};
use crate::store::{Health, Readers, integrity};
use crate::systemd;

/// The state, open.
pub struct Database {
    /// The directory, held.
    pub state: StateDir,
    /// The writer's connection; absent where the file cannot be read as a database.
    pub connection: Option<Connection>,
    /// The readers.
    pub readers: Readers,
    /// The end of the ledger.
    pub tail: Tail,
    /// What is known of the installation.
    pub installation: Installation,
}

/// What is known of the installation as a whole.
pub struct Installation {
    /// Its id.
    pub origin: String,
    /// The time line's place.
    pub mark: Option<Mark>,
    /// The last tick on record.
    pub last_tick: i64,
    /// True where this start made it.
    pub fresh: bool,
}

/// Opens it. Damage is raised, not returned: the daemon then serves reads.
pub fn open(path: &Path, demo: bool, health: &Health, clock: &dyn Clock) -> Result<Database, BootError> {
    let state = StateDir::hold(path).map_err(during("opening the state"))?;
    let file = state.database();
    match connect(&file, path, demo, clock) {
        Ok((connection, installation)) => {
            let mut said = Said::default();
            let verified = match integrity::check(&connection, Tail::default(), &mut |done, of| said.progress(done, of))
            {
                Ok(verified) => verified,
                Err(error) if error.is_corruption() => {
                    health.raise(database_damage(&error));
                    integrity::unknown()
                }
                Err(error) => return Err(during("verifying the ledger")(error)),
            };
            if let Some(damage) = verified.damage {
                health.raise(damage);
            }
            let readers = Readers::open(&file, health.clone()).map_err(during("opening the state to read"))?;
            Ok(Database { state, connection: Some(connection), readers, tail: verified.tail, installation })
        }
        Err(problem) if problem.is_damage() => {
            health.raise(problem.into_damage());
            let installation = Installation { origin: "unknown".into(), mark: None, last_tick: 0, fresh: false };
            let readers = Readers::of_nothing(health.clone());
            Ok(Database { state, connection: None, readers, tail: integrity::unknown().tail, installation })
        }
        Err(Problem::Open(error)) => Err(during("opening the database")(error)),
        Err(Problem::Gone(sentence) | Problem::Demo(sentence)) => Err(BootError::Failed(sentence)),
    }
}

/// How often a long start says how far it is.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// What those were told who wait for the start: the log, and the service manager, which would end it otherwise.
struct Said {
    begun: Instant,
    last: Instant,
}

impl Default for Said {
    fn default() -> Self {
        let now = Instant::now();
        Self { begun: now, last: now }
    }
}

impl Said {
    fn progress(&mut self, done: u64, of: u64) {
        let now = Instant::now();
        // Behind the records comes all that is not the ledger, which says nothing while it is looked at.
        let behind = done == of && now - self.begun >= SAID_EVERY;
        if behind || now - self.last >= SAID_EVERY {
            self.last = now;
            tracing::info!(done, of, "verifying the ledger before anything is served");
            let allowed = if behind { Duration::from_secs(900) } else { Duration::from_secs(60) };
            if let Err(error) = systemd::starting(&format!("verifying the ledger: {done} of {of} records"), allowed) {
                tracing::warn!("telling the service manager: {error}");
            }
        }
    }
}

enum Problem {
    Open(OpenError),
    Gone(String),
    Demo(String),
}

impl Problem {
    fn is_damage(&self) -> bool {
        match self {
            Self::Open(error) => error.is_corruption(),
            Self::Gone(_) => true,
            Self::Demo(_) => false,
        }
    }

    fn into_damage(self) -> Damage {
        match self {
            Self::Open(error) => database_damage(&error),
            Self::Gone(text) | Self::Demo(text) => Damage { seq: None, rule: "database".into(), text },
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Open(error.into())
    }
}

impl From<OpenError> for Problem {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

fn connect(file: &Path, state: &Path, demo: bool, clock: &dyn Clock) -> Result<(Connection, Installation), Problem> {
    let mut connection = Connection::open_with_flags(file, writer_flags())?;
    apply_to_writer(&connection)?;
    // The issuers are made after the database is: where they stand alone, it was emptied or taken away. To begin
    // anew would forget the ledger and adopt whatever policy lies there.
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if objects == 0 && state.join(ISSUERS).exists() {
        return Err(Problem::Gone(format!(
            "the database is empty or missing beside the {ISSUERS} of an earlier installation: restore it from a \
             backup, or begin on a new state directory"
        )));
    }
    migrate(&mut connection, newest())?;
    // Where the schema is not what it should be, nothing is added to it: the verification says so.
    if schema_difference(&connection)?.is_none() {
        nodes::fill(&mut connection)?;
    }
    let origin = meta::get(&connection, meta::ORIGIN)?;
    let fresh = origin.is_none();
    let origin = match origin {
        Some(origin) => origin,
        None => {
            let origin = fresh_origin(clock);
            let transaction = connection.transaction()?;
            meta::set(&transaction, meta::ORIGIN, &origin)?;
            meta::set(&transaction, meta::DEMO, if demo { "yes" } else { "no" })?;
            transaction.commit()?;
            origin
        }
    };
    let made_by_demo = meta::get(&connection, meta::DEMO)?.as_deref() == Some("yes");
    if demo != made_by_demo {
        return Err(Problem::Demo(if demo {
            "this state directory is a real installation: --demo works on a directory of its own".into()
        } else {
            "this state directory was made by a demo: its people chose who they were; start anew for real work".into()
        }));
    }
    let (mark, last_tick) = (meta::mark(&connection)?, meta::last_tick(&connection)?);
    Ok((connection, Installation { origin, mark, last_tick, fresh }))
}

/// `countersign/` and sixteen hexadecimal digits: names this ledger for as long as it lives.
fn fresh_origin(clock: &dyn Clock) -> String {
    let mut bytes = [0; 8];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        bytes = clock.wall_millis().to_be_bytes();
    }
    format!("countersign/{:016x}", u64::from_be_bytes(bytes))
}

fn database_damage(error: &OpenError) -> Damage {
    Damage { seq: None, rule: "database".into(), text: error.to_string() }
}
