//! One run of a program, bounded in time and output, in a process group that does not outlive it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// The only variable of the environment.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// How often the end of the program is looked for while its pipes are silent.
const TICK: Duration = Duration::from_millis(20);

/// What is run, and within which bounds.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub path: PathBuf,
    pub args: Vec<OsString>,
    pub timeout: Duration,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
    pub max_output: usize,
    pub max_reason: usize,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    TooMuch,
    /// The system would not tell; the group was killed.
    Lost(String),
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Finished {
    pub ended: Ended,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Program {
    /// Runs the program with `input` on its standard input. The child is always reaped and its group killed.
    ///
    /// # Errors
    /// It was not started: nothing was handed over.
    pub fn run(&self, input: &[u8]) -> io::Result<Finished> {
        let mut child = Command::new(&self.path)
            .args(&self.args)
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let group = Group(Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX)));
        let mut pipes = Pipes {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            input,
            output: Vec::new(),
            reason: Vec::new(),
            max_output: self.max_output,
            max_reason: self.max_reason,
        };
        let ended = self.watch(&group, &mut pipes);
        // The zombie still holds the group's number, so the signal cannot reach a stranger.
        group.signal(Signal::SIGKILL);
        let ended = reap(&mut child, ended);
        Ok(Finished { ended, stdout: pipes.output, stderr: pipes.reason })
    }

    /// Serves the pipes until the program itself has ended or a bound is passed. A grandchild that holds a pipe
    /// open delays nothing.
    fn watch(&self, group: &Group, pipes: &mut Pipes<'_>) -> Option<Ended> {
        let deadline = Instant::now() + self.timeout;
        let outcome = (|| -> Result<Option<Ended>, Errno> {
            pipes.unblock()?;
            loop {
                let left = deadline.saturating_duration_since(Instant::now());
                // Looked for before the pipes are read: what it wrote is then in them.
                let has_ended = group.leader_has_ended()?;
                let more = pipes.serve(if has_ended { Duration::ZERO } else { left.min(TICK) })?;
                if pipes.output.len() > self.max_output {
                    return Ok(Some(Ended::TooMuch));
                }
                if has_ended && !more {
                    return Ok(None);
                }
                if left.is_zero() && !has_ended {
                    return Ok(Some(Ended::TimedOut));
                }
            }
        })();
        let ended = outcome.unwrap_or_else(|error| Some(Ended::Lost(error.desc().to_owned())));
        if ended.is_some() {
            group.end_within(self.grace);
        }
        ended
    }
}

/// Waits for a child that has been killed or has ended; `forced` is why it was made to.
fn reap(child: &mut Child, forced: Option<Ended>) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    let status = child.wait();
    if let Some(forced) = forced {
        return forced;
    }
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, Some(signal)) => Ended::Signalled(signal),
            (None, None) => Ended::Lost("it ended without a status".to_owned()),
        },
        Err(error) => Ended::Lost(error.to_string()),
    }
}

/// The program's process group; its number is the leader's, whom nobody reaps before the last signal.
struct Group(Pid);

impl Group {
    fn leader_has_ended(&self) -> Result<bool, Errno> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.0), flags) {
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// A group that has ended already is no failure.
    fn signal(&self, signal: Signal) {
        let _ = killpg(self.0, signal);
    }

    fn end_within(&self, grace: Duration) {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline && matches!(self.leader_has_ended(), Ok(false)) {
            std::thread::sleep(TICK);
        }
        self.signal(Signal::SIGKILL);
    }
}

/// The parent's ends of the three pipes, and what went through them.
struct Pipes<'a> {
    stdin: Option<std::process::ChildStdin>,
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<std::process::ChildStderr>,
    /// What is still to be written.
    input: &'a [u8],
    output: Vec<u8>,
    reason: Vec<u8>,
    max_output: usize,
    max_reason: usize,
}

impl Pipes<'_> {
    fn unblock(&self) -> Result<(), Errno> {
        let ends = [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        for end in ends.into_iter().flatten() {
            let flags = OFlag::from_bits_truncate(fcntl(end, FcntlArg::F_GETFL)?);
            fcntl(end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        }
        Ok(())
    }

    /// Waits for a pipe at most `patience`, then moves what can be moved without waiting. True where standard
    /// output may hold more.
    fn serve(&mut self, patience: Duration) -> Result<bool, Errno> {
        let mut watched: Vec<PollFd<'_>> = Vec::with_capacity(3);
        watched.extend(self.stdin.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLOUT)));
        watched.extend(self.stdout.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
        watched.extend(self.stderr.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)));
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        match poll(&mut watched, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        drop(watched);
        self.feed();
        drain(&mut self.stderr, &mut self.reason, self.max_reason);
        Ok(drain(&mut self.stdout, &mut self.output, self.max_output.saturating_add(1)))
    }

    fn feed(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(self.input) {
            Ok(written) => self.input = self.input.get(written..).unwrap_or_default(),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return;
            }
            // A program that does not read its input may still answer.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
    }
}

/// The most reads of one turn, so that a program that never stops writing cannot hold the watch.
const READS_A_TURN: usize = 16;

/// Reads what is there; keeps `limit` octets and throws the rest away. Closes the pipe at its end. True where
/// there may be more.
fn drain<R: Read>(pipe: &mut Option<R>, kept: &mut Vec<u8>, limit: usize) -> bool {
    let mut buffer = [0; 16 * 1024];
    let Some(reader) = pipe else { return false };
    for _ in 0..READS_A_TURN {
        match reader.read(&mut buffer) {
            Ok(read) if read > 0 => {
                let room = limit.saturating_sub(kept.len()).min(read);
                kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Ok(_) | Err(_) => {
                *pipe = None;
                return false;
            }
        }
    }
    true
}
