//! The process at the other end of a connected Unix socket, as the kernel describes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use countersign_shared::error::{ApiError, ErrorKind};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{getsockopt, sockopt};

use super::directory::{Account, Directory};
use super::process::{self, Process};
use super::{Attestation, Caller};

/// What the kernel puts where a user cannot be named in the daemon's user namespace (`overflowuid`).
const OVERFLOW_UID: u32 = 65534;

/// A connected peer. It keeps the socket open and what the kernel fixed at `connect`; everything that can
/// change afterwards is read at each [`Peer::attest`].
pub struct Peer {
    socket: Arc<dyn AsFd + Send + Sync>,
    uid: u32,
    gid: u32,
    pid: u32,
    pin: Pin,
}

/// How a peer's process is told from another that got the same pid later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pin {
    /// By `SO_PEERPIDFD`, taken at each attestation: one descriptor for an instant, none per connection.
    Pidfd,
    /// By the start time that the pid had when the connection was accepted, in clock ticks since boot;
    /// `None` where the process was gone by then.
    StartTime(Option<u64>),
}

impl Peer {
    /// Takes the credentials of a connection that was just accepted.
    ///
    /// # Errors
    /// What `getsockopt(SO_PEERCRED)` reports; the connection cannot be served then.
    pub fn of(socket: Arc<dyn AsFd + Send + Sync>) -> io::Result<Self> {
        let pin = pin_kind();
        Self::pinned_by(socket, pin)
    }

    fn pinned_by(socket: Arc<dyn AsFd + Send + Sync>, attestation: Attestation) -> io::Result<Self> {
        let credentials = getsockopt(&socket.as_fd(), sockopt::PeerCredentials)?;
        // A peer in a pid namespace that this one cannot see has pid 0 here; `attest` refuses it.
        let pid = u32::try_from(credentials.pid()).unwrap_or(0);
        let pin = match attestation {
            Attestation::Pidfd => Pin::Pidfd,
            Attestation::Weak => Pin::StartTime(process::start_time(pid).ok()),
        };
        Ok(Self { socket, uid: credentials.uid(), gid: credentials.gid(), pid, pin })
    }

    /// The effective user id that the process had at `connect`.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The pid that the process had at `connect`; a name for logs, never proof of who it is.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Who the peer is now. Groups are looked up only `with_groups`. Blocks for as long as the name service
    /// does.
    ///
    /// # Errors
    /// `forbidden` with the rule `peer_gone`, `peer_hidden`, `peer_unmapped` or `peer_changed_user` where the
    /// process cannot be vouched for; `unavailable` where the kernel or the name service fails.
    pub fn attest(&self, directory: &dyn Directory, with_groups: bool) -> Result<Caller, ApiError> {
        self.refuse_unnameable()?;
        // The order matters: pin, read /proc, and only then ask whether the pinned process is alive. If it
        // is, its pid was never free, so what was read belongs to it.
        let (process, attestation) = match self.pin {
            Pin::Pidfd => {
                let pidfd = self.pidfd()?;
                let process = self.read_process();
                self.refuse_dead(pidfd.as_fd())?;
                (process?, Attestation::Pidfd)
            }
            Pin::StartTime(at_accept) => {
                let process = self.read_process()?;
                let now = process::start_time(self.pid).ok();
                if now.is_none() || now != at_accept {
                    return Err(self.gone());
                }
                (process, Attestation::Weak)
            }
        };
        self.refuse_other_user(&process)?;
        let account = look_up(directory, self.uid, with_groups)?;
        let login_account = match process.login_uid {
            Some(login) if login != self.uid => Some(look_up(directory, login, false)?),
            _ => None,
        };
        Ok(Caller {
            uid: self.uid,
            gid: self.gid,
            pid: self.pid,
            login_uid: process.login_uid,
            session: process.session,
            attestation,
            account,
            login_account,
            demo_person: None,
        })
    }

    fn refuse_unnameable(&self) -> Result<(), ApiError> {
        if self.pid == 0 {
            return Err(forbidden(
                "peer_hidden",
                "the calling process is in a pid namespace that the daemon cannot see, so it cannot be attested",
            )
            .hint("call from the host, or from a container that shares the host's pid namespace"));
        }
        if self.uid == OVERFLOW_UID {
            return Err(forbidden(
                "peer_unmapped",
                format!(
                    "uid {OVERFLOW_UID} stands for every user that the daemon's user namespace cannot name, so it is nobody in particular"
                ),
            )
            .hint("log in as a user of the host; the daemon's unit must not set PrivateUsers="));
        }
        Ok(())
    }

    /// The user of the process now must still be the one who connected, in every respect.
    ///
    /// `SO_PEERCRED` is the *effective* user at `connect`. Where the real or saved user is another one, the
    /// process is a setuid program that somebody else started, or one that can change sides at will; where
    /// the effective user differs, it changed sides since it connected. Neither speaks for one human.
    fn refuse_other_user(&self, process: &Process) -> Result<(), ApiError> {
        let Some([real, effective, saved]) = process.other_uids else {
            return Ok(());
        };
        Err(forbidden(
            "peer_changed_user",
            format!(
                "process {} connected as uid {} and has real uid {real}, effective uid {effective}, saved uid {saved} now: it does not speak for one user",
                self.pid, self.uid
            ),
        )
        .hint("connect from a process that runs wholly as the user who calls, not through a setuid program"))
    }

    fn pidfd(&self) -> Result<OwnedFd, ApiError> {
        getsockopt(&self.socket.as_fd(), sockopt::PeerPidfd).map_err(|errno| match errno {
            // The kernel has no pidfd to give for a process that was reaped (Linux 6.5 to 6.15).
            Errno::ESRCH | Errno::EINVAL | Errno::ENODATA => self.gone(),
            other => unavailable(format!("the kernel gave no pidfd of the calling process: {other}")),
        })
    }

    fn read_process(&self) -> Result<Process, ApiError> {
        Process::read(self.pid, self.uid).map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ESRCH) => self.gone(),
            Some(Errno::ENOENT | Errno::EACCES | Errno::EPERM) => forbidden(
                "peer_hidden",
                format!("/proc/{} cannot be read, so nobody knows who logged in there", self.pid),
            )
            .hint("the process has ended, or /proc is hidden from the daemon (hidepid=, ProtectProc=)"),
            _ => unavailable(format!("reading /proc/{} failed: {error}", self.pid)),
        })
    }

    fn refuse_dead(&self, pidfd: BorrowedFd<'_>) -> Result<(), ApiError> {
        let mut fds = [PollFd::new(pidfd, PollFlags::POLLIN)];
        match nix::poll::poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.gone()),
            Err(errno) => Err(unavailable(format!("polling the calling process failed: {errno}"))),
        }
    }

    fn gone(&self) -> ApiError {
        forbidden("peer_gone", format!("process {}, which opened this connection, has ended", self.pid))
            .hint("call from the process that connects; a descriptor handed to another process attests nobody")
    }
}

/// How this kernel lets peers be pinned: by pidfd since Linux 6.5. Asked once.
pub fn pin_kind() -> Attestation {
    static KIND: OnceLock<Attestation> = OnceLock::new();
    *KIND.get_or_init(|| {
        // Only "no such option" means an old kernel. Any other failure keeps the strong way, which then
        // refuses at each call rather than weakening quietly.
        let probe = UnixStream::pair().map(|(one, _two)| getsockopt(&one, sockopt::PeerPidfd));
        match probe {
            Ok(Err(Errno::ENOPROTOOPT)) => Attestation::Weak,
            _ => Attestation::Pidfd,
        }
    })
}

fn look_up(directory: &dyn Directory, uid: u32, with_groups: bool) -> Result<Account, ApiError> {
    directory.account(uid, with_groups).map_err(|error| {
        unavailable(format!("the name service did not answer for uid {uid}: {error}"))
            .hint("check `getent passwd` and `id` on the host; without an answer nobody is let through")
    })
}

fn forbidden(rule: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, message).rule(rule)
}

fn unavailable(message: String) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::directory::{FixedDirectory, SystemDirectory};

    fn pair_peer(attestation: Attestation) -> (Peer, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Peer::pinned_by(Arc::new(ours), attestation).unwrap(), theirs)
    }

    /// The process that made a socket pair is the peer of both ends.
    #[test]
    fn this_process_is_attested_both_ways() {
        let me = nix::unistd::geteuid().as_raw();
        for attestation in [pin_kind(), Attestation::Weak] {
            let (peer, _other) = pair_peer(attestation);
            let caller = peer.attest(&SystemDirectory, true).unwrap();
            assert_eq!((caller.uid, caller.pid), (me, std::process::id()));
            assert_eq!(caller.attestation, attestation);
            assert_eq!(caller.account, SystemDirectory.account(me, true).unwrap());
            assert_eq!(caller.login_account.is_some(), caller.login_uid.is_some_and(|uid| uid != me));
        }
    }

    #[test]
    fn what_cannot_be_vouched_for_is_refused_by_rule() {
        let change = |change: fn(&mut Peer)| {
            let (mut peer, _other) = pair_peer(pin_kind());
            change(&mut peer);
            peer.attest(&FixedDirectory::default(), false).unwrap_err()
        };
        for (refused, rule) in [
            (change(|peer| peer.pid = 0), "peer_hidden"),
            (change(|peer| peer.uid = OVERFLOW_UID), "peer_unmapped"),
            (change(|peer| peer.uid = 4242), "peer_changed_user"),
            (change(|peer| peer.pid = u32::try_from(i32::MAX).unwrap()), "peer_hidden"),
            (change(|peer| peer.pin = Pin::StartTime(Some(1))), "peer_gone"),
            (change(|peer| peer.pin = Pin::StartTime(None)), "peer_gone"),
        ] {
            assert_eq!((refused.kind, refused.rule), (ErrorKind::Forbidden, Some(rule)), "{refused}");
            assert!(!refused.hint.is_empty());
        }
    }

    #[test]
    fn a_name_service_that_fails_refuses() {
        struct Failing;
        impl Directory for Failing {
            fn account(&self, _: u32, _: bool) -> io::Result<Account> {
                Err(io::Error::other("sssd is down"))
            }
            fn uid_of(&self, _: &str) -> io::Result<Option<u32>> {
                Err(io::Error::other("sssd is down"))
            }
            fn gid_of(&self, _: &str) -> io::Result<Option<u32>> {
                Err(io::Error::other("sssd is down"))
            }
            fn listed_in(&self, _: &str) -> io::Result<Vec<String>> {
                Err(io::Error::other("sssd is down"))
            }
        }
        let (peer, _other) = pair_peer(pin_kind());
        let refused = peer.attest(&Failing, false).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unavailable);
        assert!(refused.message.contains("sssd is down"));
    }
}
