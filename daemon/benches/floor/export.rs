//! An export of 100,000 rows over the socket: its rate beside reading the same rows and writing them nowhere, and what it
//! adds to the daemon's memory. Beside it, what a start costs that verifies as many requests.

use std::path::Path;
use std::time::Instant;

use countersign_shared::protocol::method::AuditExport;
use countersign_shared::protocol::{ExportPage, ExportParams, MAX_EXPORT};
use countersign_shared::time::Timestamp;
use countersignd::clock::{Clock, SystemClock};
use countersignd::store::settings::{apply_to_reader, reader_flags};
use rusqlite::Connection;
use serde::Deserialize;

use crate::caller::{Caller, frame};
use crate::daemon::Daemon;
use crate::disk::DISKS;
use crate::table::{Aim, Table};
use crate::{Bench, Result, measure};

const ROUNDS: usize = 3;
const HOUR: i64 = 3_600_000;
/// Growth of the daemon's peak memory that still is flat: a page and its frame, not the rows.
const FLAT_KIB: f64 = 8192.0;

/// Measures it.
pub fn measure(bench: &Bench, large: &Path, table: &mut Table) -> Result<()> {
    let begin = Instant::now();
    let daemon = Daemon::start(bench, large, DISKS[0])?;
    table.add_alone("a start on the long queue", "s", &[begin.elapsed().as_secs_f64()], Aim::None);
    let mut caller = bench.runtime.block_on(Caller::acting_as(&daemon.socket, "dave"))?;
    let connection = Connection::open_with_flags(large.join("countersign.db"), reader_flags())?;
    apply_to_reader(&connection)?;
    // What the first page needs is there before anything is compared.
    bench.runtime.block_on(exported(&mut caller, 1000))?;
    daemon.forget_peak()?;
    let before = daemon.peak_kib()?;
    let pair = measure::in_turns(
        ROUNDS,
        || bench.runtime.block_on(exported(&mut caller, MAX_EXPORT)),
        || read(&connection, MAX_EXPORT),
    )?;
    table.add("export of 100,000 rows", "/s", &pair, Aim::None);
    let grown = daemon.peak_kib()?.saturating_sub(before) as f64;
    table.add_alone("growth of the daemon's peak memory by it", "KiB", &[grown], Aim::AtMost(FLAT_KIB));
    Ok(())
}

#[derive(Deserialize)]
struct Answer {
    result: ExportPage,
}

/// Rows a second of an export of `limit` rows, page by page.
async fn exported(caller: &mut Caller, limit: u32) -> Result<f64> {
    let now = SystemClock.wall_millis();
    let at = |millis| Timestamp::from_unix_millis(millis).ok_or("no time");
    let (from, to) = (at(now - 72 * HOUR)?, at(now + HOUR)?);
    let mut asked = ExportParams { from, to, category: None, limit: Some(limit), cursor: None };
    let (begin, mut rows) = (Instant::now(), 0_usize);
    loop {
        let page = serde_json::from_slice::<Answer>(caller.ask(&frame::<AuditExport>(&asked)?).await?)?.result;
        rows += page.lines.len();
        match page.next_cursor {
            Some(next) => asked.cursor = Some(next),
            None => return Ok(rows as f64 / begin.elapsed().as_secs_f64()),
        }
    }
}

/// Rows a second of the same rows, every column looked at.
fn read(connection: &Connection, limit: u32) -> Result<f64> {
    let begin = Instant::now();
    let mut statement = connection.prepare_cached("SELECT * FROM audit_events ORDER BY seq LIMIT ?1")?;
    let (columns, mut count) = (statement.column_count(), 0_u64);
    let mut rows = statement.query([limit])?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            std::hint::black_box(row.get_ref(column)?);
        }
        count += 1;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}
