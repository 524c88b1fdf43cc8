//! Through files and directories below a root: descriptors all the way, no symlink out of the root, nothing opened
//! that is not a regular file or a directory.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::finding::Findings;
use super::limits::{Budget, UsedUp};
use super::{Place, Problem, beneath};

/// A file as it was read.
pub(super) struct ReadFile {
    pub path: PathBuf,
    pub octets: Vec<u8>,
    /// Whom it belongs to.
    pub owner_uid: u32,
    /// True for a root that is itself a file, and for a keystore that is looked at by itself.
    pub named: bool,
}

/// One walk; its roots share what has been visited.
pub(super) struct Walk<'a, 'b, F> {
    pub budget: &'a mut Budget<'b>,
    pub findings: &'a mut Findings,
    pub visited: HashSet<PathBuf>,
    /// Takes each file; false ends the walk.
    pub visit: F,
}

/// The root of a walk.
struct Root {
    directory: OwnedFd,
    path: PathBuf,
    /// The path without symlinks, for those that are absolute and lead back into the root.
    real: Option<PathBuf>,
}

/// True to go on.
type GoesOn = bool;

const READ: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

impl<F: FnMut(ReadFile, &mut Findings) -> GoesOn> Walk<'_, '_, F> {
    /// Reads a file, or all files of a directory and those below it.
    pub fn root(&mut self, path: &Path) -> GoesOn {
        if !path.is_absolute() {
            return self.found(path, Problem::Failed("a path to be scanned begins with /".to_owned()));
        }
        // The root itself is the operator's choice, and may be a symlink.
        let probe = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
        let about = probe.and_then(fstat);
        match about.map(|about| kind(&about)) {
            Err(error) => self.failed(path, error),
            Ok(SFlag::S_IFDIR) => {
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                match nix::fcntl::open(path, flags, Mode::empty()) {
                    Err(error) => self.failed(path, error),
                    Ok(directory) => {
                        let real = std::fs::canonicalize(path).ok();
                        let root = Root { directory, path: path.to_owned(), real };
                        self.directory(&root, path, 0)
                    }
                }
            }
            Ok(SFlag::S_IFREG) => {
                let opened = nix::fcntl::open(path, READ.difference(OFlag::O_NOFOLLOW), Mode::empty());
                match opened {
                    Err(error) => self.failed(path, error),
                    Ok(file) => self.file(path, file, None, true),
                }
            }
            Ok(special) => self.found(path, Problem::Special(special_name(special))),
        }
    }

    /// Reads a keystore that is named for its password.
    ///
    /// Whoever owns its directory decides what stands there, so that no link is followed from it and nothing is walked.
    pub fn keystore(&mut self, path: &Path) -> GoesOn {
        if !path.is_absolute() {
            return self.found(path, Problem::Failed("the path of a keystore begins with /".to_owned()));
        }
        let probe = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty());
        match probe.and_then(fstat).map(|about| kind(&about)) {
            Err(error) => self.failed(path, error),
            Ok(SFlag::S_IFREG) => match nix::fcntl::open(path, READ, Mode::empty()) {
                Err(Errno::ELOOP | Errno::ENOENT) => self.found(path, Problem::Changed),
                Err(error) => self.failed(path, error),
                Ok(file) => self.file(path, file, None, true),
            },
            Ok(SFlag::S_IFLNK) => {
                let why = "it is a symlink, which is not followed from a keystore; name the real path instead";
                self.found(path, Problem::Failed(why.to_owned()))
            }
            Ok(SFlag::S_IFDIR) => self.found(path, Problem::Special("directory")),
            Ok(special) => self.found(path, Problem::Special(special_name(special))),
        }
    }

    fn directory(&mut self, root: &Root, path: &Path, depth: usize) -> GoesOn {
        let below = path.strip_prefix(&root.path).unwrap_or(Path::new(""));
        let handle = match self.open_directory(root, below) {
            Ok(handle) => handle,
            Err(error) => return self.failed(path, error),
        };
        let (handle, names) = self.names(path, handle);
        let mut told = false;
        for name in names {
            if !self.budget.goes_on() {
                self.found(path, Problem::OutOfTime);
                return false;
            }
            let entry = path.join(&name);
            let about = match fstatat(&handle, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(about) => about,
                Err(Errno::ENOENT) => {
                    self.found(&entry, Problem::Changed);
                    continue;
                }
                Err(error) => {
                    self.failed(&entry, error);
                    continue;
                }
            };
            let goes_on = match self.budget.take_entry(about.st_uid) {
                Err(UsedUp::All(limit)) => {
                    self.found(path, Problem::Limit { of: "directory entries", limit });
                    break;
                }
                Err(UsedUp::Share(limit)) => {
                    if !std::mem::replace(&mut told, true) {
                        self.found(path, Problem::Limit { of: "directory entries of one account", limit });
                    }
                    continue;
                }
                Ok(()) => match kind(&about) {
                    SFlag::S_IFREG => match openat(&handle, name.as_os_str(), READ, Mode::empty()) {
                        Err(Errno::ELOOP | Errno::ENOENT) => self.found(&entry, Problem::Changed),
                        Err(error) => self.failed(&entry, error),
                        Ok(file) => self.file(&entry, file, None, false),
                    },
                    SFlag::S_IFDIR if depth >= self.budget.limits.depth => {
                        let limit = self.budget.limits.depth as u64;
                        self.found(&entry, Problem::Limit { of: "directory levels", limit })
                    }
                    SFlag::S_IFDIR => self.directory(root, &entry, depth + 1),
                    SFlag::S_IFLNK => self.link(root, &entry, about.st_uid),
                    special => self.found(&entry, Problem::Special(special_name(special))),
                },
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    fn open_directory(&self, root: &Root, below: &Path) -> Result<Dir, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        // One component at a time: a directory that becomes a symlink meanwhile is not followed.
        let mut current: Option<OwnedFd> = None;
        for name in below.components() {
            let directory = current.as_ref().unwrap_or(&root.directory);
            current = Some(openat(directory, name.as_os_str(), flags, Mode::empty())?);
        }
        match current {
            Some(directory) => Dir::from_fd(directory),
            None => Dir::openat(&root.directory, ".", flags, Mode::empty()),
        }
    }

    /// The names in a directory, sorted, as many as may still be looked at.
    fn names(&mut self, path: &Path, mut handle: Dir) -> (Dir, Vec<OsString>) {
        let mut names = Vec::new();
        let mut problem = None;
        for entry in handle.iter() {
            match entry {
                Err(error) => {
                    problem = Some(Problem::Failed(format!("its entries cannot be read: {}", error.desc())));
                    break;
                }
                Ok(entry) => {
                    let name = OsStr::from_bytes(entry.file_name().to_bytes());
                    if name == "." || name == ".." {
                        continue;
                    }
                    if names.len() >= self.budget.limits.entries {
                        let limit = self.budget.limits.entries as u64;
                        problem = Some(Problem::Limit { of: "directory entries", limit });
                        break;
                    }
                    names.push(name.to_owned());
                }
            }
        }
        if let Some(problem) = problem {
            self.found(path, problem);
        }
        names.sort();
        (handle, names)
    }

    /// A symlink is followed to a regular file inside the root. A directory inside the root is walked where it stands.
    ///
    /// The place belongs to whoever made the link, save that root's links are to what is of others.
    fn link(&mut self, root: &Root, path: &Path, uid: u32) -> GoesOn {
        let below = path.strip_prefix(&root.path).unwrap_or(path);
        let names: Vec<&Path> = std::iter::once(root.path.as_path()).chain(root.real.as_deref()).collect();
        let target = match beneath::follow(root.directory.as_fd(), &names, below) {
            Ok(target) => target,
            Err(Errno::EXDEV) => return self.found(path, Problem::LeadsOut),
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => return self.found(path, Problem::DeadLink),
            Err(error) => return self.failed(path, error),
        };
        match kind(&target.about) {
            SFlag::S_IFDIR => true,
            SFlag::S_IFREG => {
                // Between the two calls it may have become something else.
                match target.open(READ) {
                    Err(Errno::ENOENT | Errno::ELOOP) => self.found(path, Problem::Changed),
                    Err(error) => self.failed(path, error),
                    Ok(file) => self.file(path, file, Some(uid).filter(|uid| *uid != 0), false),
                }
            }
            special => self.found(path, Problem::Special(special_name(special))),
        }
    }

    /// `uid` is whom the place belongs to, where that is not whom the file belongs to.
    fn file(&mut self, path: &Path, file: OwnedFd, uid: Option<u32>, named: bool) -> GoesOn {
        let about = match fstat(&file) {
            Ok(about) => about,
            Err(error) => return self.failed(path, error),
        };
        if kind(&about) != SFlag::S_IFREG {
            return self.found(path, Problem::Changed);
        }
        if !self.visited.insert(path.to_owned()) {
            return true;
        }
        let limit = self.budget.limits.file_size;
        let size = u64::try_from(about.st_size).unwrap_or(0);
        if size > limit {
            return self.found(path, Problem::TooLarge { size, limit });
        }
        let owner_uid = uid.unwrap_or(about.st_uid);
        match self.budget.take_octets(owner_uid, size) {
            Ok(()) => {}
            Err(UsedUp::All(limit)) => return self.found(path, Problem::Limit { of: "octets", limit }),
            Err(UsedUp::Share(limit)) => {
                return self.found(path, Problem::Limit { of: "octets of one account", limit });
            }
        }
        let mut octets = Vec::new();
        match File::from(file).take(limit + 1).read_to_end(&mut octets) {
            Err(error) => {
                let why = error.raw_os_error().map_or("cannot be read", |code| Errno::from_raw(code).desc());
                self.found(path, Problem::Failed(format!("it cannot be read: {why}")))
            }
            Ok(size) if size as u64 > limit => self.found(path, Problem::TooLarge { size: size as u64, limit }),
            Ok(_) => {
                let file = ReadFile { path: path.to_owned(), octets, owner_uid, named };
                (self.visit)(file, self.findings)
            }
        }
    }

    fn failed(&mut self, path: &Path, error: Errno) -> GoesOn {
        let problem = match error {
            Errno::EACCES | Errno::EPERM => Problem::PermissionDenied,
            Errno::ENOENT | Errno::ENOTDIR => Problem::Missing,
            Errno::ELOOP => Problem::DeadLink,
            error => Problem::Failed(format!("it cannot be opened: {}", error.desc())),
        };
        self.found(path, problem)
    }

    fn found(&mut self, path: &Path, problem: Problem) -> GoesOn {
        self.findings.add(Place::File(path.to_owned()), problem);
        true
    }
}

fn kind(about: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT
}

fn special_name(kind: SFlag) -> &'static str {
    match kind {
        SFlag::S_IFIFO => "pipe",
        SFlag::S_IFSOCK => "socket",
        SFlag::S_IFBLK => "block device",
        SFlag::S_IFCHR => "character device",
        _ => "file of a special kind",
    }
}
