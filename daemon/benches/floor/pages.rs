//! A page of the queue over the socket, from a short and a long queue, beside the same query in SQLite alone.

use std::path::Path;
use std::time::Instant;

use countersign_shared::protocol::method::{DaemonStatus, RequestList};
use countersign_shared::protocol::{ListRequestsParams, NoParams};
use countersignd::store::settings::{apply_to_reader, reader_flags};
use rusqlite::Connection;

use crate::caller::{Caller, frame};
use crate::daemon::Daemon;
use crate::disk::DISKS;
use crate::round_trip::micros;
use crate::table::{Aim, Table};
use crate::{Bench, Result, measure, prefill};

const ROUNDS: usize = 9;
/// Calls of one round.
const CALLS: u32 = 100;
/// Requests in the short queue.
const SHORT: u32 = 1000;
/// What `request.list` asks of SQLite for its first page.
const QUERY: &str =
    "SELECT r.*, s.reason, s.ticket FROM approval_requests r JOIN submissions s ON s.id = r.submission_id
     WHERE r.row < ?1 ORDER BY r.row DESC LIMIT 101";

/// Measures it.
pub fn measure(bench: &Bench, large: &Path, table: &mut Table) -> Result<()> {
    let small = bench.work.join("small");
    prefill::fill(&small, SHORT)?;
    let (short, long) = (Queue::open(bench, &small)?, Queue::open(bench, large)?);
    let list = frame::<RequestList>(&ListRequestsParams { limit: Some(100), ..ListRequestsParams::default() })?;
    let status = frame::<DaemonStatus>(&NoParams {})?;
    for (queue, rows) in [(&short, SHORT), (&long, bench.rows)] {
        let pair = measure::in_turns(ROUNDS, || queue.ask(bench, &list), || queue.raw())?;
        table.add(format!("page of 100 from {rows}, beside the query"), "us", &pair, Aim::None);
    }
    let pair = measure::in_turns(ROUNDS, || long.ask(bench, &list), || short.ask(bench, &list))?;
    table.add(format!("page from {}, beside {SHORT}", bench.rows), "us", &pair, Aim::AtMost(1.2));
    let pair = measure::in_turns(ROUNDS, || long.ask(bench, &status), || short.ask(bench, &status))?;
    table.add(format!("daemon.status at {}, beside {SHORT}", bench.rows), "us", &pair, Aim::AtMost(1.2));
    Ok(())
}

/// A queue that is served, and its database.
struct Queue {
    caller: std::cell::RefCell<Caller>,
    connection: Connection,
    _daemon: Daemon,
}

impl Queue {
    fn open(bench: &Bench, state: &Path) -> Result<Self> {
        let daemon = Daemon::start(bench, state, DISKS[0])?;
        let caller = bench.runtime.block_on(Caller::acting_as(&daemon.socket, "bob"))?.into();
        let connection = Connection::open_with_flags(state.join("countersign.db"), reader_flags())?;
        apply_to_reader(&connection)?;
        Ok(Self { caller, connection, _daemon: daemon })
    }

    fn ask(&self, bench: &Bench, question: &[u8]) -> Result<f64> {
        bench.runtime.block_on(micros(&mut self.caller.borrow_mut(), question, CALLS))
    }

    /// The time of one query, every column of every row looked at.
    fn raw(&self) -> Result<f64> {
        let begin = Instant::now();
        for _ in 0..CALLS {
            let mut statement = self.connection.prepare_cached(QUERY)?;
            let columns = statement.column_count();
            let mut rows = statement.query([i64::MAX])?;
            while let Some(row) = rows.next()? {
                for column in 0..columns {
                    std::hint::black_box(row.get_ref(column)?);
                }
            }
        }
        Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS))
    }
}
