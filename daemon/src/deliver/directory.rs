//! The way to a directory, one component at a time, never through a symlink.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use countersign_shared::text::Untrusted;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{Gid, Group, Uid, User, geteuid};

use super::{DeliverError, shown};

/// Whom a delivered file is to belong to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub uid: Uid,
    pub gid: Option<Gid>,
}

impl Owner {
    /// Looks `user` or `user:group` up in the system's name service.
    pub fn look_up(name: &str) -> Result<Self, DeliverError> {
        let (user, group) = match name.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (name, None),
        };
        let unknown = |what: &str, name: &str, why: &str| {
            DeliverError::Refused(format!("the {what} {:.64} {why}", Untrusted::from(name).safe()))
        };
        let uid = match User::from_name(user) {
            Ok(Some(user)) => user.uid,
            Ok(None) => return Err(unknown("owner", user, "is not an account of this system")),
            Err(error) => {
                return Err(unknown("owner", user, &format!("cannot be looked up: {}", error.desc())));
            }
        };
        let gid = match group.map(|group| (group, Group::from_name(group))) {
            None => None,
            Some((_, Ok(Some(group)))) => Some(group.gid),
            Some((group, Ok(None))) => {
                return Err(unknown("group", group, "is not a group of this system"));
            }
            Some((group, Err(error))) => {
                return Err(unknown("group", group, &format!("cannot be looked up: {}", error.desc())));
            }
        };
        Ok(Self { uid, gid })
    }
}

/// Opens the directory that the names lead to from the root.
///
/// Each one on the way must be a real directory that belongs to root, to the daemon or to the file's owner, and
/// that no group and nobody else may write to, unless its sticky bit keeps them from moving what is not theirs.
pub(super) fn walk(names: &[String], owner: Option<&Owner>) -> Result<(OwnedFd, PathBuf), DeliverError> {
    let mut path = PathBuf::from("/");
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut directory = open("/", flags | OFlag::O_RDONLY, Mode::empty())
        .map_err(|error| DeliverError::Failed(format!("cannot open /: {}", error.desc())))?;
    trusted(&directory, &path, owner)?;
    for (i, name) in names.iter().enumerate() {
        path.push(name);
        // Only the last one is read from (to be synced); a directory on the way need only be passable.
        let access = if i + 1 == names.len() { OFlag::O_RDONLY } else { OFlag::O_PATH };
        directory = openat(&directory, name.as_str(), flags | access, Mode::empty()).map_err(|error| match error {
            Errno::ELOOP | Errno::ENOTDIR => DeliverError::Refused(format!(
                "{} is a symlink or not a directory; write the real path into the policy",
                shown(&path)
            )),
            Errno::ENOENT => {
                DeliverError::Refused(format!("the directory {} does not exist; make it first", shown(&path)))
            }
            error => DeliverError::Failed(format!("cannot open {}: {}", shown(&path), error.desc())),
        })?;
        trusted(&directory, &path, owner)?;
    }
    Ok((directory, path))
}

/// Opens a directory of the daemon's own, which lies in its state directory.
pub(super) fn own(path: &Path) -> Result<OwnedFd, DeliverError> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
    let directory = open(path, flags, Mode::empty())
        .map_err(|error| DeliverError::Failed(format!("cannot open {}: {}", shown(path), error.desc())))?;
    trusted(&directory, path, None)?;
    Ok(directory)
}

fn trusted(directory: &OwnedFd, path: &Path, owner: Option<&Owner>) -> Result<(), DeliverError> {
    let found = fstat(directory)
        .map_err(|error| DeliverError::Failed(format!("cannot look at {}: {}", shown(path), error.desc())))?;
    judge(&found, geteuid(), owner.map(|owner| owner.uid))
        .map_err(|why| DeliverError::Refused(format!("the directory {} {why}", shown(path))))
}

/// The rule for one directory, apart from the system that holds it.
pub(super) fn judge(found: &FileStat, daemon: Uid, owner: Option<Uid>) -> Result<(), String> {
    let holder = Uid::from_raw(found.st_uid);
    if !holder.is_root() && holder != daemon && Some(holder) != owner {
        return Err(format!("belongs to uid {holder}, who could put another one in its place"));
    }
    let mode = Mode::from_bits_truncate(found.st_mode);
    if mode.intersects(Mode::S_IWGRP | Mode::S_IWOTH) && !mode.contains(Mode::S_ISVTX) {
        return Err(format!("can be written to by others (mode {:04o})", mode.bits()));
    }
    Ok(())
}
