//! Verifying the ledger, on one core: beside SHA-256 alone over the same octets, and beside the least that any
//! verification does, which is to read each record and hash it.

use std::path::Path;
use std::time::Duration;

use countersignd::ledger::verify::verify;
use countersignd::store::settings::{apply_to_reader, reader_flags};
use nix::time::{ClockId, clock_gettime};
use rusqlite::Connection;

use crate::table::{Aim, Table};
use crate::{Result, measure};

const ROUNDS: usize = 3;
/// Records that are held in memory to be hashed.
const CHUNK: u64 = 50_000;

/// Measures it.
pub fn measure(state: &Path, table: &mut Table) -> Result<()> {
    let connection = Connection::open_with_flags(state.join("countersign.db"), reader_flags())?;
    apply_to_reader(&connection)?;
    let pair = measure::in_turns(ROUNDS, || verified(&connection), || read_and_hashed(&connection))?;
    table.add("ledger verified, beside reading and hashing", "/s", &pair, Aim::AtLeast(0.6));
    let pair = measure::in_turns(ROUNDS, || verified(&connection), || hashed(&connection))?;
    table.add("ledger verified, beside SHA-256", "/s", &pair, Aim::None);
    let millions: Vec<f64> = pair.ours.iter().map(|rate| rate / 1e6).collect();
    table.add_alone("ledger verified", "million/s", &millions, Aim::AtLeast(1.0));
    Ok(())
}

/// What this thread has had of a core, reading included: other programs that want the same core do not count.
pub fn core_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

fn verified(connection: &Connection) -> Result<f64> {
    let begin = core_time()?;
    let verified = verify(connection)?;
    let took = core_time()? - begin;
    match verified.damage {
        Some(damage) => Err(format!("the ledger does not verify: {}", damage.text).into()),
        None => Ok(verified.tail.size() as f64 / took.as_secs_f64()),
    }
}

/// Only the hashing is timed, not how the octets come into memory.
fn hashed(connection: &Connection) -> Result<f64> {
    let mut statement = connection.prepare("SELECT record FROM audit_events WHERE seq >= ?1 AND seq < ?1 + ?2")?;
    let (mut took, mut count) = (Duration::ZERO, 0_u64);
    loop {
        let chunk =
            statement.query_map([count, CHUNK], |row| row.get(0))?.collect::<rusqlite::Result<Vec<Vec<u8>>>>()?;
        if chunk.is_empty() {
            return Ok(count as f64 / took.as_secs_f64());
        }
        let begin = core_time()?;
        for record in &chunk {
            std::hint::black_box(ring::digest::digest(&ring::digest::SHA256, record));
        }
        took += core_time()? - begin;
        count += chunk.len() as u64;
    }
}

/// The bytes of each record, read one after the other and hashed; nothing is compared.
fn read_and_hashed(connection: &Connection) -> Result<f64> {
    let begin = core_time()?;
    let mut statement = connection.prepare("SELECT record FROM audit_events ORDER BY seq")?;
    let (mut rows, mut count) = (statement.query([])?, 0_u64);
    while let Some(row) = rows.next()? {
        let record = row.get_ref(0)?.as_blob()?;
        std::hint::black_box(ring::digest::digest(&ring::digest::SHA256, record));
        count += 1;
    }
    Ok(count as f64 / (core_time()? - begin).as_secs_f64())
}
