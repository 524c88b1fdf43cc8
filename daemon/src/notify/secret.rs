//! Secrets of the channels: where they are read from, and that they are shown nowhere.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use countersign_shared::text::Untrusted;
use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::systemd;

/// The longest secret, in octets: 4 KiB.
pub const MAX_SECRET: usize = 4 * 1024;

/// Where a secret stands: `credential:NAME` (systemd's `LoadCredential=`) or `file:/absolute/path`. A value of the
/// configuration file is never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretSource {
    /// A credential of the unit.
    Credential(String),
    /// A regular file of the daemon's user or of root that nobody else may open.
    File(PathBuf),
}

impl TryFrom<String> for SecretSource {
    type Error = &'static str;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        match raw.split_once(':') {
            Some(("credential", name)) if !name.is_empty() => Ok(Self::Credential(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::File(path.into())),
            // What stands there may be the secret: it is not repeated.
            _ => Err("a secret is named by `credential:NAME` or `file:/absolute/path`, and never written here"),
        }
    }
}

impl SecretSource {
    /// Reads it: one line of visible ASCII; a line feed at its end is left out.
    ///
    /// # Errors
    /// It is not there, may be opened by others, is too long, or is no such line. The sentence names the place.
    pub fn read(&self) -> Result<Secret, String> {
        self.octets().and_then(Secret::of_octets).map_err(|why| format!("the secret {self}: {why}"))
    }

    /// Reads the octets of a secret that is no line, as a private key.
    ///
    /// # Errors
    /// It is not there, may be opened by others, or is too long. The sentence names the place.
    pub fn read_octets(&self) -> Result<Zeroizing<Vec<u8>>, String> {
        let octets = self.octets().map(Zeroizing::new).map_err(|why| format!("the secret {self}: {why}"))?;
        if octets.len() > MAX_SECRET {
            return Err(format!("the secret {self}: is longer than {MAX_SECRET} octets"));
        }
        Ok(octets)
    }

    fn octets(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Credential(name) => systemd::credential(name)
                .map_err(|error| error.to_string())
                .and_then(|found| found.ok_or_else(|| "the unit has no such credential (LoadCredential=)".to_owned())),
            Self::File(path) => closed_file(path),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential:{}", Untrusted::from(name.as_str()).safe()),
            Self::File(path) => write!(f, "file:{}", Untrusted::new(path.to_string_lossy()).safe()),
        }
    }
}

fn closed_file(path: &Path) -> Result<Vec<u8>, String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    let file = opened.map_err(|error| format!("{error}; symlinks are not followed"))?;
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if found.uid() != geteuid().as_raw() && found.uid() != 0 {
        return Err(format!("belongs to uid {}; chown it to the daemon's user", found.uid()));
    }
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o7777;
        return Err(format!("is open to others (mode {mode:04o}); replace the secret, then chmod 0600"));
    }
    let mut octets = Vec::new();
    file.take(MAX_SECRET as u64 + 1).read_to_end(&mut octets).map_err(|error| error.to_string())?;
    Ok(octets)
}

/// A secret. It has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    fn of_octets(octets: Vec<u8>) -> Result<Self, String> {
        let text = String::from_utf8(octets).map_err(|_| "is not ASCII".to_owned())?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.len() > MAX_SECRET {
            return Err(format!("is longer than {MAX_SECRET} octets"));
        }
        if text.is_empty() || !text.bytes().all(|octet| (0x20..0x7f).contains(&octet)) {
            return Err("is not one line of visible ASCII".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret, for the one place that sends it or computes with it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the secret in it: an answer may repeat what it was sent.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "[secret]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
impl From<&str> for Secret {
    fn from(raw: &str) -> Self {
        Self(raw.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_secret_in_the_configuration_is_refused_and_not_repeated() {
        for bad in ["hunter2", "credential:", "file:relative", "env:X", ""] {
            let refused = SecretSource::try_from(bad.to_owned()).unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        let parsed: Result<SecretSource, _> = serde_json::from_str("\"hunter2\"");
        assert!(!parsed.unwrap_err().to_string().contains("hunter2"));
        assert_eq!(SecretSource::try_from("credential:smtp".to_owned()).unwrap().to_string(), "credential:smtp");
    }

    #[test]
    fn only_a_closed_regular_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| SecretSource::File(dir.path().join(name));
        let write = |name: &str, octets: &[u8], mode: u32| {
            let path = dir.path().join(name);
            fs::write(&path, octets).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        write("good", b"s3cret with spaces\n", 0o600);
        let secret = place("good").read().unwrap();
        assert_eq!(secret.reveal(), "s3cret with spaces");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.redact("535 <s3cret with spaces>"), "535 <[secret]>");

        write("open", b"s3cret", 0o640);
        write("empty", b"\n", 0o600);
        write("two", b"s3cret\r\nBcc: x", 0o600);
        write("long", &[b's'; MAX_SECRET + 1], 0o600);
        write("binary", b"s3cret\xff", 0o600);
        symlink(dir.path().join("good"), dir.path().join("link")).unwrap();
        for (name, why) in [
            ("open", "open to others"),
            ("empty", "one line"),
            ("two", "one line"),
            ("long", "longer"),
            ("binary", "not ASCII"),
            ("link", "symlinks"),
            ("none", "No such file"),
            (".", "not a regular file"),
        ] {
            let refused = place(name).read().unwrap_err();
            assert!(refused.contains(why) && !refused.contains("s3cret"), "{name}: {refused}");
        }
    }
}
