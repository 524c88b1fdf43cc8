//! The service manager's side of the daemon: readiness, watchdog, an activated socket, credentials.
//! Outside systemd every function here does nothing.
#![allow(unsafe_code, reason = "a descriptor inherited by number can be owned in no other way")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::socket::{SockType, UnixAddr, getsockname, getsockopt, sockopt};
use sd_notify::NotifyState;

/// Says that calls are served (`READY=1`).
pub fn ready() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Ready])
}

/// Says that the daemon drains (`STOPPING=1`).
pub fn stopping() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Stopping])
}

/// Says that the configuration is read again (`RELOADING=1`); [`ready`] has to follow.
pub fn reloading() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
}

/// A line for `systemctl status`.
pub fn status(text: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Status(text)])
}

/// Says how far a long start is, and asks for so much more time for it (`EXTEND_TIMEOUT_USEC=`).
pub fn starting(text: &str, allowed: Duration) -> io::Result<()> {
    let allowed = u32::try_from(allowed.as_micros()).unwrap_or(u32::MAX);
    sd_notify::notify(&[NotifyState::Status(text), NotifyState::ExtendTimeoutUsec(allowed)])
}

/// How often [`watchdog`] has to be called: half of what the unit allows (sd_watchdog_enabled(3)); `None`
/// where no watchdog is set.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|allowed| allowed / 2).filter(|half| !half.is_zero())
}

/// Answers the watchdog once.
pub fn watchdog() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Watchdog])
}

/// The socket that systemd opened for the daemon (sd_listen_fds(3)); `None` where it passed none.
///
/// # Errors
/// More than one socket, one that is not a listening Unix stream socket, or a second call: the descriptor
/// has one owner.
pub fn activated_listener() -> io::Result<Option<UnixListener>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let mut fds = sd_notify::listen_fds()?;
    let Some(fd) = fds.next() else {
        return Ok(None);
    };
    if fds.len() > 0 {
        return Err(refused("systemd passed more than one socket; the unit must have exactly one ListenStream="));
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(refused("the activated socket was taken before"));
    }
    // SAFETY: `listen_fds` found this descriptor open (it set FD_CLOEXEC on it), LISTEN_PID says it was passed to
    // this process, and TAKEN makes this its only owner.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    listening(fd).map(Some)
}

fn listening(fd: OwnedFd) -> io::Result<UnixListener> {
    const SHAPE: &str = "the activated descriptor is not a listening Unix stream socket; use ListenStream=/path";
    let is_stream = getsockopt(&fd, sockopt::SockType) == Ok(SockType::Stream);
    let accepts = getsockopt(&fd, sockopt::AcceptConn) == Ok(true);
    let is_unix = {
        use std::os::fd::AsRawFd;
        getsockname::<UnixAddr>(fd.as_raw_fd()).is_ok()
    };
    if is_stream && accepts && is_unix { Ok(UnixListener::from(fd)) } else { Err(refused(SHAPE)) }
}

/// A credential of the unit (`LoadCredential=`, systemd.exec(5)); `None` where the unit has none of that name.
///
/// # Errors
/// A name that is not one path component, or a file that is there and cannot be read.
pub fn credential(name: &str) -> io::Result<Option<Vec<u8>>> {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(directory) => credential_in(Path::new(&directory), name),
        None => Ok(None),
    }
}

fn credential_in(directory: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
        return Err(refused("a credential's name is one file name"));
    }
    match std::fs::read(directory.join(name)) {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn refused(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn only_a_listening_unix_stream_socket_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let good = UnixListener::bind(dir.path().join("s")).unwrap();
        assert!(listening(good.into()).is_ok());
        let others: [OwnedFd; 4] = [
            UnixStream::pair().unwrap().0.into(),
            UnixDatagram::bind(dir.path().join("d")).unwrap().into(),
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
            std::fs::File::open("/dev/null").unwrap().into(),
        ];
        for other in others {
            assert!(listening(other).unwrap_err().to_string().contains("not a listening Unix stream socket"));
        }
    }

    #[test]
    fn credentials_are_read_by_file_name_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("smtp"), "secret").unwrap();
        assert_eq!(credential_in(dir.path(), "smtp").unwrap(), Some(b"secret".to_vec()));
        assert_eq!(credential_in(dir.path(), "other").unwrap(), None);
        for bad in ["", ".", "..", "../smtp", "a/b", "a\0"] {
            assert!(credential_in(dir.path(), bad).is_err(), "{bad:?}");
        }
    }
}
