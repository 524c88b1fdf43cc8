//! Records as they commit, to a file or the journal: each at least once, in order, none left out, also over restarts.
//!
//! The ledger is read at the pace of what it is written to; nothing waits for it. Where it got to is kept in the state
//! directory, behind what was written: after a crash some lines are written again, and a reader drops a line whose `seq` and
//! `record_sha256` it has. Knows no caller and changes no state.

mod file;
mod journal;
mod position;
mod standing;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use serde_json::value::RawValue;
use tokio::sync::watch;

pub use self::standing::Standing;
use crate::clock::TimeLine;
use crate::config::ForwardSettings;
use crate::ledger::Tail;
use crate::ledger::leaf_hash;
use crate::store::Readers;
use crate::store::rows::{audit, export};
use file::LogFile;
use journal::Journal;
use position::Position;

/// The wait after the first failure; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Where the position is kept, in the state directory.
const POSITION: &str = "forward.position";

/// A record on its way.
#[derive(Debug)]
pub struct Forwarded {
    /// Its number.
    pub seq: u64,
    /// Its leaf hash.
    pub hash: Digest,
    /// Its line, without an end.
    pub line: Box<RawValue>,
}

/// See the module.
pub struct Forwarder {
    /// Reads, on connections of its own.
    readers: Readers,
    tail: watch::Receiver<Tail>,
    settings: ForwardSettings,
    position: PathBuf,
    line: TimeLine,
    standing: Arc<Standing>,
}

impl Forwarder {
    /// Forwards as `settings` say, from where an earlier process of this state directory got to.
    pub fn new(
        readers: &Readers,
        tail: watch::Receiver<Tail>,
        (settings, standing): (ForwardSettings, Arc<Standing>),
        state: &Path,
        line: TimeLine,
    ) -> Self {
        Self { readers: readers.apart(), tail, settings, position: state.join(POSITION), line, standing }
    }

    /// Runs until `stop` turns true. What fails is said in the log, and tried again: the ledger keeps everything.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let mut wait = FIRST_WAIT;
        loop {
            let Err(error) = self.forward(&mut stop, &mut wait).await else { return Ok(()) };
            self.standing.failed(self.line.wall(), &error);
            tracing::error!("records are not forwarded, tried again in {} s: {error}", wait.as_secs());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Until the end, or until something fails.
    async fn forward(&mut self, stop: &mut watch::Receiver<bool>, wait: &mut Duration) -> io::Result<()> {
        let mut sink = Sink::open(&self.settings)?;
        let mut position = self.begin().await?;
        loop {
            let end = self.tail.borrow_and_update().size();
            while position.next < end && !*stop.borrow() {
                let begin = position.next;
                let read = self.readers.read(move |connection| Ok(export::from(connection, begin, end)?)).await;
                let lines = read.map_err(unread)?;
                let file = self.position.clone();
                let write = move || -> io::Result<(Sink, Result<Position, u64>)> {
                    let lines: Vec<Forwarded> =
                        lines.into_iter().map(|(seq, hash, line)| Forwarded { seq, hash, line }).collect();
                    let last = lines.last().ok_or_else(|| io::Error::other("a committed record cannot be read"))?;
                    let reached = Position { next: last.seq + 1, last: Some(last.hash) };
                    if let Some(back) = sink.write(&lines)? {
                        return Ok((sink, Err(back)));
                    }
                    reached.keep(&file)?;
                    Ok((sink, Ok(reached)))
                };
                let written = tokio::task::spawn_blocking(write).await;
                let written = written.map_err(|_| io::Error::other("a fault ended the thread that wrote"))??;
                sink = written.0;
                position = match written.1 {
                    Ok(reached) => reached,
                    Err(back) => {
                        self.standing.was_shortened();
                        tracing::error!(
                            record = back,
                            "somebody cut the file of forwarded records short; what stood in it is written again"
                        );
                        self.at(back).await?
                    }
                };
                *wait = FIRST_WAIT;
            }
            if position.next >= end {
                self.standing.reached(position.next);
            }
            tokio::select! {
                changed = self.tail.changed() => if changed.is_err() { return Ok(()) },
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Goes back to the record `next`.
    async fn at(&self, next: u64) -> io::Result<Position> {
        let position = match next.checked_sub(1) {
            None => Position::default(),
            Some(before) => {
                let read = self.readers.read(move |connection| Ok(audit::record(connection, before)?)).await;
                Position { next, last: read.map_err(unread)?.map(|record| leaf_hash(&record)) }
            }
        };
        // A crash from here on begins there as well.
        let file = self.position.clone();
        let keep = tokio::task::spawn_blocking(move || position.keep(&file)).await;
        keep.map_err(|_| io::Error::other("a fault ended the thread that wrote"))??;
        Ok(position)
    }

    /// Where to go on. A ledger that is not the one of before is forwarded from its first record on.
    async fn begin(&self) -> io::Result<Position> {
        let kept = Position::read(&self.position)?;
        let Some((before, last)) = kept.next.checked_sub(1).zip(kept.last) else { return Ok(Position::default()) };
        let read = self.readers.read(move |connection| Ok(audit::record(connection, before)?)).await;
        match read.map_err(unread)?.map(|record| leaf_hash(&record)) {
            Some(hash) if hash == last => Ok(kept),
            _ => {
                tracing::error!(
                    record = before,
                    "the record that was forwarded last is not in this ledger: another one was put in its place, or an \
                     older state; all of it is forwarded anew"
                );
                Ok(Position::default())
            }
        }
    }
}

fn unread(error: ApiError) -> io::Error {
    io::Error::other(error.to_string())
}

enum Sink {
    File(LogFile),
    Journal(Journal),
}

impl Sink {
    fn open(settings: &ForwardSettings) -> io::Result<Self> {
        match settings {
            ForwardSettings::File { path, rotate_at, keep } => LogFile::open(path, *rotate_at, *keep).map(Self::File),
            ForwardSettings::Journal { socket } => Journal::connect(socket).map(Self::Journal),
        }
    }

    /// Writes them; or nothing, and says from which record on it is to be written again.
    fn write(&mut self, records: &[Forwarded]) -> io::Result<Option<u64>> {
        match self {
            Self::File(file) => file.write(records),
            Self::Journal(journal) => journal.write(records).map(|()| None),
        }
    }
}

#[cfg(test)]
mod tests;
