//! Passwords of keystores, each in a file of its own that is read when it is needed.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// The largest password file, in octets.
const MAX_SIZE: u64 = 4096;
/// What others may not do with a password file, and what its group may not: anything, and write.
const FORBIDDEN: u32 = 0o027;

/// Which password file belongs to which keystore, both by absolute path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordFiles(pub BTreeMap<PathBuf, PathBuf>);

impl PasswordFiles {
    /// The password for a keystore, if there is one: the file's text without one final line break.
    ///
    /// The error is a sentence about the password file, never its contents.
    pub fn password_of(&self, keystore: &Path) -> Result<Option<String>, String> {
        self.0.get(keystore).map(|file| read(file)).transpose()
    }
}

fn read(path: &Path) -> Result<String, String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let failed = |error: std::io::Error| match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => "it cannot be read".to_owned(),
    };
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.mode() & FORBIDDEN != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(format!("others may use it (mode {mode:04o}); set the mode to 0600 or 0640"));
    }
    let mut octets = Vec::new();
    file.take(MAX_SIZE + 1).read_to_end(&mut octets).map_err(failed)?;
    if octets.len() as u64 > MAX_SIZE {
        return Err(format!("it has more than {MAX_SIZE} octets"));
    }
    let text = String::from_utf8(octets).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
