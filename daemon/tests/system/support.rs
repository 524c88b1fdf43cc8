//! What every theme needs: a host with a daemon, callers, CSRs, and conditions to wait for.

mod caller;
mod host;
pub mod ledger;
pub mod mail;
mod people;
pub mod web;

use std::io::Write;
use std::time::{Duration, Instant};

pub use caller::Caller;
pub use host::Host;
pub use people::*;

/// The longest that anything here waits; far above what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `condition` holds. Nothing here sleeps for a time that was guessed.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// True where the test can be several people. Says on the real standard error, past the capture of the test
/// runner, where it cannot.
pub fn can_be_people() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped("needs root");
    }
    root
}

/// Says loudly that the running test looks at nothing here, and why.
pub fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    // In one piece, since tests that run at the same time write as well.
    let _ = std::io::stderr().write_all(format!("SKIPPED: {why}: {test}\n").as_bytes());
}
