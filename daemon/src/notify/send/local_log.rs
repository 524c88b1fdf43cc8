//! `Syslog`: one datagram to a socket of this host.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_shared::text::Untrusted;
use serde::Deserialize;

use crate::notify::message::Message;
use crate::notify::outcome::Outcome;
use crate::notify::render::{journal, syslog};

/// What the socket understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogProtocol {
    /// The journal's native protocol, with fields of its own.
    Journal,
    /// RFC 5424, for rsyslog and syslog-ng.
    Rfc5424,
}

impl LogProtocol {
    /// Where it is spoken when nothing is set.
    pub fn socket(self) -> &'static Path {
        match self {
            Self::Journal => Path::new("/run/systemd/journal/socket"),
            Self::Rfc5424 => Path::new("/dev/log"),
        }
    }
}

/// A log of this host.
#[derive(Clone, Debug)]
pub(in crate::notify) struct LocalLog {
    pub protocol: LogProtocol,
    pub socket: PathBuf,
    pub timeout: Duration,
}

impl LocalLog {
    /// Hands the message to the log's queue; that is all a datagram can tell. Blocks at most as long as the limit.
    pub fn send(&self, message: &Message) -> Outcome {
        let datagram = match self.protocol {
            LogProtocol::Journal => journal::journal(message),
            LogProtocol::Rfc5424 => syslog::syslog(message, std::process::id()),
        };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.set_write_timeout(Some(self.timeout))?;
            socket.send_to(datagram.as_bytes(), &self.socket)
        });
        match sent {
            Ok(_) => Outcome::Delivered,
            Err(error) => {
                let why = format!("{}: {error}", Untrusted::new(self.socket.to_string_lossy()).safe());
                if too_long(&error) { Outcome::never(why) } else { Outcome::later(why) }
            }
        }
    }
}

fn too_long(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EMSGSIZE as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::alert;

    fn log(protocol: LogProtocol, socket: PathBuf) -> LocalLog {
        LocalLog { protocol, socket, timeout: Duration::from_millis(200) }
    }

    #[test]
    fn one_datagram_is_one_message() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("log");
        let server = UnixDatagram::bind(&place).unwrap();
        let mut buffer = vec![0; 64 * 1024];
        for (protocol, begin) in
            [(LogProtocol::Rfc5424, "<28>1 2027-"), (LogProtocol::Journal, "MESSAGE=[WARNING] www.")]
        {
            assert_eq!(log(protocol, place.clone()).send(&alert(7)), Outcome::Delivered);
            let read = server.recv(&mut buffer).unwrap();
            let text = std::str::from_utf8(&buffer[..read]).unwrap();
            assert!(text.starts_with(begin), "{text}");
        }
    }

    #[test]
    fn nobody_there_and_a_full_queue_are_for_later() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("log");
        let outcome = log(LogProtocol::Rfc5424, place.clone()).send(&alert(7));
        assert!(matches!(&outcome, Outcome::Temporary { why, .. } if why.contains("No such file")), "{outcome:?}");
        let _never_read = UnixDatagram::bind(&place).unwrap();
        // The queue of a datagram socket holds net.unix.max_dgram_qlen messages.
        let full = (0..10_000).map(|_| log(LogProtocol::Rfc5424, place.clone()).send(&alert(7)));
        let outcome = full.into_iter().find(|outcome| *outcome != Outcome::Delivered).unwrap();
        assert!(matches!(&outcome, Outcome::Temporary { .. }), "{outcome:?}");
    }
}
