//! A long pass on two threads: rows are read on this one, and checked on another, in their order and by the same code as on one.
//!
//! A few batches of rows go round between the two, so that memory does not depend on how many records there are. Reading
//! takes rather more than half of what a pass costs on one core, and all of it stays where the connection is. Copying rows
//! and handing them over costs core time, so two threads pay only where each has a core: `docs/benchmarks.md` has figures.

use std::sync::mpsc::sync_channel;
use std::thread;

use rusqlite::{Error, Rows};

use crate::nodes::{Beside, Stored, completed};
use crate::pass::{Check, Threads};
use crate::row::Values;

/// Batches that go round: one is read, one is checked, one waits.
const BATCHES: usize = 3;
/// Octets at which a batch ends; it has one row more at most, and no row is longer than a value may be for SQLite.
const BATCH_OCTETS: usize = 256 * 1024;
/// Rows at which one ends: those of a file that somebody made can have no octets at all.
const BATCH_ROWS: usize = 4096;
/// Rows of the shortest pass for which a second thread is made.
const ENOUGH: u64 = 4096;

/// How many threads a pass over so many rows is worth, where `others` are kept busy beside it: a second needs a core of its
/// own, or the two wait for each other.
pub(crate) fn worth(rows: u64, others: usize) -> Threads {
    let cores = || thread::available_parallelism().map_or(1, |cores| cores.get());
    if rows >= ENOUGH && cores() > 1 + others { Threads::Two } else { Threads::One }
}

/// Where rows come from.
pub(crate) struct Source<'a, 'r, 'b> {
    /// The rows.
    pub(crate) rows: &'a mut Rows<'r>,
    /// The stored nodes beside them.
    pub(crate) beside: Option<&'a mut Beside<'b>>,
    /// The number of the next row, where none is missing.
    pub(crate) begin: u64,
}

/// Reads every row and has it checked on another thread. Tells the number of each that was looked at. True where all of them
/// were, false where what was found is the end; `None` where there is no thread to be had, and nothing was read.
pub(crate) fn check(
    source: &mut Source<'_, '_, '_>,
    check: &mut Check<'_>,
    told: &mut dyn FnMut(u64),
) -> Option<rusqlite::Result<bool>> {
    thread::scope(|scope| {
        let (to_check, filled) = sync_channel::<Batch>(BATCHES);
        let (to_fill, checked) = sync_channel::<Batch>(BATCHES);
        let checking = move || {
            for mut batch in filled {
                let goes_on = batch.check(check)?;
                if to_fill.send(batch).is_err() || !goes_on {
                    return Ok(goes_on);
                }
            }
            Ok(true)
        };
        let checker = thread::Builder::new().name("records".to_owned()).spawn_scoped(scope, checking).ok()?;
        let mut unused: Vec<Batch> = (0..BATCHES).map(|_| Batch::default()).collect();
        let mut more = Ok(true);
        while let Ok(true) = more {
            let Some(mut batch) = unused.pop().or_else(|| checked.recv().ok()) else { break };
            batch.looked_at().for_each(&mut *told);
            more = batch.fill(source);
            if to_check.send(batch).is_err() {
                break;
            }
        }
        drop(to_check);
        for batch in checked {
            batch.looked_at().for_each(&mut *told);
        }
        let outcome = checker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // An error in reading on comes behind the rows before it.
        Some(match outcome {
            Ok(true) => more.map(|_| true),
            found => found,
        })
    })
}

/// Rows out of SQLite's hands, and the stored nodes beside them.
#[derive(Default)]
struct Batch {
    begin: u64,
    looked_at: u64,
    octets: Vec<u8>,
    rows: Vec<Copied>,
    nodes: Vec<rusqlite::Result<Option<Stored>>>,
}

/// A row of a batch: how long each value is, and how many nodes stand beside it.
struct Copied {
    seq: Result<u64, Box<Error>>,
    columns: Result<[usize; 9], Box<Error>>,
    record: Result<usize, Box<Error>>,
    nodes: usize,
}

impl Batch {
    /// Takes the next rows; false where there are no more behind them. What was read before an error is in it.
    fn fill(&mut self, source: &mut Source<'_, '_, '_>) -> rusqlite::Result<bool> {
        (self.begin, self.looked_at) = (source.begin, 0);
        self.octets.clear();
        self.octets.shrink_to(2 * BATCH_OCTETS);
        while self.octets.len() < BATCH_OCTETS && self.rows.len() < BATCH_ROWS {
            let Some(row) = source.rows.next()? else { return Ok(false) };
            let mut copied = self.copy(Values::read(row)?);
            source.begin += 1;
            if let Some(beside) = &mut source.beside {
                self.nodes.extend(completed(source.begin).map(|level| beside.next(level)));
                copied.nodes = completed(source.begin).count();
            }
            self.rows.push(copied);
        }
        Ok(true)
    }

    fn copy(&mut self, row: Values<'_>) -> Copied {
        let mut copy = |octets: &[u8]| {
            self.octets.extend_from_slice(octets);
            octets.len()
        };
        Copied {
            seq: row.seq,
            columns: row.columns.map(|all| all.map(&mut copy)),
            record: row.record.map(copy),
            nodes: 0,
        }
    }

    /// Has each row checked, up to the one that ends it.
    fn check(&mut self, check: &mut Check<'_>) -> rusqlite::Result<bool> {
        let mut rest = self.octets.as_slice();
        let mut nodes = self.nodes.drain(..);
        for Copied { seq, columns, record, nodes: beside } in self.rows.drain(..) {
            self.looked_at += 1;
            let mut next = |length: usize| {
                let (octets, behind) = rest.split_at(length);
                rest = behind;
                octets
            };
            let row = Values { seq, columns: columns.map(|all| all.map(&mut next)), record: record.map(next) };
            let mut beside = nodes.by_ref().take(beside);
            if !check.row(row, |_| beside.next().transpose())? {
                return Ok(false);
            }
            beside.for_each(drop);
        }
        Ok(true)
    }

    /// The numbers of the rows that were.
    fn looked_at(&self) -> std::ops::Range<u64> {
        self.begin..self.begin + self.looked_at
    }
}
