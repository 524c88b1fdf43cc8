//! `countersign`: the console where no command is named, the command line where one is.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::run(&console)
}

/// Opens the console on the daemon at `socket`, as the person `act_as` where the daemon is a demo's.
fn console(socket: &Path, act_as: Option<&str>) -> ExitCode {
    use std::io::Write as _;
    let asked = act_as.map(|person| format!(" as {person}")).unwrap_or_default();
    // Where standard error is gone there is nobody to tell; the exit status says it.
    let _ = writeln!(
        std::io::stderr(),
        "countersign: this program was built without the console, which would open {}{asked}",
        socket.display()
    );
    ExitCode::from(3)
}
