//! The authority's directory: all four files or none, closed to everybody else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::text::Untrusted;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use crate::issuer::Serial;

/// The longest file that is read, in octets.
const MAX_FILE: u64 = 64 * 1024;

/// The contents of the four files, PEM each.
pub(super) struct Files {
    pub root_key: String,
    pub root_crt: String,
    pub intermediate_key: String,
    pub intermediate_crt: String,
}

/// A path that may be shown.
pub(super) fn shown(path: &Path) -> String {
    Untrusted::new(path.to_string_lossy()).safe().to_string()
}

fn failed(what: &str, path: &Path, error: &io::Error) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, format!("the local CA: cannot {what} {}: {error}", shown(path)))
}

fn refused(path: &Path, why: &str, hint: &str) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, format!("the local CA: {} {why}", shown(path))).hint(hint)
}

/// True where `dir` does not exist or is an empty directory.
pub(super) fn is_absent(dir: &Path) -> Result<bool, ApiError> {
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(failed("look at", dir, &error)),
        Ok(found) if !found.is_dir() => {
            Err(refused(dir, "is not a directory", "give the CA a directory of its own; symlinks are not followed"))
        }
        Ok(_) => {
            let mut entries = fs::read_dir(dir).map_err(|error| failed("list", dir, &error))?;
            Ok(entries.next().is_none())
        }
    }
}

/// Reads the four files; the root's key is looked at and not read.
pub(super) fn read(dir: &Path) -> Result<Files, ApiError> {
    let found = fs::symlink_metadata(dir).map_err(|error| failed("look at", dir, &error))?;
    closed(dir, found.uid(), found.mode(), "chmod 0700")?;
    open(&dir.join("root.key"), true)?;
    Ok(Files {
        root_key: String::new(),
        root_crt: text(&dir.join("root.crt"), false)?,
        intermediate_key: text(&dir.join("intermediate.key"), true)?,
        intermediate_crt: text(&dir.join("intermediate.crt"), false)?,
    })
}

/// Refuses what another user owns or may open.
fn closed(path: &Path, owner: u32, mode: u32, remedy: &str) -> Result<(), ApiError> {
    let me = geteuid().as_raw();
    if owner != me {
        let why = format!("belongs to uid {owner}; the daemon runs as uid {me}");
        return Err(refused(path, &why, "find out who put it there before anything is issued; then chown it"));
    }
    if mode & 0o077 != 0 {
        let why = format!("is open to others (mode {:04o})", mode & 0o7777);
        return Err(refused(path, &why, &format!("consider the key as known to others; otherwise {remedy} it")));
    }
    Ok(())
}

fn open(path: &Path, secret: bool) -> Result<File, ApiError> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let hint = "restore the directory from a backup, or move it away to make a new CA";
            return Err(refused(path, "is missing", hint));
        }
        Err(error) => return Err(failed("open", path, &error)),
    };
    let found = file.metadata().map_err(|error| failed("look at", path, &error))?;
    if !found.is_file() || found.len() > MAX_FILE {
        return Err(refused(path, "is not a regular file of at most 64 KiB", "restore it from a backup"));
    }
    if secret {
        closed(path, found.uid(), found.mode(), "chmod 0600")?;
    }
    Ok(file)
}

fn text(path: &Path, secret: bool) -> Result<String, ApiError> {
    let mut text = String::new();
    let file = open(path, secret)?;
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|error| failed("read", path, &error))?;
    Ok(text)
}

/// Writes the files beside `dir` and renames them there; a crash leaves `dir` absent or whole.
pub(super) fn write(dir: &Path, files: &Files) -> Result<(), ApiError> {
    let no_place = || refused(dir, "has no place beside it", "give the CA a directory with a name and a parent");
    let name = dir.file_name().and_then(|name| name.to_str()).ok_or_else(no_place)?;
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(no_place()),
    };
    let prefix = format!(".{name}.new-");
    remove_unfinished(parent, &prefix)?;
    let serial = Serial::random().map_err(|_| ApiError::internal("the system has no randomness"))?;
    let scratch = parent.join(format!("{prefix}{serial}"));
    let written = fill(&scratch, files).and_then(|()| {
        fs::rename(&scratch, dir).map_err(|error| failed("make", dir, &error))?;
        sync(parent)
    });
    if written.is_err() && scratch.exists() {
        // The first error is the one to tell; what stays behind is removed at the next start.
        let _ = fs::remove_dir_all(&scratch);
    }
    written
}

fn fill(scratch: &Path, files: &Files) -> Result<(), ApiError> {
    DirBuilder::new().mode(0o700).create(scratch).map_err(|error| failed("make", scratch, &error))?;
    for (name, text, mode) in [
        ("root.key", &files.root_key, 0o600),
        ("root.crt", &files.root_crt, 0o644),
        ("intermediate.key", &files.intermediate_key, 0o600),
        ("intermediate.crt", &files.intermediate_crt, 0o644),
    ] {
        let path = scratch.join(name);
        let flags = OFlag::O_NOFOLLOW.bits();
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .custom_flags(flags)
            .open(&path)
            .map_err(|error| failed("make", &path, &error))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.map_err(|error| failed("write", &path, &error))?;
    }
    sync(scratch)
}

fn sync(dir: &Path) -> Result<(), ApiError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed("sync", dir, &error))
}

/// Removes what a crash in the middle of an earlier first start left; its keys have signed nothing but each other.
fn remove_unfinished(parent: &Path, prefix: &str) -> Result<(), ApiError> {
    let entries = fs::read_dir(parent).map_err(|error| failed("list", parent, &error))?;
    let mut unfinished: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("list", parent, &error))?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            unfinished.push(entry.path());
        }
    }
    for path in unfinished {
        fs::remove_dir_all(&path).map_err(|error| failed("remove the unfinished", &path, &error))?;
    }
    Ok(())
}
