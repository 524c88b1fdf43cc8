//! What the daemon costs beside what the same machine does at best, measured in the same run: see
//! `docs/benchmarks.md`.

mod caller;
mod daemon;
mod decisions;
mod disk;
mod export;
mod judged;
mod ledger;
mod measure;
mod pages;
mod prefill;
mod round_trip;
mod table;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use disk::Shim;
use table::Table;

/// What stands in the way of a measurement.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Where it is measured, and with what.
struct Bench {
    /// A new directory on the disk that is measured.
    work: PathBuf,
    /// Counts and delays syncs.
    shim: Shim,
    /// Requests in the large queue, and records in the ledger that is verified.
    rows: u32,
    runtime: tokio::runtime::Runtime,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.first().map(String::as_str) {
        Some(disk::APPEND) => disk::append_child(&arguments[1..]),
        // Whoever runs every target as a test does not want to wait for minutes.
        _ if !arguments.iter().any(|argument| argument == "--bench") => Ok(()),
        _ => run(arguments.iter().find(|argument| !argument.starts_with('-')).map(String::as_str)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::note(&format!("the benchmark could not be run: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(only: Option<&str>) -> Result<()> {
    let base = std::env::var_os("COUNTERSIGN_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let work = tempfile::Builder::new().prefix("floor").tempdir_in(&base)?;
    let rows = match std::env::var("COUNTERSIGN_BENCH_ROWS") {
        Ok(rows) => rows.parse()?,
        Err(_) => 1_000_000,
    };
    let bench = Bench {
        work: work.path().to_owned(),
        shim: Shim::build(work.path())?,
        rows,
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    let mut table = Table::default();
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    if wanted("whoami") {
        round_trip::measure(&bench, &mut table)?;
    }
    if wanted("decisions") {
        decisions::measure(&bench, &mut table)?;
    }
    if wanted("judged") {
        judged::measure(&bench, &mut table)?;
    }
    if wanted("pages") || wanted("ledger") || wanted("export") {
        let large = bench.work.join("large");
        table::note(&format!("filling a queue of {} requests", bench.rows));
        prefill::fill(&large, bench.rows)?;
        if wanted("ledger") {
            ledger::measure(&large, &mut table)?;
        }
        if wanted("export") {
            export::measure(&bench, &large, &mut table)?;
        }
        if wanted("pages") {
            pages::measure(&bench, &large, &mut table)?;
        }
    }
    table.print();
    Ok(())
}
