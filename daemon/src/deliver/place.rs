//! A whole file in its place, or none: written beside it, synced, renamed.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstatat};
use nix::unistd::{UnlinkatFlags, fchown, fsync, unlinkat};

use super::directory::Owner;
use super::{DeliverError, shown};
use crate::issuer::Serial;

/// Refuses to replace anything but a regular file.
pub(super) fn refuse_special(directory: &OwnedFd, name: &str, path: &Path) -> Result<(), DeliverError> {
    match fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => Ok(()),
        Ok(found) if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG => Ok(()),
        Ok(_) => Err(DeliverError::Refused(format!(
            "{} exists and is not a regular file (a symlink, a directory or a device)",
            shown(path)
        ))),
        Err(error) => Err(DeliverError::Failed(format!("cannot look at {}: {}", shown(path), error.desc()))),
    }
}

/// Makes a temporary file (mode 0600) in `directory`, lets `fill` complete it, and renames it to `name`.
///
/// Whatever fails, the temporary file is removed.
pub(super) fn place(
    directory: &OwnedFd,
    name: &str,
    path: &Path,
    fill: impl FnOnce(&mut File) -> Result<(), String>,
) -> Result<(), DeliverError> {
    let failed = |what: &str, why: &str| DeliverError::Failed(format!("cannot {what} {}: {why}", shown(path)));
    let random = Serial::random().map_err(|_| failed("name a temporary file for", "the system has no randomness"))?;
    let name_beside = format!(".countersign-{random}.tmp");
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(directory, name_beside.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|error| failed("make a file beside", error.desc()))?;
    let mut temporary = Temporary { directory, name: &name_beside, renamed: false };
    fill(&mut File::from(file)).map_err(|why| failed("write", &why))?;
    renameat(directory, name_beside.as_str(), directory, name).map_err(|error| failed("replace", error.desc()))?;
    temporary.renamed = true;
    fsync(directory).map_err(|error| {
        DeliverError::Failed(format!(
            "{} was replaced, but may be lost in a power cut: cannot sync its directory: {}",
            shown(path),
            error.desc()
        ))
    })
}

/// Writes, hands over, opens up and syncs, in this order: nobody else can read half a file.
pub(super) fn fill(file: &mut File, contents: &[u8], owner: Option<&Owner>, mode: u32) -> Result<(), String> {
    file.write_all(contents).map_err(|error| error.to_string())?;
    if let Some(owner) = owner {
        fchown(&*file, Some(owner.uid), owner.gid)
            .map_err(|error| format!("cannot give it to uid {}: {}", owner.uid, error.desc()))?;
    }
    fchmod(&*file, Mode::from_bits_truncate(mode)).map_err(|error| format!("cannot set its mode: {}", error.desc()))?;
    file.sync_all().map_err(|error| format!("cannot sync it: {error}"))
}

/// A file that is removed unless it reached its place.
struct Temporary<'a> {
    directory: &'a OwnedFd,
    name: &'a str,
    renamed: bool,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // The error that led here is the one to tell.
            let _ = unlinkat(self.directory, self.name, UnlinkatFlags::NoRemoveDir);
        }
    }
}
