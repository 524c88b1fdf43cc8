//! `countersign`: the console where no command is named, the command line where one is.

use std::path::Path;
use std::process::ExitCode;

use countersign::console::{self, ConsoleOptions};

fn main() -> ExitCode {
    countersign::cli::run(&open)
}

/// Opens the console on the daemon at `socket`, as the person `act_as` where the daemon is a demo's.
fn open(socket: &Path, act_as: Option<&str>) -> ExitCode {
    use std::io::Write as _;
    let options = ConsoleOptions { socket: socket.to_owned(), act_as: act_as.map(str::to_owned) };
    match console::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is gone there is nobody to tell; the exit status says it.
            let _ = writeln!(std::io::stderr(), "countersign: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
