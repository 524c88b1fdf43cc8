//! Where a path below a directory leads, by symlinks too, and never out of that directory. One name at a time, by
//! descriptors: `openat2(2)` would do it in one call, and is not there under `RestrictSUIDSGID=` of the unit, which
//! answers it with ENOSYS since its flags cannot be filtered.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

/// Symlinks on one way, as path_resolution(7) has it.
const LINKS: usize = 40;

/// Directories that are open at one time.
const LEVELS: usize = 64;

/// Names on one way, those of all its symlinks together.
const NAMES: usize = 1024;

/// What a way leads to.
pub(super) struct Target {
    /// As it was found. It may have become something else since.
    pub about: FileStat,
    /// The directory that it is in, and its name there; `None` where it is a directory itself.
    place: Option<(OwnedFd, OsString)>,
}

impl Target {
    /// Opens it; a symlink that took its place is not followed.
    pub fn open(&self, flags: OFlag) -> Result<OwnedFd, Errno> {
        let (directory, name) = self.place.as_ref().ok_or(Errno::EISDIR)?;
        openat(directory, name.as_os_str(), flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
    }
}

/// Follows `below`, from `root`. A symlink whose target is absolute leads on where that begins with one of `names`,
/// the names of `root` itself.
///
/// # Errors
/// `EXDEV`: it leads out. `ELOOP`: too many symlinks. `ENAMETOOLONG`: too many names, or directories. Those of opening.
pub(super) fn follow(root: BorrowedFd<'_>, names: &[&Path], below: &Path) -> Result<Target, Errno> {
    // The directories on the way, so that `..` leads back to where it came from, whatever was moved meanwhile.
    let mut way: Vec<OwnedFd> = Vec::new();
    let mut ahead = VecDeque::new();
    put_before(&mut ahead, below)?;
    let (mut links, mut steps) = (0, 0);
    while let Some(name) = ahead.pop_front() {
        steps += 1;
        if steps > NAMES {
            return Err(Errno::ENAMETOOLONG);
        }
        if name == ".." {
            way.pop().ok_or(Errno::EXDEV)?;
            continue;
        }
        let here = way.last().map_or(root, |directory| directory.as_fd());
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let found = openat(here, name.as_os_str(), flags, Mode::empty())?;
        let about = fstat(&found)?;
        match SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFDIR if way.len() == LEVELS => return Err(Errno::ENAMETOOLONG),
            SFlag::S_IFDIR => way.push(found),
            SFlag::S_IFLNK => {
                links += 1;
                if links > LINKS {
                    return Err(Errno::ELOOP);
                }
                let target = PathBuf::from(readlinkat(&found, OsStr::new(""))?);
                if target.is_absolute() {
                    let inside = names.iter().find_map(|name| target.strip_prefix(name).ok()).ok_or(Errno::EXDEV)?;
                    way.clear();
                    put_before(&mut ahead, inside)?;
                } else {
                    put_before(&mut ahead, &target)?;
                }
            }
            _ if !ahead.is_empty() => return Err(Errno::ENOTDIR),
            _ => {
                let directory = match way.pop() {
                    Some(directory) => directory,
                    None => root
                        .try_clone_to_owned()
                        .map_err(|error| error.raw_os_error().map_or(Errno::EMFILE, Errno::from_raw))?,
                };
                return Ok(Target { about, place: Some((directory, name)) });
            }
        }
    }
    let about = fstat(way.last().map_or(root, |directory| directory.as_fd()))?;
    Ok(Target { about, place: None })
}

fn put_before(ahead: &mut VecDeque<OsString>, path: &Path) -> Result<(), Errno> {
    for component in path.components().rev() {
        match component {
            Component::CurDir => {}
            Component::Normal(name) => ahead.push_front(name.to_owned()),
            Component::ParentDir => ahead.push_front(OsString::from("..")),
            Component::RootDir | Component::Prefix(_) => return Err(Errno::EXDEV),
        }
    }
    if ahead.len() > NAMES {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read as _;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(tree.path("root/a/b")).unwrap();
            fs::write(tree.path("root/a/b/file"), "inside").unwrap();
            fs::write(tree.path("outside"), "outside").unwrap();
            tree
        }
        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
        fn link(&self, target: impl AsRef<Path>, name: &str) {
            symlink(target, self.path(name)).unwrap();
        }
        fn follow(&self, below: &str) -> Result<Target, Errno> {
            let root = File::open(self.path("root")).unwrap();
            follow(root.as_fd(), &[&self.path("root")], Path::new(below))
        }
        fn read(&self, below: &str) -> Result<String, Errno> {
            let mut text = String::new();
            File::from(self.follow(below)?.open(OFlag::O_RDONLY)?).read_to_string(&mut text).unwrap();
            Ok(text)
        }
    }

    #[test]
    fn links_inside_lead_to_the_file() {
        let tree = Tree::new();
        tree.link("a/b/file", "root/plain");
        tree.link("../../plain", "root/a/b/back");
        tree.link("a/./b/..//b/back", "root/around");
        tree.link(tree.path("root/around"), "root/absolute");
        tree.link("a/b", "root/directory");
        for below in ["a/b/file", "plain", "a/b/back", "around", "absolute", "directory/file", "a/../directory/back"] {
            assert_eq!(tree.read(below).as_deref(), Ok("inside"), "{below}");
        }
        for below in ["", ".", "a", "directory", "a/.."] {
            let found = tree.follow(below).unwrap();
            assert_eq!(SFlag::from_bits_truncate(found.about.st_mode) & SFlag::S_IFMT, SFlag::S_IFDIR, "{below}");
            assert_eq!(found.open(OFlag::O_RDONLY).unwrap_err(), Errno::EISDIR);
        }
        assert_eq!(tree.follow("a/..").unwrap().about.st_ino, fs::metadata(tree.path("root")).unwrap().ino());
    }

    #[test]
    fn nothing_leads_out() {
        let tree = Tree::new();
        tree.link("../outside", "root/up");
        tree.link(tree.path("outside"), "root/absolute");
        tree.link("/proc/self/root", "root/magic");
        tree.link("a/b/../../../root/a/b/file", "root/out-and-in");
        tree.link(tree.path("root/../outside"), "root/by-its-name");
        tree.link(tree.path("root-of-another/file"), "root/alike");
        for below in
            ["..", "up", "a/../../outside", "absolute", "magic/etc", "out-and-in", "by-its-name", "alike", "/etc"]
        {
            assert_eq!(tree.read(below).unwrap_err(), Errno::EXDEV, "{below}");
        }
    }

    #[test]
    fn every_way_has_an_end() {
        let tree = Tree::new();
        tree.link("circle", "root/circle");
        tree.link("a/b/nothing", "root/dead");
        tree.link("a/../".repeat(600) + "a/b/file", "root/long");
        for (below, error) in [
            ("circle", Errno::ELOOP),
            ("dead", Errno::ENOENT),
            ("a/b/file/more", Errno::ENOTDIR),
            ("long", Errno::ENAMETOOLONG),
        ] {
            assert_eq!(tree.read(below).unwrap_err(), error, "{below}");
        }
        let deep = "d/".repeat(LEVELS + 1);
        fs::create_dir_all(tree.path("root").join(&deep)).unwrap();
        tree.link(&deep, "root/deep");
        assert_eq!(tree.read("deep").unwrap_err(), Errno::ENAMETOOLONG);
        for n in 0..LINKS {
            tree.link(if n == 0 { "a/b/file".to_owned() } else { format!("{}", n - 1) }, &format!("root/{n}"));
        }
        assert_eq!(tree.read(&(LINKS - 1).to_string()).as_deref(), Ok("inside"));
        tree.link((LINKS - 1).to_string(), "root/one-more");
        assert_eq!(tree.read("one-more").unwrap_err(), Errno::ELOOP);
    }

    #[test]
    fn what_became_a_link_since_is_not_followed() {
        let tree = Tree::new();
        let found = tree.follow("a/b/file").unwrap();
        fs::remove_file(tree.path("root/a/b/file")).unwrap();
        tree.link(tree.path("outside"), "root/a/b/file");
        assert_eq!(found.open(OFlag::O_RDONLY).unwrap_err(), Errno::ELOOP);
    }
}
