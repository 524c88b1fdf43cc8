//! The socket file: made without ever following or displacing what is not ours, and removed only while it is
//! still ours.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::os::unix::uds_local_socket::tokio::Listener as UdsListener;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use nix::sys::stat::{FchmodatFlags, Mode};
use nix::unistd::Gid;
use tokio::net::UnixStream;

/// A bound and listening socket.
#[derive(Debug)]
pub struct Listener {
    inner: interprocess::local_socket::tokio::Listener,
    file: Option<SocketFile>,
}

/// The file that was bound; open (`O_PATH`), so that its inode number stays taken while it is compared.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    handle: OwnedFd,
}

/// Why a socket could not be made.
#[derive(Debug)]
pub enum BindError {
    /// Something that is no socket, or a symlink, is in the way; it was left as it is.
    InTheWay(PathBuf, &'static str),
    /// Another process serves this path.
    Served(PathBuf),
    /// The system refused.
    System(PathBuf, &'static str, io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InTheWay(path, kind) => {
                write!(f, "socket {}: {kind} is in the way; it is neither followed nor replaced", path.display())
            }
            Self::Served(path) => write!(f, "socket {}: already served by another process", path.display()),
            Self::System(path, what, error) => {
                write!(f, "socket {}: {what}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for BindError {}

impl Listener {
    /// Binds `path` with `mode` (and `group`, a group id). A socket that nobody serves any more is replaced.
    /// Runs within a tokio runtime. The caller holds the lock of the state directory: the probe decides between
    /// a live and a dead socket, the lock between two daemons that start at once.
    ///
    /// # Errors
    /// [`BindError`]; what was at `path` is then still there.
    pub fn bind(path: &Path, mode: u32, group: Option<u32>) -> Result<Self, BindError> {
        let failed = |what| move |error: io::Error| BindError::System(path.to_owned(), what, error);
        clear_the_way(path)?;
        let socket = bound(path).map_err(failed("cannot be bound"))?;
        let handle = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|errno| failed("vanished after binding")(errno.into()))?;
        let file = SocketFile { path: path.to_owned(), handle };
        file.set_owner_and_mode(mode, group).map_err(|(what, error)| failed(what)(error))?;
        // Last: until here everybody's connection is refused as that to a daemon that is not there yet. Whoever may
        // connect never meets a socket that listens and has its group and mode not yet.
        listen(&socket, Backlog::MAXCONN).map_err(|errno| failed("cannot be listened on")(errno.into()))?;
        let inner = listener(socket).map_err(failed("cannot be listened on"))?;
        Ok(Self { inner, file: Some(file) })
    }

    /// Takes a socket that the service manager opened; its file is the service manager's and stays. Runs within
    /// a tokio runtime.
    pub fn activated(listener: StdListener) -> io::Result<Self> {
        Ok(Self { inner: self::listener(listener.into())?, file: None })
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        let Stream::UdSocket(stream) = self.inner.accept().await?;
        Ok(stream.into())
    }

    /// Stops listening, and removes the socket file if it is the one that was bound.
    pub fn close(self) {
        let Some(file) = self.file else { return };
        match file.is_still_there() {
            Ok(true) => {
                if let Err(error) = std::fs::remove_file(&file.path) {
                    tracing::warn!(path = %file.path.display(), %error, "the socket file could not be removed");
                }
            }
            Ok(false) => {
                tracing::warn!(path = %file.path.display(), "the socket file is not ours any more; left there")
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %file.path.display(), %error, "the socket file could not be examined")
            }
        }
    }
}

impl SocketFile {
    /// Works on the open file, not on the path: whoever may write the directory could have put a symlink there.
    fn set_owner_and_mode(&self, mode: u32, group: Option<u32>) -> Result<(), (&'static str, io::Error)> {
        let kind = nix::sys::stat::fstat(&self.handle).map_err(|errno| ("cannot be examined", errno.into()))?.st_mode;
        if kind & nix::libc::S_IFMT != nix::libc::S_IFSOCK {
            return Err(("was replaced by something else while it was bound", io::ErrorKind::InvalidData.into()));
        }
        if let Some(group) = group {
            nix::unistd::fchownat(&self.handle, "", None, Some(Gid::from_raw(group)), AtFlags::AT_EMPTY_PATH)
                .map_err(|errno| ("its group cannot be set (the daemon has to be a member)", errno.into()))?;
        }
        let through_handle = format!("/proc/self/fd/{}", self.handle.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode);
        nix::sys::stat::fchmodat(AT_FDCWD, through_handle.as_str(), mode, FchmodatFlags::FollowSymlink)
            .map_err(|errno| ("its mode cannot be set", errno.into()))
    }

    fn is_still_there(&self) -> io::Result<bool> {
        let ours = nix::sys::stat::fstat(&self.handle)?;
        let there = std::fs::symlink_metadata(&self.path)?;
        Ok((there.dev(), there.ino()) == (ours.st_dev, ours.st_ino))
    }
}

/// Removes a socket that nobody serves; refuses anything else that is at `path`.
fn clear_the_way(path: &Path) -> Result<(), BindError> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(BindError::System(path.to_owned(), "cannot be examined", error));
        }
    };
    let in_the_way = match () {
        () if kind.is_socket() => None,
        () if kind.is_symlink() => Some("a symlink"),
        () if kind.is_dir() => Some("a directory"),
        () => Some("a file that is no socket"),
    };
    if let Some(kind) = in_the_way {
        return Err(BindError::InTheWay(path.to_owned(), kind));
    }
    match probe(path) {
        Ok(()) => Err(BindError::Served(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)
            .map_err(|error| BindError::System(path.to_owned(), "a dead socket cannot be removed", error)),
        // A full backlog means that somebody listens.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(BindError::Served(path.to_owned())),
        Err(error) => Err(BindError::System(path.to_owned(), "cannot tell whether it is served", error)),
    }
}

/// Connects without waiting: a live daemon that is stuck must not hold up the answer.
fn probe(path: &Path) -> io::Result<()> {
    let socket = unconnected()?;
    Ok(connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?)
}

fn unconnected() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Unix, SockType::Stream, flags, None)?)
}

/// A socket with its file, which does not listen yet.
fn bound(path: &Path) -> io::Result<OwnedFd> {
    let socket = unconnected()?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
}

/// What listens, for the runtime.
fn listener(socket: OwnedFd) -> io::Result<interprocess::local_socket::tokio::Listener> {
    Ok(UdsListener::try_from(socket)?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream as StdStream;

    fn mode_of(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[tokio::test]
    async fn a_socket_is_made_with_its_mode_and_removed_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        for mode in [0o660, 0o666, 0o600] {
            let listener = Listener::bind(&path, mode, Some(nix::unistd::getegid().as_raw())).unwrap();
            assert_eq!(mode_of(&path), mode);
            listener.close();
            assert!(!path.exists());
        }
    }

    #[test]
    fn nobody_is_let_in_before_the_mode_is_set() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let socket = bound(&path).unwrap();
        assert_eq!(StdStream::connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        listen(&socket, Backlog::MAXCONN).unwrap();
        assert!(StdStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn what_is_in_the_way_is_refused_by_name_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let live = dir.path().join("live");
        let _listener = Listener::bind(&live, 0o600, None).unwrap();
        let (file, link, dangling) = (dir.path().join("file"), dir.path().join("link"), dir.path().join("dangling"));
        std::fs::write(&file, "precious").unwrap();
        std::os::unix::fs::symlink(&live, &link).unwrap();
        std::os::unix::fs::symlink(dir.path().join("nothing"), &dangling).unwrap();
        for (path, words) in [
            (&live, "already served"),
            (&file, "a file that is no socket"),
            (&link, "a symlink"),
            (&dangling, "a symlink"),
            (&dir.path().to_owned(), "a directory"),
            (&dir.path().join("no/such/dir"), "cannot be bound"),
            (&dir.path().join("x".repeat(200)), "cannot be bound"),
        ] {
            let error = Listener::bind(path, 0o600, None).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(&*path.to_string_lossy()), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        assert!(StdStream::connect(&live).is_ok());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        Listener::bind(&path, 0o600, None).unwrap().close();
    }

    #[tokio::test]
    async fn a_socket_that_another_put_there_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let ours = Listener::bind(&path, 0o600, None).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _theirs = StdListener::bind(&path).unwrap();
        ours.close();
        assert!(StdStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn an_activated_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = Listener::activated(StdListener::bind(&path).unwrap()).unwrap();
        let _client = StdStream::connect(&path).unwrap();
        assert!(listener.accept().await.is_ok());
        listener.close();
        assert!(path.exists());
    }
}
