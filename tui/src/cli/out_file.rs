//! `--out`: the certificate's file, written whole or not at all, under the caller's own rights.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::failure::Failure;

/// Where a chain goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Standard output.
    Stdout,
    /// This file.
    File(PathBuf),
}

impl Target {
    /// Reads the argument of `--out`: a path, or `-`.
    pub(super) fn parse(raw: &Path) -> Self {
        if raw == Path::new("-") { Self::Stdout } else { Self::File(raw.to_owned()) }
    }

    /// Fails early where the file could not be written later: no such directory, no right, not a plain file.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Stdout => Ok(()),
            Self::File(path) => beside(path).map(drop).map_err(|error| Failure::file("write", path, &error)),
        }
    }
}

/// Replaces the file at `path` by `octets`, mode 0644: a new file in the same directory, made durable, takes
/// the name in one step. A symbolic link or a directory of that name is refused.
pub(super) fn write(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    replace(path, octets).map_err(|error| Failure::file("write", path, &error))
}

/// A file that comes to be: written under another name, and readable by its owner alone. Dropped, it was never there.
#[derive(Debug)]
pub(super) struct NewFile(NamedTempFile);

impl NewFile {
    /// Next to `path`, which it is to replace.
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        beside(path).map(Self)
    }

    /// Makes it durable, and gives it its name in one step.
    pub(super) fn keep(self, path: &Path) -> io::Result<()> {
        self.0.as_file().sync_all()?;
        self.0.persist(path).map_err(|error| error.error)?;
        File::open(directory(path))?.sync_all()
    }
}

impl io::Write for NewFile {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(octets)?;
    // Whatever the umask: a certificate is public, and the server that reads it is another user.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory(path))?.sync_all()
}

/// A new empty file (`O_EXCL`) next to `path`; removed again when it is dropped.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let refused = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    if path.file_name().is_none() {
        return refused("it names no file");
    }
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            return refused("it is a symbolic link; name the file it points to");
        }
        Ok(found) if found.is_dir() => return refused("it is a directory"),
        Ok(found) if !found.is_file() => return refused("it is not a plain file"),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    tempfile::Builder::new().prefix(".countersign-").suffix(".tmp").tempfile_in(directory(path))
}

/// The directory that holds `path`.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn a_file_is_replaced_whole_and_can_be_read_by_others() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("web.crt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(entries(home.path()), 1);
    }

    #[test]
    fn links_directories_and_lost_directories_are_refused_and_nothing_is_left() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        fs::write(&victim, b"precious").unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        let dangling = home.path().join("dangling");
        std::os::unix::fs::symlink(home.path().join("nowhere"), &dangling).unwrap();
        for bad in [link, dangling, home.path().to_owned(), home.path().join("no/such/file"), "/".into()] {
            assert_eq!(Target::parse(&bad).check().unwrap_err().exit_code(), 2, "{bad:?}");
            assert_eq!(write(&bad, b"x").unwrap_err().exit_code(), 2, "{bad:?}");
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(entries(home.path()), 3);
    }

    #[test]
    fn a_check_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        Target::File(home.path().join("web.crt")).check().unwrap();
        assert_eq!(entries(home.path()), 0);
        assert_eq!(Target::parse(Path::new("-")), Target::Stdout);
    }
}
