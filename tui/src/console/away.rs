//! The terminal is somebody else's: `ssh-keygen` signs on it, in a process group of its own in the foreground, so that Ctrl-C
//! ends it and not the console. The loop goes on meanwhile and draws nothing.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use countersign_shared::protocol::DecisionSignature;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};

use super::action::{Action, Answer, Prepared};
use super::mailbox::{Letter, Mailbox};
use crate::signing::{By, End, MAX_LISTED, ToSign, by_variable, fresh_salt};

/// Salts for as many texts, and the key that the environment names.
pub fn prepare(texts: usize) -> Result<Prepared, String> {
    let salts: io::Result<Vec<_>> = (0..texts).map(|_| fresh_salt()).collect();
    let salts = salts.map_err(|error| format!("no randomness: {error}"))?;
    let key = match by_variable() {
        Some(By::File(path)) => path.to_string_lossy().into_owned(),
        Some(By::Agent) | None => String::new(),
    };
    Ok(Prepared { salts, key })
}

/// A signing that goes on.
#[derive(Debug)]
pub struct Away {
    child: Arc<Mutex<Child>>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Child {
    running: Option<Pid>,
    stopped: bool,
}

/// Begins to sign, in a thread; its end comes as a letter. The terminal has been given back before.
pub fn start(generation: u64, texts: Vec<ToSign>, key: &str, mailbox: Mailbox) -> io::Result<Away> {
    let by = if key.is_empty() { By::Agent } else { By::File(at_home(key)) };
    let child = Arc::new(Mutex::new(Child::default()));
    let shared = Arc::clone(&child);
    let work = move || {
        let answer = Answer::Signed(sign(&texts, &by, &shared));
        // The loop may have ended first; then nobody asks.
        let _ = mailbox.post(Letter::Action(Action::Answered { generation, answer }));
    };
    Ok(Away { child, thread: thread::Builder::new().name("signing".into()).spawn(work)? })
}

impl Away {
    /// Ends whatever runs, and returns when it has ended.
    pub fn stop(self) {
        {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            child.stopped = true;
            if let Some(group) = child.running {
                // One that has ended meanwhile is what was wanted.
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
        // A thread that panicked has ended as well.
        let _ = self.thread.join();
    }

    /// Waits for the thread, which has said its last.
    pub fn finish(self) {
        let _ = self.thread.join();
    }
}

fn sign(texts: &[ToSign], by: &By, child: &Mutex<Child>) -> Result<Vec<DecisionSignature>, String> {
    let mut run = |command: Command| run(command, child);
    let signed = texts.iter().map(|text| text.sign(by, &mut run));
    signed.collect::<Result<_, _>>().map_err(|not| match not.hint.as_str() {
        "" => not.message,
        hint => format!("{} ({hint})", not.message),
    })
}

/// In the foreground, in a group of its own.
fn run(mut command: Command, shared: &Mutex<Child>) -> io::Result<(End, String)> {
    let mut child = {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.stopped {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let child = command.process_group(0).spawn()?;
        shared.running = i32::try_from(child.id()).ok().map(Pid::from_raw);
        child
    };
    let Some(group) = i32::try_from(child.id()).ok().map(Pid::from_raw) else {
        return Err(io::Error::other("a process without a number"));
    };
    // Where standard input is not the controlling terminal there are no groups to choose from, and no Ctrl-C either.
    if foreground(group).is_ok() {
        // It may have asked for the terminal before it was given to it.
        let _ = killpg(group, Signal::SIGCONT);
    }
    let mut written = String::new();
    let read = match child.stdout.take() {
        Some(out) => out.take(MAX_LISTED).read_to_string(&mut written).map(drop),
        None => Ok(()),
    };
    let end = wait(group);
    shared.lock().unwrap_or_else(PoisonError::into_inner).running = None;
    read.and(end).map(|end| (end, written))
}

fn wait(group: Pid) -> io::Result<End> {
    loop {
        match waitpid(group, Some(WaitPidFlag::WUNTRACED))? {
            WaitStatus::Exited(_, 0) => return Ok(End::Well),
            WaitStatus::Exited(_, status) => return Ok(End::Status(status)),
            WaitStatus::Signaled(..) => return Ok(End::Ended),
            WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU) => {
                foreground(group)?;
                killpg(group, Signal::SIGCONT)?;
            }
            // Nobody could bring it back: there is no shell between.
            WaitStatus::Stopped(..) => killpg(group, Signal::SIGKILL)?,
            _ => {}
        }
    }
}

/// Makes the console's own group the one in the foreground again.
pub fn reclaim() {
    // Without a controlling terminal there is nothing to reclaim.
    let _ = foreground(getpgrp());
}

/// From the background the kernel asks for leave by SIGTTOU, unless that is blocked.
fn foreground(group: Pid) -> nix::Result<()> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTTOU);
    let before = SigSet::thread_get_mask()?;
    set.thread_block()?;
    let given = tcsetpgrp(io::stdin(), group);
    before.thread_set_mask()?;
    given
}

/// `~/` is the home directory.
fn at_home(raw: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    match raw.strip_prefix("~/").zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(raw),
    }
}
