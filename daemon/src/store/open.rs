//! Opening the state directory: ours, ours alone, and locked.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// Why the state cannot be opened. None of these is damage of the ledger: the daemon refuses to start.
#[derive(Debug)]
pub enum OpenError {
    /// The state directory is not a directory of our own.
    Directory {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another daemon holds the lock.
    Locked(PathBuf),
    /// The database belongs to another program.
    Foreign,
    /// The database was made by a newer version.
    Newer {
        /// The version found.
        found: i64,
        /// The newest known.
        known: i64,
    },
    /// SQLite did not take a setting.
    Setting {
        /// Which.
        name: &'static str,
        /// What was asked for.
        wanted: String,
        /// What it is.
        found: String,
    },
    /// A migration left references to nothing.
    References(i64),
    /// SQLite's own word.
    Sqlite(rusqlite::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path, why } => write!(f, "the state directory {}: {why}", path.display()),
            Self::Locked(path) => {
                write!(f, "another countersignd holds {}; one daemon serves one state directory", path.display())
            }
            Self::Foreign => {
                f.write_str("countersign.db in the state directory belongs to another program; it is left untouched")
            }
            Self::Newer { found, known } => {
                write!(
                    f,
                    "the database has schema {found}, this version knows up to {known}: install the newer version again"
                )
            }
            Self::Setting { name, wanted, found } => write!(f, "SQLite kept {name} at {found}, {wanted} is required"),
            Self::References(count) => write!(f, "the migration left {count} broken references; it was rolled back"),
            Self::Sqlite(error) => write!(f, "SQLite: {error}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl OpenError {
    /// True where the file itself is broken: the daemon starts all the same, read-only.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Sqlite(error) if is_corruption(error))
    }
}

/// True for an error that says the file is not what it was.
pub fn is_corruption(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
}

/// The state directory, held for as long as this lives.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl StateDir {
    /// Makes the directory where it is missing (0700), checks that it is ours, and locks it.
    pub fn hold(path: &Path) -> Result<Self, OpenError> {
        let refuse = |why: String| OpenError::Directory { path: path.to_owned(), why };
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refuse(format!("it cannot be made: {error}"))),
        }
        let found = std::fs::symlink_metadata(path).map_err(|error| refuse(error.to_string()))?;
        if !found.is_dir() {
            return Err(refuse("it is not a directory (symbolic links are not followed)".into()));
        }
        let own = nix::unistd::geteuid().as_raw();
        if found.uid() != own {
            return Err(refuse(format!("it belongs to uid {}, the daemon runs as {own}", found.uid())));
        }
        if found.mode() & 0o022 != 0 {
            return Err(refuse(format!("others may write in it (mode {:04o}): chmod 0700", found.mode() & 0o7777)));
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_CLOEXEC)
            .open(path.join("lock"))
            .map_err(|error| refuse(format!("its lock file cannot be opened: {error}")))?;
        match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(OpenError::Locked(path.to_owned())),
            Err((_, errno)) => Err(refuse(format!("it cannot be locked: {errno}"))),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        self.path.join("countersign.db")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_daemon_a_directory_and_only_our_own() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state");
        let held = StateDir::hold(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(matches!(StateDir::hold(&path), Err(OpenError::Locked(_))));
        drop(held);
        StateDir::hold(&path).unwrap();

        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        assert!(StateDir::hold(&path).unwrap_err().to_string().contains("chmod 0700"));
        let link = temp.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(StateDir::hold(&link).unwrap_err().to_string().contains("not a directory"));
        let file = temp.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(StateDir::hold(&file).unwrap_err().to_string().contains("not a directory"));
        assert!(StateDir::hold(&temp.path().join("a/b")).unwrap_err().to_string().contains("cannot be made"));
    }
}
