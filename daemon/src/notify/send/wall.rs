//! `Wall`: the terminals on which given users are logged in, as utmp(5) lists them.
//!
//! A terminal is written to only where its owner is the user and its group may write (`mesg y`), so that an old entry
//! cannot lead to somebody else's terminal; the daemon needs the group `tty` for it. Nothing is written but visible
//! text, so that no terminal can be made to obey.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::User;

use crate::notify::message::{Audience, Message};
use crate::notify::outcome::{Outcome, Reached, Receipt};
use crate::notify::render::plain;

/// The size of `struct utmp` in glibc: `ut_session` and `ut_tv` are wider where time was never 32 bits.
const RECORD: usize = if cfg!(target_arch = "aarch64") { 400 } else { 384 };
/// `USER_PROCESS`.
const USER_PROCESS: i16 = 7;
/// The most of the file that is read, in octets: 1 MiB, some 2,700 sessions.
const MAX_FILE: u64 = 1024 * 1024;

/// Who is logged in where.
#[derive(Clone, Debug)]
pub(in crate::notify) struct Wall {
    /// utmp(5).
    pub utmp: PathBuf,
    /// Where terminals are devices.
    pub devices: PathBuf,
}

/// A user and the terminal's name below `/dev`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    user: String,
    line: String,
}

impl Wall {
    /// Writes to every writable terminal of each account. Does not wait for a terminal that is stopped.
    pub fn send(&self, message: &Message, audience: &Audience) -> Receipt {
        let sessions = match self.sessions() {
            Ok(sessions) => sessions,
            Err(error) => return self.nobody(audience, &format!("who is logged in cannot be read: {error}")),
        };
        let text = format!("\r\n\u{7}{}\r\n", plain::body(message).replace('\n', "\r\n"));
        let each = audience
            .accounts
            .iter()
            .map(|account| Reached { to: account.clone(), outcome: self.tell(account.raw(), &sessions, &text) });
        Receipt::of("Wall", each.collect())
    }

    fn nobody(&self, audience: &Audience, why: &str) -> Receipt {
        let each = audience.accounts.iter();
        let each = each.map(|account| Reached { to: account.clone(), outcome: Outcome::later(why) });
        Receipt::of("Wall", each.collect())
    }

    fn sessions(&self) -> io::Result<Vec<Session>> {
        let mut octets = Vec::new();
        File::open(&self.utmp)?.take(MAX_FILE).read_to_end(&mut octets)?;
        Ok(octets.chunks_exact(RECORD).filter_map(session).collect())
    }

    fn tell(&self, account: &str, sessions: &[Session], text: &str) -> Outcome {
        let uid = match User::from_name(account) {
            Ok(Some(user)) => user.uid.as_raw(),
            Ok(None) => return Outcome::never("this host has no such account"),
            Err(error) => return Outcome::later(format!("the account cannot be looked up: {error}")),
        };
        let mut problem = "is not logged in".to_owned();
        let mut reached = false;
        for session in sessions.iter().filter(|session| session.user == account) {
            match write(&self.devices.join(&session.line), uid, text) {
                Ok(()) => reached = true,
                Err(error) => problem = format!("{}: {error}", session.line),
            }
        }
        if reached { Outcome::Delivered } else { Outcome::later(problem) }
    }
}

/// A record's session; `None` for other records, and for a line that is not a terminal's name.
fn session(record: &[u8]) -> Option<Session> {
    let kind = i16::from_ne_bytes(record.get(0..2)?.try_into().ok()?);
    let text = |octets: &[u8]| -> Option<String> {
        let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
        String::from_utf8(octets.get(..end)?.to_vec()).ok()
    };
    let (line, user) = (text(record.get(8..40)?)?, text(record.get(44..76)?)?);
    (kind == USER_PROCESS && !user.is_empty() && is_terminal_name(&line)).then_some(Session { user, line })
}

/// `pts/3`, `tty1`, `ttyS0`: nothing that leads out of `/dev`.
fn is_terminal_name(line: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    match line.strip_prefix("pts/") {
        Some(number) => digits(number),
        None => line
            .strip_prefix("tty")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|octet| octet.is_ascii_alphanumeric())),
    }
}

fn write(terminal: &Path, uid: u32, text: &str) -> io::Result<()> {
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let mut file = OpenOptions::new().write(true).custom_flags(flags.bits()).open(terminal)?;
    let found = file.metadata()?;
    if !found.file_type().is_char_device() || !io::IsTerminal::is_terminal(&file) {
        return refused("is no terminal");
    }
    if found.uid() != uid {
        return refused("belongs to somebody else");
    }
    if found.mode() & 0o020 == 0 {
        return refused("takes no messages (mesg n)");
    }
    match file.write(text.as_bytes()) {
        Ok(written) if written == text.len() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::WouldBlock, "took a part of the message")),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
fn record_of(kind: i16, user: &str, line: &str) -> Vec<u8> {
    let mut record = vec![0; RECORD];
    record[0..2].copy_from_slice(&kind.to_ne_bytes());
    record[8..8 + line.len()].copy_from_slice(line.as_bytes());
    record[44..44 + user.len()].copy_from_slice(user.as_bytes());
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::alert;
    use nix::pty::openpty;
    use nix::unistd::{getuid, ttyname};
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    struct Terminal {
        user: String,
        line: String,
        path: PathBuf,
        _slave: std::os::fd::OwnedFd,
        master: File,
    }

    fn terminal() -> Terminal {
        let pty = openpty(None, None).unwrap();
        let path = ttyname(pty.slave.as_fd()).unwrap();
        let line = path.strip_prefix("/dev").unwrap().to_str().unwrap().to_owned();
        let user = User::from_uid(getuid()).unwrap().unwrap().name;
        Terminal { user, line, path, _slave: pty.slave, master: pty.master.into() }
    }

    fn mesg(terminal: &Terminal, mode: u32) {
        fs::set_permissions(&terminal.path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn wall(records: &[Vec<u8>]) -> (tempfile::TempDir, Wall) {
        let dir = tempfile::tempdir().unwrap();
        let utmp = dir.path().join("utmp");
        fs::write(&utmp, records.concat()).unwrap();
        (dir, Wall { utmp, devices: "/dev".into() })
    }

    fn to(accounts: &[&str]) -> Audience {
        Audience { accounts: accounts.iter().map(|account| (*account).into()).collect(), ..Audience::default() }
    }

    fn why(receipt: &Receipt) -> String {
        match &receipt.each()[0].outcome {
            Outcome::Delivered => panic!("{receipt:?}"),
            Outcome::Temporary { why, .. } | Outcome::Permanent { why } => why.clone(),
        }
    }

    #[test]
    fn a_logged_in_user_reads_it() {
        let mut tty = terminal();
        mesg(&tty, 0o620);
        let (_dir, wall) = wall(&[record_of(2, "reboot", "~"), record_of(7, &tty.user, &tty.line)]);
        let hostile = Message { reason: Some("\u{1b}]0;owned\u{7}".into()), ..alert(7) };
        let receipt = wall.send(&hostile, &to(&[&tty.user]));
        assert_eq!(receipt.outcome(), Outcome::Delivered, "{receipt:?}");
        let mut seen = String::new();
        while !seen.contains("Message: ne-01") {
            let mut buffer = [0; 4096];
            let read = tty.master.read(&mut buffer).unwrap();
            seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        assert!(seen.contains("expires in 7 days") && !seen.contains('\u{1b}'), "{seen:?}");
    }

    #[test]
    fn nobody_is_written_to_who_did_not_ask_for_it() {
        let tty = terminal();
        let login = record_of(7, &tty.user, &tty.line);
        mesg(&tty, 0o600);
        let (_dir, closed) = wall(&[login]);
        assert!(why(&closed.send(&alert(7), &to(&[&tty.user]))).contains("mesg n"));
        mesg(&tty, 0o620);
        // An old entry: the terminal is somebody else's by now.
        let (_dir, stale) = wall(&[record_of(7, "nobody", &tty.line)]);
        assert!(why(&stale.send(&alert(7), &to(&["nobody"]))).contains("somebody else"));
        let (_dir, logged_out) = wall(&[record_of(8, &tty.user, &tty.line)]);
        assert!(why(&logged_out.send(&alert(7), &to(&[&tty.user]))).contains("not logged in"));
        assert!(why(&logged_out.send(&alert(7), &to(&["no-such-account"]))).contains("no such account"));
        assert!(why(&logged_out.send(&alert(7), &to(&[]))).contains("nobody to tell"));
        let missing = Wall { utmp: "/nonexistent".into(), ..logged_out };
        assert!(why(&missing.send(&alert(7), &to(&[&tty.user]))).contains("cannot be read"));
    }

    #[test]
    fn a_terminal_that_is_stopped_delays_nobody() {
        let tty = terminal();
        mesg(&tty, 0o620);
        let (_dir, wall) = wall(&[record_of(7, &tty.user, &tty.line)]);
        // Nobody reads the other side: its buffer is full after some messages.
        let receipts = (0..1000).map(|_| wall.send(&alert(7), &to(&[&tty.user])));
        let full = receipts.into_iter().find(|receipt| receipt.outcome() != Outcome::Delivered).unwrap();
        assert!(matches!(full.outcome(), Outcome::Temporary { .. }), "{full:?}");
    }

    #[test]
    fn hostile_records_are_no_sessions() {
        for (user, line) in [
            ("bob", "../etc/shadow"),
            ("bob", "pts/../../x"),
            ("bob", "pts/"),
            ("bob", "pts/1/2"),
            ("bob", "tty"),
            ("bob", "tty../x"),
            ("bob", "/dev/pts/1"),
            ("bob", ":0"),
            ("", "pts/1"),
        ] {
            assert_eq!(session(&record_of(7, user, line)), None, "{line}");
        }
        let whole = record_of(7, "bob", "pts/12");
        assert_eq!(session(&whole), Some(Session { user: "bob".into(), line: "pts/12".into() }));
        assert_eq!(session(&whole[..20]), None);
        let (_dir, truncated) = wall(&[whole.clone(), whole[..100].to_vec()]);
        assert_eq!(truncated.sessions().unwrap().len(), 1);
    }
}
