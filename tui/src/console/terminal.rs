//! The terminal: taken at the start, given back at the end, whatever the end is.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Stdout, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use nix::sys::termios::{FlushArg, SetArg, Termios, tcflush, tcgetattr, tcsetattr};
use ratatui::Terminal as Ratatui;
use ratatui::backend::CrosstermBackend;

use super::state::State;
use super::view;
use super::{ConsoleError, away};

/// A terminal in raw mode on its alternate screen; dropping it restores what was before.
pub struct Terminal {
    screen: Screen,
    keys: File,
    /// How the terminal was before it was taken.
    before: Termios,
    /// False while it is given back.
    taken: bool,
}

type Screen = Ratatui<CrosstermBackend<BufWriter<Stdout>>>;

impl Terminal {
    /// Takes the terminal.
    pub fn take() -> Result<Self, ConsoleError> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(ConsoleError::NoTerminal);
        }
        let keys = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let before = tcgetattr(&keys).map_err(io::Error::from)?;
        let screen = screen()?;
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            hook(info);
        }));
        enable_raw_mode()?;
        let mut taken = Self { screen, keys, before, taken: true };
        taken.enter()?;
        Ok(taken)
    }

    /// Nothing here may ask the terminal a question: the answer would come among the keys.
    fn enter(&mut self) -> io::Result<()> {
        let out = self.screen.backend_mut();
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, Clear(ClearType::All), Hide)
    }

    /// Gives the terminal back for a while, as it was before, and says in a line what for.
    pub fn give_back(&mut self, line: &str) -> io::Result<()> {
        self.taken = false;
        restore();
        let mut out = io::stdout();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// Takes it again, and throws away what was typed meanwhile. The next frame is drawn whole.
    pub fn retake(&mut self) -> io::Result<()> {
        away::reclaim();
        // Whoever had it may have been ended in the middle of a question, without echo.
        tcsetattr(&self.keys, SetArg::TCSAFLUSH, &self.before)?;
        enable_raw_mode()?;
        self.taken = true;
        self.screen = screen()?;
        self.enter()?;
        Ok(tcflush(&self.keys, FlushArg::TCIFLUSH)?)
    }

    /// Columns and rows.
    pub fn size() -> io::Result<(u16, u16)> {
        size()
    }

    /// Draws the state; what did not change is not written.
    pub fn draw(&mut self, state: &State) -> io::Result<()> {
        self.screen.draw(|frame| view::draw(state, frame))?;
        Ok(())
    }

    /// Becomes readable when something was typed.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.keys.as_fd()
    }

    /// Reads what was typed; 0 at the end of input. Only called when something is there.
    pub fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        self.keys.read(octets)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.taken {
            restore();
        } else {
            away::reclaim();
            // As in `restore`.
            let _ = tcsetattr(&self.keys, SetArg::TCSAFLUSH, &self.before);
        }
        // While unwinding the hook is in use; it stays, and does no harm.
        if !std::thread::panicking() {
            drop(panic::take_hook());
        }
    }
}

fn screen() -> io::Result<Screen> {
    Ratatui::new(CrosstermBackend::new(BufWriter::with_capacity(64 * 1024, io::stdout())))
}

/// Gives the terminal back. A step that fails must not keep the next from being tried, and there is nowhere
/// left to report to.
fn restore() {
    let mut out = io::stdout();
    let _ = execute!(out, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}
