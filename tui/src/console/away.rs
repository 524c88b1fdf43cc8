//! The terminal is somebody else's: `ssh-keygen` signs on it, in a process group of its own in the foreground, so that Ctrl-C
//! ends it and not the console. The loop goes on meanwhile and draws nothing.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ChildStdout, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use countersign_shared::protocol::DecisionSignature;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgrp, tcsetpgrp};
use signal_hook::{consts, flag};

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

/// What the keyboard's signals do to the console itself. While the terminal is away, and its settings are those of a shell, a
/// Ctrl-C can come before `ssh-keygen` is in the foreground: it must not end the console, and is not lost either.
#[derive(Clone, Debug)]
pub struct Ears {
    /// True while the signals do what they do to any program.
    ours: Arc<AtomicBool>,
    /// True once one came.
    heard: Arc<AtomicBool>,
}

impl Ears {
    /// Handlers, which no program that is started inherits; a blocked or ignored signal it would.
    pub fn new() -> io::Result<Self> {
        let ears = Self { ours: Arc::new(AtomicBool::new(true)), heard: Arc::default() };
        for signal in [consts::SIGINT, consts::SIGQUIT, consts::SIGTSTP] {
            flag::register_conditional_default(signal, Arc::clone(&ears.ours))?;
            flag::register(signal, Arc::clone(&ears.heard))?;
        }
        Ok(ears)
    }

    /// From here on the signals are for whoever signs.
    pub fn lend(&self) {
        self.heard.store(false, Ordering::SeqCst);
        self.ours.store(false, Ordering::SeqCst);
    }

    /// The terminal is back, and no key of it is a signal.
    pub fn take_back(&self) {
        self.ours.store(true, Ordering::SeqCst);
    }
}

/// A signing that goes on. Dropping it ends whatever runs, and waits until it has ended.
#[derive(Debug)]
pub struct Away {
    child: Arc<Mutex<Child>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Child {
    running: Option<Pid>,
    stopped: bool,
}

/// Begins to sign, in a thread; its end comes as a letter. The terminal has been given back before.
pub fn start((generation, texts, key): (u64, Vec<ToSign>, &str), ears: &Ears, mailbox: Mailbox) -> io::Result<Away> {
    let by = if key.is_empty() { By::Agent } else { By::File(at_home(key)) };
    let child = Arc::new(Mutex::new(Child::default()));
    let (shared, heard) = (Arc::clone(&child), Arc::clone(&ears.heard));
    let work = move || {
        let answer = Answer::Signed(sign(&texts, &by, &|command| run(command, &shared, &heard)));
        // The loop may have ended first; then nobody asks.
        let _ = mailbox.post(Letter::Action(Action::Answered { generation, answer }));
    };
    Ok(Away { child, thread: Some(thread::Builder::new().name("signing".into()).spawn(work)?) })
}

impl Drop for Away {
    fn drop(&mut self) {
        {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            child.stopped = true;
            if let Some(group) = child.running {
                // One that has ended meanwhile is what was wanted.
                let _ = killpg(group, Signal::SIGKILL);
            }
        }
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

fn sign(
    texts: &[ToSign],
    by: &By,
    run: &dyn Fn(Command) -> io::Result<(End, String)>,
) -> Result<Vec<DecisionSignature>, String> {
    let mut run = |command: Command| run(command);
    let signed = texts.iter().map(|text| text.sign(by, &mut run));
    signed.collect::<Result<_, _>>().map_err(|not| match not.hint.as_str() {
        "" => not.message,
        hint => format!("{} ({hint})", not.message),
    })
}

/// In the foreground, in a group of its own.
fn run(mut command: Command, shared: &Mutex<Child>, heard: &AtomicBool) -> io::Result<(End, String)> {
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
    // From here on Ctrl-C is for the program in the foreground. One that came before was meant for it.
    if heard.load(Ordering::SeqCst) {
        killpg(group, Signal::SIGKILL)?;
    }
    let out = child.stdout.take();
    let (end, written) = thread::scope(|scope| {
        // A program that is stopped keeps its pipe open: whoever reads to the end does not see that it has to be ended.
        let reader = out.map(|out| thread::Builder::new().name("listing".into()).spawn_scoped(scope, || read(out)));
        let end = wait(group);
        let written = match reader.transpose() {
            Ok(Some(reader)) => reader.join().unwrap_or_else(|_| Err(io::Error::other("what it wrote was not read"))),
            Ok(None) => Ok(String::new()),
            Err(error) => Err(error),
        };
        (end, written)
    });
    shared.lock().unwrap_or_else(PoisonError::into_inner).running = None;
    Ok((end?, written?))
}

fn read(out: ChildStdout) -> io::Result<String> {
    let mut written = String::new();
    out.take(MAX_LISTED).read_to_string(&mut written)?;
    Ok(written)
}

fn wait(group: Pid) -> io::Result<End> {
    loop {
        match waitpid(group, Some(WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(End::Well),
            Ok(WaitStatus::Exited(_, status)) => return Ok(End::Status(status)),
            Ok(WaitStatus::Signaled(..)) => return Ok(End::Ended),
            Ok(WaitStatus::Stopped(_, Signal::SIGTTIN | Signal::SIGTTOU)) if foreground(group).is_ok() => {
                killpg(group, Signal::SIGCONT)?;
            }
            // Nobody could bring it back: there is no shell between.
            Ok(WaitStatus::Stopped(..)) => killpg(group, Signal::SIGKILL)?,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
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

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use countersign_shared::decision_text::{DecisionText, Salt};
    use countersign_shared::lifecycle::Verdict;
    use nix::sys::signal::kill;

    use super::super::mailbox::mailbox;
    use super::super::tests::signing::sample;
    use super::*;

    /// How long anything may take on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn until<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(Instant::now() < until, "waited for {what}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn a_program_that_is_stopped_while_it_lists_is_ended() {
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || {
            let mut command = Command::new("sh");
            command.args(["-c", "echo listed; kill -STOP $$; echo more"]).stdout(Stdio::piped());
            let end = run(command, &Mutex::default(), &AtomicBool::new(false));
            reclaim();
            sender.send(end.unwrap()).unwrap();
        });
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), (End::Ended, "listed\n".to_owned()));
    }

    #[test]
    fn what_a_program_lists_is_read_while_it_is_waited_for() {
        let mut command = Command::new("sh");
        // More than a pipe holds.
        command.args(["-c", "head -c 300000 /dev/zero; exit 3"]).stdout(Stdio::piped());
        let (end, written) = run(command, &Mutex::default(), &AtomicBool::new(false)).unwrap();
        reclaim();
        assert_eq!((end, written.len()), (End::Status(3), 300_000));
    }

    #[test]
    fn whoever_signs_ends_with_the_console_however_it_ends() {
        let directory = tempfile::tempdir().unwrap();
        // A key that never comes: `ssh-keygen` waits for somebody to write it.
        let key = directory.path().join("key");
        nix::unistd::mkfifo(&key, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let detail = sample();
        let text = DecisionText::of(&detail, Verdict::Approve, "".into(), Salt::from_bytes([7; 16])).unwrap();
        let texts = vec![ToSign::decision(&text, &[])];
        let (mailbox, inbox) = mailbox().unwrap();
        let ears = Ears { ours: Arc::new(AtomicBool::new(true)), heard: Arc::default() };
        let away = start((1, texts, key.to_str().unwrap()), &ears, mailbox).unwrap();
        let group = until("ssh-keygen", || away.child.lock().unwrap().running);
        assert!(kill(group, None).is_ok());
        // As an error, a panic and a person who leaves do.
        drop(away);
        reclaim();
        assert_eq!(kill(group, None), Err(Errno::ESRCH), "it is left running");
        assert_eq!(inbox.take().unwrap().len(), 1, "its thread has said its last");
    }
}
