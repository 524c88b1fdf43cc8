//! Signals, taken by a thread of their own: no handler runs in the middle of a draw.

use std::io;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::mailbox::{Letter, Mailbox};

/// How long the loop has to restore the terminal; after that a terminal that takes no more output is given up.
const PATIENCE: Duration = Duration::from_secs(3);

/// While this lives, SIGTERM, SIGHUP and SIGWINCH come as letters.
#[derive(Debug)]
pub struct Signals {
    before: SigSet,
}

impl Signals {
    /// Blocks the signals in this thread, and in all that it starts from here on, and waits for them in one.
    pub fn take(mailbox: Mailbox) -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGWINCH] {
            set.add(signal);
        }
        let before = SigSet::thread_get_mask()?;
        set.thread_block()?;
        thread::Builder::new().name("signals".into()).spawn(move || wait(&set, &mailbox))?;
        Ok(Self { before })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Failing to unblock leaves the signals to the waiting thread, which ends the process on them.
        let _ = self.before.thread_set_mask();
    }
}

fn wait(set: &SigSet, mailbox: &Mailbox) {
    loop {
        match set.wait() {
            Ok(Signal::SIGWINCH) => {
                // Without a loop there is nothing to resize.
                let _ = mailbox.post(Letter::Resized);
            }
            Ok(signal) => {
                if mailbox.post(Letter::Stop).is_ok() {
                    thread::sleep(PATIENCE);
                    if mailbox.post(Letter::Stop).is_err() {
                        continue;
                    }
                }
                std::process::exit(128 + signal as i32);
            }
            Err(_) => return,
        }
    }
}
