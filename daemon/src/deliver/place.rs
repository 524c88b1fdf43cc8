//! A whole file in its place, or none: written beside it, synced, renamed.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstatat};
use nix::unistd::{UnlinkatFlags, fchown, fsync, linkat, unlinkat};

use super::directory::Owner;
use super::{DeliverError, shown};
use crate::issuer::Serial;

/// What the name of a file begins with that is not in its place yet, and what it ends with.
const BESIDE: (&str, &str) = (".countersign-", ".tmp");
/// What the name of a key begins with that is not in its place yet, or no longer.
const KEY_BESIDE: &str = ".countersign-key-";

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
    let mut beside = Beside::made(Place { directory, name, path, is_key: false }, fill)?;
    beside.put()?;
    beside.place.keep()
}

/// Two files that belong together, the `key` and the `chain` for it: each is whole and on the disk beside its place
/// before the first of them is renamed. No file system renames two at once: for the moment between two system calls
/// the new key stands beside the old chain. Where the second is refused, the first is taken back.
pub(super) fn place_both(key: &mut Beside<'_>, chain: &mut Beside<'_>) -> Result<(), DeliverError> {
    let mut earlier = key.earlier()?;
    key.put()?;
    if let Err(error) = chain.put() {
        let back = match &mut earlier {
            Some(earlier) => earlier.put(),
            None => key.take_away(),
        };
        return Err(match back {
            Ok(()) => error,
            Err(second) => {
                DeliverError::Failed(format!("{error}; and the new key stands beside the old chain: {second}"))
            }
        });
    }
    key.place.keep()?;
    chain.place.keep()
}

/// Where a file belongs.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub directory: &'a OwnedFd,
    pub name: &'a str,
    pub path: &'a Path,
    /// A private key: what a crash leaves beside it is removed by the next delivery.
    pub is_key: bool,
}

impl Place<'_> {
    fn failed(&self, what: &str, why: &str) -> DeliverError {
        DeliverError::Failed(format!("cannot {what} {}: {why}", shown(self.path)))
    }

    fn name_beside(&self) -> Result<String, DeliverError> {
        let random =
            Serial::random().map_err(|_| self.failed("name a temporary file for", "the system has no randomness"))?;
        let (prefix, suffix) = BESIDE;
        let prefix = if self.is_key { KEY_BESIDE } else { prefix };
        Ok(format!("{prefix}{random}{suffix}"))
    }

    /// Removes what a crash left beside the key. Deliveries with a key come one after the other.
    pub(super) fn remove_left_behind(&self) -> Result<(), DeliverError> {
        let failed = |why: &str| self.failed("look for what was left behind beside", why);
        let Some(directory) = self.path.parent() else { return Ok(()) };
        for entry in std::fs::read_dir(directory).map_err(|error| failed(&error.to_string()))? {
            let name = entry.map_err(|error| failed(&error.to_string()))?.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(KEY_BESIDE)) {
                match unlinkat(self.directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
                    Ok(()) | Err(Errno::ENOENT) => {}
                    Err(error) => return Err(self.failed("remove what was left behind beside", error.desc())),
                }
            }
        }
        Ok(())
    }

    /// Makes the rename last through a power cut.
    fn keep(&self) -> Result<(), DeliverError> {
        fsync(self.directory).map_err(|error| {
            DeliverError::Failed(format!(
                "{} was replaced, but may be lost in a power cut: cannot sync its directory: {}",
                shown(self.path),
                error.desc()
            ))
        })
    }
}

/// A file beside its place, under a temporary name; removed unless it was put there.
pub(super) struct Beside<'a> {
    place: Place<'a>,
    name: String,
    put: bool,
}

impl<'a> Beside<'a> {
    /// Makes it (mode 0600), and lets `fill` complete it.
    pub(super) fn made(
        place: Place<'a>,
        fill: impl FnOnce(&mut File) -> Result<(), String>,
    ) -> Result<Self, DeliverError> {
        let name = place.name_beside()?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(place.directory, name.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)
            .map_err(|error| place.failed("make a file beside", error.desc()))?;
        let beside = Self { place, name, put: false };
        fill(&mut File::from(file)).map_err(|why| place.failed("write", &why))?;
        Ok(beside)
    }

    /// What stands in its place now, under a second name; none where nothing does.
    fn earlier(&self) -> Result<Option<Self>, DeliverError> {
        let (place, name) = (self.place, self.place.name_beside()?);
        match linkat(place.directory, place.name, place.directory, name.as_str(), AtFlags::empty()) {
            Ok(()) => Ok(Some(Self { place, name, put: false })),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(place.failed("keep the earlier", error.desc())),
        }
    }

    fn put(&mut self) -> Result<(), DeliverError> {
        let Place { directory, name, .. } = self.place;
        renameat(directory, self.name.as_str(), directory, name)
            .map_err(|error| self.place.failed("replace", error.desc()))?;
        self.put = true;
        Ok(())
    }

    /// Takes it from its place, where nothing stood before.
    fn take_away(&self) -> Result<(), DeliverError> {
        unlinkat(self.place.directory, self.place.name, UnlinkatFlags::NoRemoveDir)
            .map_err(|error| self.place.failed("remove", error.desc()))
    }
}

/// Removes the temporary files that a crash left in a directory of the daemon's own, in which nobody writes meanwhile.
pub(super) fn remove_left_behind(directory: &OwnedFd, path: &Path) -> Result<(), DeliverError> {
    let failed = |what: &str, why: &str| DeliverError::Failed(format!("cannot {what} {}: {why}", shown(path)));
    let (prefix, suffix) = BESIDE;
    for entry in std::fs::read_dir(path).map_err(|error| failed("read", &error.to_string()))? {
        let name = entry.map_err(|error| failed("read", &error.to_string()))?.file_name();
        if !name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(suffix)) {
            continue;
        }
        let is_file = match fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(found) => SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG,
            Err(Errno::ENOENT) => false,
            Err(error) => return Err(failed("look at what was left behind in", error.desc())),
        };
        if is_file {
            unlinkat(directory, name.as_os_str(), UnlinkatFlags::NoRemoveDir)
                .map_err(|error| failed("remove what was left behind in", error.desc()))?;
        }
    }
    Ok(())
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

impl Drop for Beside<'_> {
    fn drop(&mut self) {
        if !self.put {
            // The error that led here is the one to tell.
            let _ = unlinkat(self.place.directory, self.name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}
