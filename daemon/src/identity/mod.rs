//! Who is calling: what the kernel says of a socket's peer, and what the system's name service knows of it.

use crate::identity::directory::Account;

pub mod directory;
pub mod peer;
pub mod process;

/// How sure the daemon is that the process it looked at is the one that connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attestation {
    /// Pinned by `SO_PEERPIDFD` (Linux 6.5): a reused pid is never read.
    Pidfd,
    /// `pidfd_open` and a start-time comparison: a window remains; policy decides what it is worth.
    Weak,
}

/// A caller at one moment: taken from the kernel, never from a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Real user, group and process of the peer (`SO_PEERCRED`).
    pub uid: u32,
    /// See `uid`.
    pub gid: u32,
    /// See `uid`.
    pub pid: u32,
    /// Who logged in (`/proc/PID/loginuid`); `None` where it is unset. It only ever takes rights away.
    pub login_uid: Option<u32>,
    /// The audit session (`/proc/PID/sessionid`); `None` where it is unset.
    pub session: Option<u32>,
    /// How well the process was pinned.
    pub attestation: Attestation,
    /// The account as the name service knows it at this moment, its groups included.
    pub account: Account,
    /// The login uid's account, where it differs from the caller's uid.
    pub login_account: Option<Account>,
    /// On a demo daemon, the person that the connection chose with `demo.act_as`.
    pub demo_person: Option<String>,
}
