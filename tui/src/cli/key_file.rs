//! The file of a new private key: made once, for its owner alone, and never in place of another.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::out_file::directory;

/// A key file that this process made.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    /// Device and inode: another file that took the name since is not ours to remove.
    identity: (u64, u64),
}

impl KeyFile {
    /// Makes the file with mode 0600 and writes it durably; refuses a name that is taken, a symbolic link too.
    pub(super) fn create(path: &Path, pem: &str) -> Result<Self, Failure> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    Failure::file("make the key file", path, &"there is a file of that name already")
                        .hint("a key file is never overwritten; name another, or send its CSR with --csr")
                }
                _ => Failure::file("make the key file", path, &error),
            })?;
        let made = fill(&mut file, path, pem);
        let metadata = file.metadata().map_err(|error| Failure::file("look at", path, &error))?;
        let made_file = Self { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) };
        match made {
            Ok(()) => Ok(made_file),
            Err(error) => {
                made_file.remove()?;
                Err(Failure::file("write the key file", path, &error))
            }
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it: for a request that certainly was not made.
    pub(super) fn remove(self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::file("remove the key file", &self.path, &error);
        let found = fs::symlink_metadata(&self.path).map_err(failed)?;
        if (found.dev(), found.ino()) != self.identity {
            return Err(failed(io::Error::other("another file has taken its name")));
        }
        fs::remove_file(&self.path).map_err(failed)
    }
}

fn fill(file: &mut File, path: &Path, pem: &str) -> io::Result<()> {
    // The mode given at the opening passes through the umask.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()?;
    File::open(directory(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_owner_alone_and_never_overwrites() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("web.key");
        let made = KeyFile::create(&path, "secret").unwrap();
        assert_eq!(fs::metadata(made.path()).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(KeyFile::create(&path, "other").unwrap_err().exit_code(), 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), "secret");
        made.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_link_is_not_followed_and_a_foreign_file_is_not_removed() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path().join("elsewhere"), &link).unwrap();
        assert!(KeyFile::create(&link, "secret").is_err());
        assert!(!home.path().join("elsewhere").exists());

        let path = home.path().join("web.key");
        let made = KeyFile::create(&path, "secret").unwrap();
        // The first file lives on under another name, so that its inode is not given out again.
        fs::rename(&path, home.path().join("moved")).unwrap();
        fs::write(&path, "foreign").unwrap();
        assert!(made.remove().is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "foreign");
    }
}
