//! How other threads reach the loop: a channel, and a socket that wakes its poll.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use super::action::{Action, Refusal};

/// What other threads tell the loop.
#[derive(Debug)]
pub enum Letter {
    /// For the state.
    Action(Action),
    /// The terminal changed its size.
    Resized,
    /// The process is asked to end.
    Stop,
    /// The daemon refuses what the console was opened with.
    Fatal(Refusal),
}

/// The sending side.
#[derive(Clone, Debug)]
pub struct Mailbox {
    letters: Sender<Letter>,
    wake: Arc<UnixStream>,
}

/// The loop has ended: nobody reads any more.
#[derive(Debug)]
pub struct Closed;

impl Mailbox {
    /// Hands a letter over and wakes the loop.
    pub fn post(&self, letter: Letter) -> Result<(), Closed> {
        self.letters.send(letter).map_err(|_| Closed)?;
        // A full socket wakes as well as one more octet would; a closed one is found at the next letter.
        match (&*self.wake).write(&[1]) {
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// The receiving side.
#[derive(Debug)]
pub struct Inbox {
    letters: Receiver<Letter>,
    woken: UnixStream,
}

impl Inbox {
    /// Becomes readable when a letter is there.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// Every letter that is there.
    pub fn take(&self) -> io::Result<Vec<Letter>> {
        let mut octets = [0; 256];
        loop {
            match (&self.woken).read(&mut octets) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.letters.try_iter().collect())
    }
}

/// Both sides.
pub fn mailbox() -> io::Result<(Mailbox, Inbox)> {
    let (wake, woken) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    woken.set_nonblocking(true)?;
    let (sender, letters) = mpsc::channel();
    Ok((Mailbox { letters: sender, wake: Arc::new(wake) }, Inbox { letters, woken }))
}
