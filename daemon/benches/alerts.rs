//! One pass over 100,000 certificates with four thresholds, beside the bare SQL that reads and writes the same rows, in
//! batches of the same size on the same disk: cold, and with nothing to do.
//!
//! `COUNTERSIGN_BENCH_ROWS` sets another number. The aims: cold at most twice the bare SQL, nothing to do under 50 ms, and
//! memory that does not grow with the number.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints what it measured")]

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use countersign_shared::time::Timestamp;
use countersignd::alerts::rows::{self, Watched};
use countersignd::alerts::step::{Care, Desk, Moment, Rules, step};
use countersignd::alerts::{Alert, AlertPlan};
use countersignd::store::{migrations, settings};
use rusqlite::{Connection, params};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// 2027-01-15T08:00:00Z
const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;
/// Certificates a transaction.
const BATCH: u32 = 500;

struct Bench(Connection);

impl Desk for Bench {
    type Error = rusqlite::Error;
    fn connection(&self) -> &Connection {
        &self.0
    }
    fn skipped(&mut self, _: &Watched, _: &Alert) -> rusqlite::Result<u64> {
        Ok(0)
    }
    fn apart<T>(
        &mut self,
        steps: impl FnOnce(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<std::result::Result<T, String>> {
        steps(self).map(Ok)
    }
}

fn main() -> ExitCode {
    // Whoever runs every target as a test does not want to wait.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the benchmark could not be run: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let count: u32 = std::env::var("COUNTERSIGN_BENCH_ROWS").map_or(Ok(100_000), |count| count.parse())?;
    let work = tempfile::Builder::new().prefix("alerts").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (now, plan) = (time(NOW)?, AlertPlan::default());
    let rules = |_: &str| Rules { alerts: &plan, renewal: None };
    let moment = Moment { now, tick: NOW, epoch: 1 };

    let bare = filled(&work.path().join("bare.db"), count)?;
    let (floor, floor_memory) = (timed(|| bare_pass(&bare, now))?, memory()?);
    drop(bare);

    let mut desk = Bench(filled(&work.path().join("pass.db"), count)?);
    let before = memory()?;
    let cold = timed(|| {
        loop {
            desk.0.execute_batch("BEGIN IMMEDIATE")?;
            let done = step(&mut desk, moment, rules, (BATCH, Care::Together))?;
            desk.0.execute_batch("COMMIT")?;
            if done.looked < BATCH as usize {
                return Ok(());
            }
        }
    })?;
    let raised: i64 = desk.0.query_row("SELECT count(*) FROM alert_events", [], |row| row.get(0))?;
    let after = memory()?;
    let idle = timed(|| {
        let done = step(&mut desk, moment, rules, (BATCH, Care::Together))?;
        let next = rows::next_due(&desk.0)?;
        if done.looked == 0 && next > Some(now) { Ok(()) } else { Err("something was due".into()) }
    })?;
    println!("certificates            {count}, alerts raised {raised}");
    println!("bare SQL, cold          {floor:?} (peak memory {floor_memory} KiB)");
    println!("pass, cold              {cold:?}, {:.2} times the bare SQL", cold.as_secs_f64() / floor.as_secs_f64());
    println!("pass, nothing to do     {idle:?}");
    println!("peak memory of the pass {before} KiB before, {after} KiB after");
    Ok(())
}

/// The rows of a cold pass, with nothing thought about.
fn bare_pass(connection: &Connection, now: Timestamp) -> Result<()> {
    let next = time(NOW + DAY)?.to_string();
    let now = now.to_string();
    loop {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let batch = rows::stale(connection, 1, BATCH)?;
        for one in &batch {
            connection
                .prepare_cached(
                    "INSERT INTO notification_events (created_at, kind, resource_id, channel, state, detail, seq)
                     VALUES (?1, 'expiration_alert', ?2, 'Email', 'queued', '', 0)",
                )?
                .execute(params![now, one.certificate_id])?;
            let id = connection.last_insert_rowid();
            connection
                .prepare_cached("INSERT INTO alert_events VALUES (?1, ?2, 7, 'Email', 'warning', ?3, ?4)")?
                .execute(params![one.certificate_id, one.version, now, id])?;
            connection
                .prepare_cached("INSERT INTO messages VALUES (?1, 'Email', 'warning', '{}', NULL, NULL)")?
                .execute([id])?;
            connection
                .prepare_cached("INSERT INTO outbox VALUES (?1, 'Email', ?2, 'warning', NULL, 0, ?3, NULL)")?
                .execute(params![id, one.certificate_id, NOW])?;
            connection
                .prepare_cached(
                    "UPDATE expiry_watch SET due_at = ?2, renew_at = NULL, epoch = 1 WHERE certificate_id = ?1",
                )?
                .execute(params![one.certificate_id, next])?;
        }
        connection.execute_batch("COMMIT")?;
        if batch.len() < BATCH as usize {
            return Ok(());
        }
    }
}

/// Every certificate is within its thresholds and nobody was told of any.
fn filled(path: &Path, count: u32) -> Result<Connection> {
    let mut connection = Connection::open_with_flags(path, settings::writer_flags())?;
    settings::apply_to_writer(&connection).map_err(|error| error.to_string())?;
    migrations::migrate(&mut connection, migrations::newest()).map_err(|error| error.to_string())?;
    connection.execute_batch(
        "BEGIN;
         INSERT INTO audit_events VALUES (0, 'e', '', 'a', 'System', 'x', 'config', 't', 'i', '{}', x'7b7d')",
    )?;
    for number in 0..count {
        // Ids do not come in the order of their ends.
        let id = format!("mc-{:08x}{number:018}", number.wrapping_mul(2_654_435_761));
        let end = time(NOW + DAY + i64::from(number % (28 * 86_400)) * 1000)?.to_string();
        connection
            .prepare_cached(
                "INSERT INTO certificates (id, profile_id, environment, primary_name, owner_uid, owner_account, created_at)
                 VALUES (?1, 'p-web', 'production', ?1, 1000, 'alice', '')",
            )?
            .execute([&id])?;
        connection
            .prepare_cached("INSERT INTO expiry_watch VALUES (?1, 1, ?2, ?2, NULL, NULL, 0, 0)")?
            .execute([&id, &end])?;
    }
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(connection)
}

fn timed(run: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begun = Instant::now();
    run()?;
    Ok(begun.elapsed())
}

/// The most that this process ever held, in KiB.
fn memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

fn time(millis: i64) -> Result<Timestamp> {
    Timestamp::from_unix_millis(millis).ok_or_else(|| "no such time".into())
}
