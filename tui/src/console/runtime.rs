//! The loop: waits for the terminal, the network and the clock, and draws when something changed.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::mpsc::Sender;
use std::time::Duration;

use chrono::Utc;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::action::{Action, Answer, Effect};
use super::away::{self, Away, Ears};
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
    let ears = Ears::new()?;
    let terminal = Terminal::take()?;
    let (width, height) = Terminal::size()?;
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let state = State::new(now()?, width, height, colour);
    let parser = Parser::default();
    let mut console = Console {
        state,
        terminal,
        inbox,
        mailbox: mailbox.clone(),
        effects: None,
        parser,
        changed: true,
        ears,
        to_sign: None,
        away: None,
    };
    // The first frame does not wait for the daemon.
    console.draw()?;
    console.effects = Some(network::start(&options, mailbox)?);
    console.serve()
}

struct Console {
    state: State,
    /// Who has the terminal meanwhile. However the console ends, they end first: this is dropped before the terminal, which
    /// then puts itself back.
    away: Option<Away>,
    terminal: Terminal,
    inbox: Inbox,
    mailbox: Mailbox,
    effects: Option<Sender<Effect>>,
    parser: Parser,
    changed: bool,
    /// Who hears Ctrl-C.
    ears: Ears,
    /// What the terminal is to be given back for.
    to_sign: Option<Effect>,
}

/// The person leaves.
struct Leave;

impl Console {
    fn serve(&mut self) -> Result<(), ConsoleError> {
        loop {
            if let Some(effect) = self.to_sign.take() {
                self.sign(effect)?;
            }
            if self.away.is_some() {
                // Nothing is drawn and no key is read: neither the screen nor the keys are the console's.
                wait_for(self.inbox.descriptor())?;
                if self.letters()?.is_err() {
                    return Ok(());
                }
                continue;
            }
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
            if self.letters()?.is_err() {
                return Ok(());
            }
        }
    }

    /// What other threads have to say.
    fn letters(&mut self) -> Result<Result<(), Leave>, ConsoleError> {
        for letter in self.inbox.take()? {
            let action = match letter {
                Letter::Action(action) => {
                    if matches!(action, Action::Answered { answer: Answer::Signed(_), .. }) {
                        self.come_back()?;
                    }
                    action
                }
                Letter::Resized => self.resized()?,
                Letter::Stop => return Ok(Err(Leave)),
                Letter::Fatal(refusal) => {
                    return Err(ConsoleError::Refused { message: refusal.message, hint: refusal.hint });
                }
            };
            if self.apply(action).is_err() {
                return Ok(Err(Leave));
            }
        }
        Ok(Ok(()))
    }

    fn resized(&self) -> io::Result<Action> {
        let (width, height) = Terminal::size()?;
        Ok(Action::Resize { width, height })
    }

    /// The terminal is the console's again. What was typed meanwhile was typed at something else, and of a new size only the
    /// group in the foreground was told.
    fn come_back(&mut self) -> Result<(), ConsoleError> {
        let Some(away) = self.away.take() else { return Ok(()) };
        drop(away);
        self.terminal.retake()?;
        self.ears.take_back();
        self.parser = Parser::default();
        let resized = self.resized()?;
        // A change of size asks for nothing.
        let _ = self.apply(resized);
        Ok(())
    }

    /// Gives the terminal to whoever signs.
    fn sign(&mut self, effect: Effect) -> io::Result<()> {
        let Effect::Sign { generation, texts, key } = effect else { return Ok(()) };
        let what = if texts.len() == 1 { "a decision".to_owned() } else { format!("{} decisions", texts.len()) };
        let by = match key.as_str() {
            "" => "a key in the agent".to_owned(),
            file => Untrusted::from(file).safe().to_string(),
        };
        let line = format!("countersign: signing {what} with {by}; Ctrl-C leads back to the console.");
        self.ears.lend();
        self.terminal.give_back(&line)?;
        match away::start((generation, texts, &key), &self.ears, self.mailbox.clone()) {
            Ok(away) => self.away = Some(away),
            Err(error) => {
                self.terminal.retake()?;
                self.ears.take_back();
                let answer = Answer::Signed(Err(format!("nothing can be signed: {error}")));
                // The mailbox is this loop's own.
                let _ = self.mailbox.post(Letter::Action(Action::Answered { generation, answer }));
            }
        }
        Ok(())
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
            } else if let Effect::Prepare { generation, texts } = effect {
                let answer = Answer::Prepared(away::prepare(texts));
                // The mailbox is this loop's own.
                let _ = self.mailbox.post(Letter::Action(Action::Answered { generation, answer }));
            } else if matches!(effect, Effect::Sign { .. }) {
                self.to_sign = Some(effect);
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

/// Waits for letters alone.
fn wait_for(inbox: BorrowedFd<'_>) -> Result<(), ConsoleError> {
    match poll(&mut [PollFd::new(inbox, PollFlags::POLLIN)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(ConsoleError::Io(errno.into())),
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
