//! What a witness has seen: one file for each ledger, replaced whole and made durable before anything is signed, under a lock
//! that keeps two of them from judging by the same head.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use countersign_proof::note::VerifierKey;
use countersign_proof::request::Continuation;
use countersign_proof::witness::Head;
use countersign_shared::digest::Digest;
use nix::fcntl::{Flock, FlockArg};

use crate::cli::failure::Failure;

/// The first line of a file.
const FORMAT: &str = "countersign-witness v1";

/// What is known of one ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its origin.
    pub origin: String,
    /// What was seen last.
    pub head: Head,
    /// The keys that may sign its checkpoints.
    pub keys: Vec<VerifierKey>,
}

/// The directory, held for as long as this lives.
pub(super) struct Seen {
    directory: PathBuf,
    _lock: Flock<File>,
}

impl Seen {
    /// Makes the directory where it is missing (0700), checks that nobody else can write in it, and waits for its lock.
    pub(super) fn hold(directory: &Path) -> Result<Self, Failure> {
        let refuse = |error: &dyn std::fmt::Display| Failure::file("use the directory", directory, error);
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refuse(&error)),
            _ => {}
        }
        let found = std::fs::symlink_metadata(directory).map_err(|error| refuse(&error))?;
        if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(refuse(&"it is not a directory of your own"));
        }
        if found.mode() & 0o022 != 0 {
            return Err(refuse(&"others can write in it: chmod 0700"));
        }
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nix::libc::O_NOFOLLOW)
            .open(directory.join("lock"))
            .map_err(|error| refuse(&error))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| refuse(&errno))?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// What is known of the ledger with this origin; nothing, where nothing was seen.
    ///
    /// # Errors
    /// A file that cannot be read as one: never taken for nothing, or a rollback would pass.
    pub(super) fn read(&self, origin: &str) -> Result<Option<Known>, Failure> {
        let path = self.path(origin, "seen");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::file("read", &path, &error)),
        };
        let known = parse(&text).filter(|known| known.origin == origin);
        known.map(Some).ok_or_else(|| {
            Failure::file("use", &path, &"it is not what a witness wrote")
                .hint("restore it; without it, what the ledger was before is not known here any more")
        })
    }

    /// Keeps what is known from now on. Durable when this returns.
    pub(super) fn write(&self, known: &Known) -> Result<(), Failure> {
        let Known { origin, head, keys } = known;
        let mut text = format!("{FORMAT}\n{origin}\n{}\n{}\n", head.size, head.root);
        for key in keys {
            text.push_str(&format!("{key}\n"));
        }
        let path = self.path(origin, "seen");
        self.replace(&path, text.as_bytes()).map_err(|error| Failure::file("write", &path, &error))
    }

    /// Keeps what the ledger cannot have signed honestly; says where.
    pub(super) fn keep_evidence(&self, origin: &str, offered: &Continuation) -> Result<PathBuf, Failure> {
        let checkpoint = offered.signed.checkpoint();
        let root = checkpoint.root().to_string();
        let path = self.path(origin, &format!("fork-{}-{}", checkpoint.size(), &root[..16]));
        self.replace(&path, offered.to_string().as_bytes()).map_err(|error| Failure::file("write", &path, &error))?;
        Ok(path)
    }

    fn replace(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory)?;
        file.write_all(octets)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(&self.directory)?.sync_all()
    }

    /// An origin is no file name: its hash is.
    fn path(&self, origin: &str, kind: &str) -> PathBuf {
        let hash = Digest::of(&[origin.as_bytes()]).to_string();
        self.directory.join(format!("{}.{kind}", &hash[..32]))
    }
}

fn parse(text: &str) -> Option<Known> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next()? != FORMAT {
        return None;
    }
    let origin = lines.next()?.to_owned();
    let head = Head { size: lines.next()?.parse().ok()?, root: lines.next()?.parse().ok()? };
    let keys = lines.map(|line| line.parse().ok()).collect::<Option<Vec<VerifierKey>>>()?;
    Some(Known { origin, head, keys })
}
