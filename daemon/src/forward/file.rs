//! A file of lines, mode 0640, that gets another name when it is full: `ledger.ndjson`, `ledger.ndjson.1`, `.2`, …, the
//! highest the oldest. A reader follows it by its inode.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};

use super::Forwarded;

const MODE: u32 = 0o640;
/// Octets that are read at a time while the end of the last whole line is looked for.
const STRETCH: u64 = 64 * 1024;

/// See the module.
pub struct LogFile {
    path: PathBuf,
    rotate_at: u64,
    keep: u32,
    file: File,
    size: u64,
}

impl LogFile {
    /// Opens the file at `path`, or makes it. A line that a crash cut off is taken away: it was not counted as written.
    pub fn open(path: &Path, rotate_at: u64, keep: u32) -> io::Result<Self> {
        let (file, size) = open(path).map_err(|error| named(path, &error))?;
        let size = whole_lines(&file, size).map_err(|error| named(path, &error))?;
        file.set_len(size).map_err(|error| named(path, &error))?;
        Ok(Self { path: path.to_owned(), rotate_at, keep, file, size })
    }

    /// Appends lines, and makes them durable. On an error the file is given up: what was written of them is looked at when
    /// it is opened again.
    pub fn write(&mut self, records: &[Forwarded]) -> io::Result<()> {
        let mut octets = Vec::with_capacity(128 * 1024);
        for record in records {
            let line = record.line.get();
            let next = self.size + octets.len() as u64 + line.len() as u64 + 1;
            if next > self.rotate_at && self.size + octets.len() as u64 > 0 {
                self.append(&octets)?;
                octets.clear();
                self.rotate().map_err(|error| named(&self.path, &error))?;
            }
            octets.extend_from_slice(line.as_bytes());
            octets.push(b'\n');
        }
        self.append(&octets)
    }

    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(octets).and_then(|()| self.file.sync_data());
        written.map_err(|error| named(&self.path, &error))?;
        self.size += octets.len() as u64;
        Ok(())
    }

    /// The oldest goes; each other gets the next number.
    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.keep).rev() {
            match rename(numbered(number), numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        rename(&self.path, numbered(1))?;
        (self.file, self.size) = open(&self.path)?;
        if let Some(directory) = self.path.parent() {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        .open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file"));
    }
    // Whatever the umask: those whom the directory's group lets in read it.
    file.set_permissions(PermissionsExt::from_mode(MODE))?;
    Ok((file, found.len()))
}

/// How much of the file is whole lines.
fn whole_lines(mut file: &File, size: u64) -> io::Result<u64> {
    let mut end = size;
    let mut octets = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(STRETCH);
        octets.clear();
        file.seek(SeekFrom::Start(begin))?;
        file.take(end - begin).read_to_end(&mut octets)?;
        if let Some(at) = octets.iter().rposition(|octet| *octet == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
