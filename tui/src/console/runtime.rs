//! The loop: waits for the terminal, the network and the clock, and draws when something changed.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::Sender;
use std::time::Duration;

use chrono::Utc;
use countersign_shared::time::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::action::{Action, Effect};
use super::input::{Input, Parser};
use super::key::Key;
use super::mailbox::{Inbox, Letter, Mailbox, mailbox};
use super::signals::Signals;
use super::state::{Dialog, State};
use super::terminal::Terminal;
use super::update::update;
use super::{ConsoleError, ConsoleOptions, files, network, view};

/// How long the rest of an escape sequence may take over a slow line.
const ESCAPE_PAUSE: Duration = Duration::from_millis(50);
/// How often the terminal is read at once to throw away what was typed before a review.
const DRAINS: usize = 16;

/// Opens the console and returns when the person leaves it.
pub fn run(options: ConsoleOptions) -> Result<(), ConsoleError> {
    let (mailbox, inbox) = mailbox()?;
    let _signals = Signals::take(mailbox.clone())?;
    let terminal = Terminal::take()?;
    let (width, height) = Terminal::size()?;
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let state = State::new(now()?, width, height, colour);
    let parser = Parser::default();
    let mut console =
        Console { state, terminal, inbox, mailbox: mailbox.clone(), effects: None, parser, changed: true };
    // The first frame does not wait for the daemon.
    console.draw()?;
    console.effects = Some(network::start(&options, mailbox)?);
    console.serve()
}

struct Console {
    state: State,
    terminal: Terminal,
    inbox: Inbox,
    mailbox: Mailbox,
    effects: Option<Sender<Effect>>,
    parser: Parser,
    changed: bool,
}

/// The person leaves.
struct Leave;

impl Console {
    fn serve(&mut self) -> Result<(), ConsoleError> {
        loop {
            self.draw()?;
            if self.wants_arming() && self.arm()?.is_err() {
                return Ok(());
            }
            self.draw()?;
            let (typed, posted) = wait(self.terminal.descriptor(), self.inbox.descriptor(), self.patience())?;
            if self.tick()?.is_err() {
                return Ok(());
            }
            if !(typed || posted) && self.quiet().is_err() {
                return Ok(());
            }
            if typed {
                for input in self.read()? {
                    let action = match input {
                        Input::Key(key) => Action::Key(key),
                        Input::Paste(text) => Action::Paste(text),
                    };
                    if self.apply(action).is_err() {
                        return Ok(());
                    }
                }
            }
            for letter in self.inbox.take()? {
                let action = match letter {
                    Letter::Action(action) => action,
                    Letter::Resized => {
                        let (width, height) = Terminal::size()?;
                        Action::Resize { width, height }
                    }
                    Letter::Stop => return Ok(()),
                    Letter::Fatal(refusal) => {
                        return Err(ConsoleError::Refused { message: refusal.message, hint: refusal.hint });
                    }
                };
                if self.apply(action).is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.changed) {
            self.terminal.draw(&self.state)?;
        }
        Ok(())
    }

    fn apply(&mut self, action: Action) -> Result<(), Leave> {
        self.changed = true;
        let effects = update(&mut self.state, action);
        self.send(effects)
    }

    fn send(&mut self, effects: Vec<Effect>) -> Result<(), Leave> {
        for effect in effects {
            if effect == Effect::Quit {
                return Err(Leave);
            }
            if let Effect::Save { .. } | Effect::Open { .. } = effect {
                files::start(effect, self.mailbox.clone());
            } else if let Some(effects) = &self.effects
                && effects.send(effect).is_err()
            {
                return Err(Leave);
            }
        }
        Ok(())
    }

    /// True where a review, or its end, has just been drawn for the first time.
    fn wants_arming(&self) -> bool {
        match &self.state.dialog {
            Some(Dialog::Review(review)) => review.awaits_eyes(),
            Some(Dialog::Errand(errand)) => errand.awaits_eyes(),
            Some(Dialog::TakeBack(open)) => open.awaits_eyes(),
            _ => false,
        }
    }

    /// Throws away what was typed before the review could be read, then says that it can be. What leaves or closes is
    /// harmless at any time and is kept. Where more is on its way, the next turn of the loop tries again.
    fn arm(&mut self) -> Result<Result<(), Leave>, ConsoleError> {
        for _ in 0..DRAINS {
            if !wait(self.terminal.descriptor(), self.inbox.descriptor(), Some(Duration::ZERO))?.0 {
                return Ok(if self.parser.is_midway() { Ok(()) } else { self.apply(Action::Armed) });
            }
            let typed = self.read()?;
            for key in [Key::Ctrl('c'), Key::Esc].map(Input::Key) {
                if let Some(Input::Key(key)) = typed.iter().find(|input| **input == key)
                    && self.apply(Action::Key(*key)).is_err()
                {
                    return Ok(Err(Leave));
                }
            }
            if !self.wants_arming() {
                return Ok(Ok(()));
            }
        }
        Ok(Ok(()))
    }

    fn read(&mut self) -> Result<Vec<Input>, ConsoleError> {
        let mut octets = [0; READ];
        match self.terminal.read(&mut octets) {
            Ok(0) => Err(ConsoleError::Io(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => Ok(self.parser.feed(&octets[..count])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing followed what was typed.
    fn quiet(&mut self) -> Result<(), Leave> {
        match self.parser.quiet() {
            Some(Input::Key(key)) => self.apply(Action::Key(key)),
            Some(Input::Paste(_)) | None => Ok(()),
        }
    }

    /// How long nothing needs to happen.
    fn patience(&self) -> Option<Duration> {
        if self.parser.is_midway() {
            return Some(ESCAPE_PAUSE);
        }
        let millis = Utc::now().timestamp_millis().rem_euclid(self.unit());
        Some(Duration::from_millis(u64::try_from(self.unit() - millis).unwrap_or(1_000)))
    }

    /// The smallest unit of time on the screen, in milliseconds.
    fn unit(&self) -> i64 {
        if view::shows_seconds(&self.state) { 1_000 } else { 60_000 }
    }

    /// Tells the state the time; drawn again only where a unit that is shown has passed.
    fn tick(&mut self) -> Result<Result<(), Leave>, ConsoleError> {
        let now = now()?;
        let unit = self.unit();
        self.changed |= now.unix_millis().div_euclid(unit) != self.state.now.unix_millis().div_euclid(unit);
        let effects = update(&mut self.state, Action::Tick(now));
        Ok(self.send(effects))
    }
}

/// Octets read at once.
const READ: usize = 4096;

/// Waits for the terminal and for letters: which of the two is ready.
fn wait(
    terminal: BorrowedFd<'_>,
    inbox: BorrowedFd<'_>,
    patience: Option<Duration>,
) -> Result<(bool, bool), ConsoleError> {
    let mut descriptors = [PollFd::new(terminal, PollFlags::POLLIN), PollFd::new(inbox, PollFlags::POLLIN)];
    let timeout = match patience {
        None => PollTimeout::NONE,
        Some(patience) => PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX),
    };
    match poll(&mut descriptors, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(ConsoleError::Io(errno.into())),
    }
    let [terminal, inbox] = descriptors.map(|descriptor| descriptor.any().unwrap_or(false));
    Ok((terminal, inbox))
}

fn now() -> Result<Timestamp, ConsoleError> {
    Timestamp::from_unix_millis(Utc::now().timestamp_millis())
        .ok_or_else(|| ConsoleError::Io(io::Error::other("the clock is outside the years 0 to 9999")))
}
