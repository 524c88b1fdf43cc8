//! How far records were forwarded, kept in a file that is replaced whole.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use countersign_shared::digest::Digest;
use serde::{Deserialize, Serialize};

/// Where to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The next record to forward.
    pub next: u64,
    /// The hash of the last one that was: by it the ledger is known again.
    pub last: Option<Digest>,
}

/// Octets of a position, at most.
const MAX: u64 = 1024;

impl Position {
    /// As it was kept; the beginning where it was not, or where what stands there is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(named(path, &error)),
        };
        let mut octets = Vec::new();
        file.take(MAX).read_to_end(&mut octets).map_err(|error| named(path, &error))?;
        Ok(serde_json::from_slice(&octets).unwrap_or_else(|error| {
            tracing::error!("{}: {error}; everything is forwarded anew", path.display());
            Self::default()
        }))
    }

    /// Keeps it, durably.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::Builder::new().prefix(".forward-").tempfile_in(directory)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| named(path, &error.error))?;
        File::open(directory)?.sync_all()
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
