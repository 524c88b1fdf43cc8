//! `demo`: a daemon of its own on a new temporary directory, gone without trace at the end.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, IsTerminal as _, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::DaemonStatus;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::Console;
use super::failure::{Failure, shown};
use crate::client::{Client, ClientError};

/// Who sits in front of the console unless `--as` says otherwise: an operator who made none of the requests.
const PERSON: &str = "bob";
/// How long the daemon may take to serve.
const START: Duration = Duration::from_secs(20);
/// How long the daemon may take to stop before it is killed.
const STOP: Duration = Duration::from_secs(10);
/// The pause between two looks at a daemon that starts or stops.
const LOOK: Duration = Duration::from_millis(20);
/// How much of a log is shown, in octets.
const TAIL: u64 = 2000;

/// Runs the console on a demo daemon and takes both down.
pub(super) fn run(console: &Console, act_as: Option<&str>) -> Result<ExitCode, Failure> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage("the demo opens the console, and the console needs a terminal")
            .hint("headless: countersignd --demo --state-dir DIR --socket PATH"));
    }
    let demo = Demo::start()?;
    Ok(console(&demo.socket, Some(act_as.unwrap_or(PERSON))))
}

/// A demo daemon. Dropping it stops the daemon and removes its directory; so do SIGINT, SIGTERM and SIGHUP
/// while it lives, which then end the process.
#[derive(Debug)]
pub struct Demo {
    /// Where the daemon serves.
    pub socket: PathBuf,
    running: Arc<Mutex<Option<Running>>>,
    /// The signals that this thread took before.
    mask: SigSet,
}

#[derive(Debug)]
struct Running {
    daemon: Child,
    /// Held for its removal.
    _directory: TempDir,
}

impl Demo {
    /// Starts `countersignd --demo` on a new directory (mode 0700) and returns when it serves.
    pub fn start() -> Result<Self, Failure> {
        Self::launch(&daemon_program()?)
    }

    fn launch(program: &Path) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new()
            .prefix("countersign-demo-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| Failure::internal(format!("cannot make a temporary directory: {error}")))?;
        let socket = directory.path().join("cs.sock");
        let daemon = spawn(program, directory.path(), &socket)?;
        let running = Arc::new(Mutex::new(Some(Running { daemon, _directory: directory })));
        let demo = Self { socket, mask: stop_on_signals(&running)?, running };
        demo.until_it_serves()?;
        Ok(demo)
    }

    fn until_it_serves(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.exit_status()? {
                return Err(self.failed(&format!("the demo daemon ended with {status}")));
            }
            match serves(&self.socket) {
                Ok(()) => return Ok(()),
                Err(ClientError::Unreachable { .. } | ClientError::TimedOut | ClientError::Lost { .. }) => {}
                Err(error) => return Err(self.failed(&error.to_string())),
            }
            if Instant::now() >= deadline {
                return Err(self.failed(&format!("the demo daemon does not serve after {} s", START.as_secs())));
            }
            thread::sleep(LOOK);
        }
    }

    fn exit_status(&self) -> Result<Option<ExitStatus>, Failure> {
        match self.running.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(running) => running
                .daemon
                .try_wait()
                .map_err(|error| Failure::internal(format!("cannot look after the demo daemon: {error}"))),
            None => Ok(None),
        }
    }

    /// A failure with the end of the daemon's log.
    fn failed(&self, message: &str) -> Failure {
        let log = self.socket.with_file_name("daemon.log");
        let tail = tail(&log).unwrap_or_else(|error| format!("(no log: {error})"));
        Failure::internal(message).hint(format!("the daemon's log ends with: {}", tail.trim()))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        take_down(&self.running);
        // Where the mask cannot be set back the process goes on without these signals, which ends soon.
        let _ = self.mask.thread_set_mask();
    }
}

/// The daemon's program: beside this one, else wherever `PATH` has it.
fn daemon_program() -> Result<PathBuf, Failure> {
    let here = std::env::current_exe()
        .map_err(|error| Failure::internal(format!("cannot find this program's own directory: {error}")))?;
    let beside = here.with_file_name("countersignd");
    let found = std::iter::once(beside).chain(
        std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("countersignd"))
            .collect::<Vec<_>>(),
    );
    let mut runnable = found
        .filter(|path| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0));
    runnable.next().ok_or_else(|| {
        Failure::usage("there is no countersignd beside this program or on the PATH")
            .hint("build both programs: cargo build --workspace")
    })
}

fn spawn(program: &Path, directory: &Path, socket: &Path) -> Result<Child, Failure> {
    let failed = |error: io::Error| Failure::internal(format!("cannot start {}: {error}", shown(program)));
    let log = OpenOptions::new()
        .create_new(true)
        .append(true)
        .mode(0o600)
        .open(directory.join("daemon.log"))
        .map_err(failed)?;
    Command::new(program)
        .arg("--demo")
        .arg("--state-dir")
        .arg(directory.join("state"))
        .arg("--socket")
        .arg(socket)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        // A group of its own: the terminal's Ctrl-C is for this process, which then stops the daemon in order.
        .process_group(0)
        .spawn()
        .map_err(failed)
}

fn serves(socket: &Path) -> Result<(), ClientError> {
    let mut client = Client::connect(socket)?;
    client.set_timeout(Some(Duration::from_secs(2)));
    client.call::<DaemonStatus>(&NoParams {}).map(drop)
}

/// Takes SIGINT, SIGTERM and SIGHUP out of this thread's hands, and those of threads that it starts, and gives
/// them to one that takes the demo down. Returns the mask to set back.
fn stop_on_signals(running: &Arc<Mutex<Option<Running>>>) -> Result<SigSet, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal(format!("cannot listen for signals: {error}"));
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    let before = signals.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).map_err(|error| failed(&error))?;
    let running = Arc::clone(running);
    let listener = thread::Builder::new()
        .name("demo-signals".to_owned())
        .spawn(move || {
            // A signal goes to any thread that does not block it: one that the console waits for, such as a
            // change of the terminal's size, must not end here.
            let _ = SigSet::all().thread_block();
            let Ok(signal) = signals.wait() else { return };
            take_down(&running);
            restore_terminal();
            // The shell's convention for an end by a signal.
            std::process::exit(128 + signal as i32);
        })
        .map_err(|error| failed(&error));
    if let Err(failure) = listener {
        // Without a listener the signals go back to ending the process by themselves.
        let _ = before.thread_set_mask();
        return Err(failure);
    }
    Ok(before)
}

/// Gives the shell back a terminal that it can use; what fails here fails on the way out.
fn restore_terminal() {
    let _ = crossterm::terminal::disable_raw_mode();
    let _ = crossterm::execute!(io::stdout(), crossterm::terminal::LeaveAlternateScreen, crossterm::cursor::Show);
}

/// Stops the daemon and removes its directory, once. Whoever comes second returns when that is done: a terminal that closes ends
/// the console and sends a signal, and the process must not end before the directory is gone.
fn take_down(running: &Mutex<Option<Running>>) {
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    drop(running.take());
}

impl Drop for Running {
    /// Stops the daemon; the directory goes after it. One that cannot be removed is in the temporary
    /// directory, where the system clears it away.
    fn drop(&mut self) {
        stop(&mut self.daemon);
    }
}

/// SIGTERM, and SIGKILL for a daemon that does not follow it in time.
fn stop(daemon: &mut Child) {
    let asked = i32::try_from(daemon.id()).is_ok_and(|pid| kill(Pid::from_raw(pid), Signal::SIGTERM).is_ok());
    let deadline = Instant::now() + STOP;
    while asked && Instant::now() < deadline {
        match daemon.try_wait() {
            Ok(None) => thread::sleep(LOOK),
            _ => return,
        }
    }
    // Fails only for a process that has ended; `wait` then returns at once.
    let _ = daemon.kill();
    let _ = daemon.wait();
}

/// The end of a file.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut octets = Vec::new();
    file.take(TAIL).read_to_end(&mut octets)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    /// An executable script in the place of `countersignd`; its third and fifth argument are state directory
    /// and socket.
    fn script(home: &Path, text: &str) -> PathBuf {
        let path = home.join("countersignd");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[test]
    fn a_daemon_that_ends_is_reported_with_its_log_and_nothing_stays() {
        let home = tempfile::tempdir().unwrap();
        let program = script(home.path(), "#!/bin/sh\ndirname \"$5\" > \"$0.where\"\necho no luck >&2\nexit 7\n");
        let failure = Demo::launch(&program).unwrap_err();
        assert!(failure.object().message.contains("exit status: 7"), "{failure:?}");
        assert!(failure.object().data.hint.contains("no luck"), "{failure:?}");
        let directory = std::fs::read_to_string(home.path().join("countersignd.where")).unwrap();
        assert!(!Path::new(directory.trim()).exists(), "{directory}");
    }

    #[test]
    fn the_end_of_the_demo_is_the_end_of_daemon_and_directory() {
        const SERVER: &str = r#"#!/usr/bin/env python3
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[5])
s.listen()
zero = "0" * 64
status = dict(version="1", protocol=1, origin="o", started_at="2027-01-31T08:00:00Z", now="2027-01-31T08:00:00Z",
    read_only=False, demo=True, bypass=False, pending=0, ledger_size=0, ledger_root=zero, unanchored=0,
    policy_sha256=zero, policy_file_differs=False, attestation="pidfd")
while True:
    c, _ = s.accept()
    call = json.loads(c.makefile().readline())
    c.sendall((json.dumps(dict(jsonrpc="2.0", id=call["id"], result=status)) + "\n").encode())
"#;
        if !Command::new("python3").arg("--version").output().is_ok_and(|found| found.status.success()) {
            eprintln!("SKIPPED: python3 is not installed, no stand-in for the daemon");
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let demo = Demo::launch(&script(home.path(), SERVER)).unwrap();
        // A signal and the end of the console come together where a terminal closes.
        let first = Arc::clone(&demo.running);
        let directory = demo.socket.parent().unwrap().to_owned();
        assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let daemon = demo.running.lock().unwrap().as_ref().unwrap().daemon.id();
        let daemon = Pid::from_raw(i32::try_from(daemon).unwrap());
        assert_eq!(kill(daemon, None), Ok(()));
        let held = first.lock().unwrap();
        let (began, beginning) = std::sync::mpsc::channel();
        let other = {
            let first = Arc::clone(&first);
            thread::spawn(move || {
                began.send(()).unwrap();
                take_down(&first);
            })
        };
        beginning.recv().unwrap();
        drop(held);
        while first.try_lock().is_ok_and(|running| running.is_some()) {
            thread::yield_now();
        }
        drop(demo);
        assert!(!directory.exists(), "whoever comes second waits");
        assert_eq!(kill(daemon, None), Err(Errno::ESRCH));
        other.join().unwrap();
    }
}
