//! The password of keystores, from a file.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::failure::Failure;

/// The longest password, in octets.
const MAX_SIZE: u64 = 1024;

/// Reads it: the text without one line break at its end. Whoever else may read the file is a reason to refuse it.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::file("read the password file", path, error);
    let file = File::open(path).map_err(|error| failed(&error))?;
    let metadata = file.metadata().map_err(|error| failed(&error))?;
    if metadata.is_file() && metadata.mode() & 0o007 != 0 {
        return Err(failed(&"others may use it").hint("set its mode to 0600"));
    }
    let mut text = String::new();
    file.take(MAX_SIZE + 2).read_to_string(&mut text).map_err(|error| failed(&error))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.len() as u64 > MAX_SIZE {
        return Err(failed(&format!("it has more than {MAX_SIZE} octets")));
    }
    Ok(text.to_owned())
}
