//! A file of lines, mode 0640, that gets another name when it is full: `ledger.ndjson`, `ledger.ndjson.1`, `.2`, …, the
//! highest the oldest. A reader follows it by its inode. Where somebody else renames or removes it, another one is begun; where
//! somebody cuts it short, what stood in it is written again: lines may have come between the copy and the cut.

use std::fs::{File, OpenOptions, rename, symlink_metadata};
use std::io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};

use super::Forwarded;

const MODE: u32 = 0o640;
/// Octets that are read at a time while the end of the last whole line is looked for.
const STRETCH: u64 = 64 * 1024;
/// The longest line, in octets.
const MAX_LINE: u64 = 256 * 1024;

/// See the module.
pub struct LogFile {
    path: PathBuf,
    rotate_at: u64,
    keep: u32,
    file: File,
    size: u64,
    /// The record of its first line, where it has one.
    first: Option<u64>,
}

impl LogFile {
    /// Opens the file at `path`, or makes it. A line that a crash cut off is taken away: it was not counted as written.
    pub fn open(path: &Path, rotate_at: u64, keep: u32) -> io::Result<Self> {
        let (file, size) = open(path).map_err(|error| named(path, &error))?;
        let size = whole_lines(&file, size).map_err(|error| named(path, &error))?;
        file.set_len(size).map_err(|error| named(path, &error))?;
        let first = first_line(&file).map_err(|error| named(path, &error))?;
        Ok(Self { path: path.to_owned(), rotate_at, keep, file, size, first })
    }

    /// Appends lines, and makes them durable. On an error the file is given up: what was written of them is looked at when
    /// it is opened again.
    ///
    /// Where the file was cut short by somebody else, nothing is written, and the record is returned with which it had begun.
    pub fn write(&mut self, records: &[Forwarded]) -> io::Result<Option<u64>> {
        if let Some(back) = self.settle().map_err(|error| named(&self.path, &error))? {
            return Ok(Some(back));
        }
        let mut octets = Vec::with_capacity(128 * 1024);
        for record in records {
            let line = record.line.get();
            let next = self.size + octets.len() as u64 + line.len() as u64 + 1;
            if next > self.rotate_at && self.size + octets.len() as u64 > 0 {
                self.append(&octets)?;
                octets.clear();
                self.rotate().map_err(|error| named(&self.path, &error))?;
            }
            self.first.get_or_insert(record.seq);
            octets.extend_from_slice(line.as_bytes());
            octets.push(b'\n');
        }
        self.append(&octets).map(|()| None)
    }

    /// Finds out what somebody else did to the file since it was written last.
    fn settle(&mut self) -> io::Result<Option<u64>> {
        let open = self.file.metadata()?;
        let named = match symlink_metadata(&self.path) {
            Ok(found) => Some((found.dev(), found.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if named != Some((open.dev(), open.ino())) {
            tracing::warn!("{} was renamed or removed by somebody else: another is begun", self.path.display());
            *self = Self::open(&self.path, self.rotate_at, self.keep)?;
            return Ok(None);
        }
        let before = std::mem::replace(&mut self.size, open.len());
        if open.len() >= before {
            return Ok(None);
        }
        self.size = whole_lines(&self.file, open.len())?;
        self.file.set_len(self.size)?;
        let first = self.first.take();
        self.first = first_line(&self.file)?;
        Ok(first)
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
        self.first = None;
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

/// The record of the file's first line; none where there is no line of ours.
fn first_line(mut file: &File) -> io::Result<Option<u64>> {
    #[derive(serde::Deserialize)]
    struct Line {
        seq: u64,
    }
    let mut line = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    io::BufReader::new(file).take(MAX_LINE).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice::<Line>(&line).ok().map(|line| line.seq))
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
