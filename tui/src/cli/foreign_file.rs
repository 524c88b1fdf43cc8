//! Files that came from another host: read as far as they may be long.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use countersign_shared::text::Untrusted;

use super::failure::Failure;

/// The largest file with checkpoints or proofs: 4 MiB.
const MOST: u64 = 4 * 1024 * 1024;

/// The octets of a file; of standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let read = if path == Path::new("-") { bounded(io::stdin().lock()) } else { File::open(path).and_then(bounded) };
    read.map_err(|error| Failure::file("read", path, &error))
}

fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    source.take(MOST + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {MOST} octets")));
    }
    Ok(octets)
}

/// A name from such a file, fit to be shown.
pub(super) fn shown(name: &str) -> String {
    Untrusted::from(name).safe().to_string()
}
