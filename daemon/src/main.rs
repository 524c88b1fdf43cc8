//! `countersignd`: reads its settings, then boots.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use countersignd::config::{Environment, Flags, Settings};
use countersignd::{boot, journal};

fn main() -> ExitCode {
    // Whatever is made is the daemon's alone; what others may read gets its mode by name.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let settings = match Environment::of_process().and_then(|environment| Settings::load(Flags::parse(), environment)) {
        Ok(settings) => settings,
        Err(error) => return end(&error.to_string(), 2),
    };
    let log =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(settings.log_level.0).with_ansi(false);
    if journal::is_stderr() {
        log.event_format(journal::Prioritised::default()).init()
    } else {
        log.init()
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(&format!("no threads to serve with: {error}"), 1),
    };
    let ended = runtime.block_on(boot::run(settings));
    // Whatever still works in a thread of its own, an issuer for one, does not hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => end(&error.to_string(), error.status()),
    }
}

fn end(message: &str, code: u8) -> ExitCode {
    let mut message = format!("countersignd: {message}");
    if journal::is_stderr() {
        message = journal::error(&message);
    }
    // There may be nobody to read it.
    let _ = writeln!(std::io::stderr(), "{message}");
    ExitCode::from(code)
}
