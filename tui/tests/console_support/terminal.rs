//! The console in a terminal of its own: keys go in, the screen is waited for, nothing sleeps.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// How long a condition may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Seen {
    parser: vt100::Parser,
    octets: Vec<u8>,
    ended: bool,
}

pub struct Terminal {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { cols: columns, rows, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

impl Terminal {
    /// Opens the console on this socket.
    #[allow(dead_code, reason = "the tests of signing name a key")]
    pub fn open(socket: &Path, arguments: &[&str], columns: u16, rows: u16) -> Self {
        Self::open_in(&[], socket, arguments, (columns, rows))
    }

    /// The same with more in its environment.
    pub fn open_in(
        environment: &[(&str, &str)],
        socket: &Path,
        arguments: &[&str],
        (columns, rows): (u16, u16),
    ) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("--socket");
        command.arg(socket);
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let seen = Arc::new((Mutex::new(Seen { parser, octets: Vec::new(), ended: false }), Condvar::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            let mut octets = [0; 4096];
            loop {
                let count = reader.read(&mut octets).unwrap_or(0);
                let mut seen = shared.0.lock().unwrap();
                seen.parser.process(&octets[..count]);
                seen.octets.extend(&octets[..count]);
                seen.ended |= count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self { seen, keys: pair.master.take_writer().unwrap(), master: pair.master, child }
    }

    /// How much has been drawn so far.
    #[allow(dead_code, reason = "the tests of signing do not ask")]
    pub fn drawn(&self) -> usize {
        self.seen.0.lock().unwrap().octets.len()
    }

    /// Sends octets in one write, as typed.
    pub fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen holds the text.
    pub fn until(&self, text: &str) {
        self.until_that(text, |screen| screen.contains(text));
    }

    /// Waits until the screen holds the text no more.
    pub fn until_gone(&self, text: &str) {
        self.until_that(&format!("no {text}"), |screen| !screen.contains(text));
    }

    /// Waits until what stands on the screen is as wanted; a frame arrives in parts.
    pub fn until_that(&self, what: &str, mut holds: impl FnMut(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        loop {
            let screen = seen.parser.screen().contents();
            if holds(&screen) {
                return;
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && !seen.ended, "waited for {what:?} and saw:\n{screen}");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Whether the terminal shows what is typed by itself, as it does in a shell.
    #[allow(dead_code, reason = "the tests of signing look")]
    pub fn echoes(&self) -> bool {
        self.has("ECHO")
    }

    /// Waits until a program asks on the terminal for what is not to be seen, and sleeps over it.
    #[allow(dead_code, reason = "the tests of signing wait for it")]
    pub fn asks(&self, question: &str) {
        self.until_set(question, |terminal| {
            let screen = terminal.seen.0.lock().unwrap().parser.screen().contents();
            let asked =
                screen.lines().rfind(|line| !line.trim().is_empty()).is_some_and(|line| line.contains(question));
            asked && !terminal.has("ECHO") && terminal.has("ICANON") && terminal.foreground_sleeps()
        });
    }

    /// Whether the program in the foreground waits for something: behind a question, for the answer.
    fn foreground_sleeps(&self) -> bool {
        let leader = self.master.process_group_leader().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{leader}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
    }

    fn until_set(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < until, "waited for {what}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn has(&self, name: &str) -> bool {
        let flags = format!("{:?}", self.master.get_termios().unwrap().local_flags);
        flags.split(|c: char| !c.is_ascii_uppercase()).any(|flag| flag == name)
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.seen.0.lock().unwrap().parser.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    pub fn process(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits for the console to end; whether the terminal shows what is typed then.
    #[allow(dead_code, reason = "the tests of signing end it in the middle")]
    pub fn ended_echoing(mut self) -> bool {
        self.child.wait().unwrap();
        self.echoes()
    }

    /// Waits for the console to end, and checks that the terminal was given back.
    pub fn ended(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        let until = Instant::now() + PATIENCE;
        let mut seen = self.seen.0.lock().unwrap();
        while !seen.ended {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the terminal stays open");
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
        let written = String::from_utf8_lossy(&seen.octets).into_owned();
        for (begin, end) in [("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?2004h", "\x1b[?2004l"), ("\x1b[?25l", "\x1b[?25h")]
        {
            let (begun, ended) = (written.rfind(begin), written.rfind(end));
            assert!(begun.is_some() && begun < ended, "{begin:?} is not undone");
        }
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves the console open.
        let _ = self.child.kill();
    }
}
