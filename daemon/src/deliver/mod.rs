//! Delivery: the daemon writes a chain where the policy says, and nowhere else.
//!
//! The path is walked one directory at a time, by descriptor: a symlink on the way, or a directory that somebody
//! else could rearrange, is refused. The file is written beside its place and renamed, so that a reader sees the
//! old chain or the new one, whole.

use std::fmt;
use std::fs::Permissions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use countersign_shared::id::CertificateId;
use countersign_shared::text::Untrusted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod directory;
mod place;

use directory::Owner;

/// The mode of a delivered file where the rule names none.
const DEFAULT_MODE: u32 = 0o644;
/// The mode of a delivered key.
const KEY_MODE: u32 = 0o600;
/// What stands for the certificate's identifier in a rule's path.
const PLACEHOLDER: &str = "{certificate}";

/// Where a profile's certificates are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverRule {
    /// An absolute path; `{certificate}` stands for the certificate's identifier. Without it every certificate of
    /// the profile is written to the one path, and the last one stays.
    pub path: String,
    /// `user` or `user:group`, by name; the daemon's own where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Permission bits, at most 0775 (`0o640` in TOML); 0644 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// Why a chain was not delivered; the sentences are safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliverError {
    /// The rule itself is wrong: the policy must change.
    Rule(String),
    /// Something on the way is not as it must be; nothing was written.
    Refused(String),
    /// The system failed; the old file, if any, stands as it was, unless the sentence says otherwise.
    Failed(String),
}

impl fmt::Display for DeliverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(sentence) => write!(f, "the delivery rule is wrong: {sentence}"),
            Self::Refused(sentence) => write!(f, "delivery refused: {sentence}"),
            Self::Failed(sentence) => write!(f, "delivery failed: {sentence}"),
        }
    }
}

impl std::error::Error for DeliverError {}

impl DeliverRule {
    /// Checks what can be checked without a certificate and without the file system.
    pub fn check(&self) -> Result<(), DeliverError> {
        self.components("mc-0")?;
        self.permissions().map(drop)
    }

    /// The same for a file that is of no single certificate.
    pub fn check_file(&self) -> Result<(), DeliverError> {
        if self.path.contains(PLACEHOLDER) {
            return Err(DeliverError::Rule(format!("the path is of no single certificate, and has {PLACEHOLDER}")));
        }
        self.check()
    }

    /// The directories on the way, and the file's name.
    fn components(&self, certificate: &str) -> Result<(Vec<String>, String), DeliverError> {
        let wrong = |why: &str| {
            let path: String = self.path.chars().take(200).collect();
            Err(DeliverError::Rule(format!("the path \"{}\" {why}", Untrusted::new(path).safe())))
        };
        let Some(relative) = self.path.strip_prefix('/') else {
            return wrong("is not absolute");
        };
        if self.path.len() > 1024 || self.path.chars().any(char::is_control) {
            return wrong("is longer than 1024 octets or has control characters");
        }
        if self.path.replace(PLACEHOLDER, "").contains(['{', '}']) {
            return wrong("has a placeholder other than {certificate}");
        }
        let mut names: Vec<String> = relative.split('/').map(|name| name.replace(PLACEHOLDER, certificate)).collect();
        if names.iter().any(|name| matches!(name.as_str(), "" | "." | "..") || name.len() > 255) {
            return wrong("has an empty component, a \".\" or \"..\", or one longer than 255 octets");
        }
        match names.pop() {
            Some(file) => Ok((names, file)),
            None => wrong("names no file"),
        }
    }

    fn permissions(&self) -> Result<u32, DeliverError> {
        let mode = self.mode.unwrap_or(DEFAULT_MODE);
        if mode & !0o775 != 0 || mode & 0o400 == 0 {
            return Err(DeliverError::Rule(format!(
                "the mode {mode:04o} has bits beyond 0775, or its owner may not read"
            )));
        }
        Ok(mode)
    }
}

/// Writes a chain where `rule` says and returns the path.
///
/// Missing directories are not made: who owns them is not for the daemon to guess. Blocks for the time of two
/// `fsync`.
///
/// # Errors
/// See [`DeliverError`]. No temporary file stays behind.
pub fn deliver(rule: &DeliverRule, certificate: &CertificateId, chain_pem: &str) -> Result<PathBuf, DeliverError> {
    write(rule, certificate.as_str(), chain_pem.as_bytes())
}

/// A chain and the key for it, each with where it is written.
pub struct Pair<'a> {
    /// Where the chain goes.
    pub chain: &'a DeliverRule,
    /// PEM, leaf first.
    pub chain_pem: &'a str,
    /// Where the key goes; its mode is 0600, whatever the rule says.
    pub key: &'a DeliverRule,
    /// PKCS#8 in PEM.
    pub key_pem: &'a str,
}

/// Writes a chain and its key, the one with the other or neither, and returns the path of the chain. As [`deliver`].
pub fn deliver_pair(pair: &Pair<'_>, certificate: &CertificateId) -> Result<PathBuf, DeliverError> {
    let (key, chain) = (Target::of(pair.key, certificate)?, Target::of(pair.chain, certificate)?);
    let mode = pair.chain.permissions()?;
    if key.path == chain.path {
        return Err(DeliverError::Rule("the key and the chain have one path".to_owned()));
    }
    key.place(true).remove_left_behind()?;
    let mut key = place::Beside::made(key.place(true), |file| {
        place::fill(file, pair.key_pem.as_bytes(), key.owner.as_ref(), KEY_MODE)
    })?;
    let mut chain_beside = place::Beside::made(chain.place(false), |file| {
        place::fill(file, pair.chain_pem.as_bytes(), chain.owner.as_ref(), mode)
    })?;
    place::place_both(&mut key, &mut chain_beside)?;
    drop(chain_beside);
    Ok(chain.path)
}

/// Where a file goes, the way to it walked.
struct Target {
    directory: OwnedFd,
    file: String,
    path: PathBuf,
    owner: Option<Owner>,
}

impl Target {
    fn of(rule: &DeliverRule, certificate: &CertificateId) -> Result<Self, DeliverError> {
        let (directories, file) = rule.components(certificate.as_str())?;
        let owner = rule.owner.as_deref().map(Owner::look_up).transpose()?;
        let (directory, path) = directory::walk(&directories, owner.as_ref())?;
        let path = path.join(&file);
        place::refuse_special(&directory, &file, &path)?;
        Ok(Self { directory, file, path, owner })
    }

    fn place(&self, is_key: bool) -> place::Place<'_> {
        place::Place { directory: &self.directory, name: &self.file, path: &self.path, is_key }
    }
}

/// Writes what is of no single certificate where `rule` says, unless it stands there already. As [`deliver`].
pub fn publish(rule: &DeliverRule, contents: &[u8]) -> Result<(), DeliverError> {
    rule.check_file()?;
    if std::fs::read(&rule.path).is_ok_and(|found| found == contents) {
        return Ok(());
    }
    write(rule, "", contents).map(drop)
}

fn write(rule: &DeliverRule, certificate: &str, contents: &[u8]) -> Result<PathBuf, DeliverError> {
    let (directories, file) = rule.components(certificate)?;
    let mode = rule.permissions()?;
    let owner = rule.owner.as_deref().map(Owner::look_up).transpose()?;
    let (directory, path) = directory::walk(&directories, owner.as_ref())?;
    let path = path.join(&file);
    place::refuse_special(&directory, &file, &path)?;
    place::place(&directory, &file, &path, |temporary| place::fill(temporary, contents, owner.as_ref(), mode))?;
    Ok(path)
}

/// Makes a directory of the daemon's own (mode 0755), unless it is there.
pub fn open_directory(directory: &Path) -> Result<(), DeliverError> {
    let failed = |error: std::io::Error| DeliverError::Failed(format!("cannot make {}: {error}", shown(directory)));
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(()) => std::fs::set_permissions(directory, Permissions::from_mode(0o755)).map_err(failed),
    }
}

/// Removes what a crash left half written in a directory of the daemon's own, if there is one.
pub fn remove_left_behind(directory: &Path) -> Result<(), DeliverError> {
    match std::fs::symlink_metadata(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        _ => place::remove_left_behind(&directory::own(directory)?, directory),
    }
}

/// Writes a file (mode 0644) into a directory of the daemon's own, whole or not at all, unless it stands there already.
pub fn place_in(directory: &Path, name: &str, contents: &[u8]) -> Result<(), DeliverError> {
    let path = directory.join(name);
    if std::fs::read(&path).is_ok_and(|found| found == contents) {
        return Ok(());
    }
    let opened = directory::own(directory)?;
    place::refuse_special(&opened, name, &path)?;
    place::place(&opened, name, &path, |temporary| place::fill(temporary, contents, None, DEFAULT_MODE))
}

/// A path that may be shown.
fn shown(path: &Path) -> String {
    Untrusted::new(path.to_string_lossy()).safe().to_string()
}

#[cfg(test)]
mod tests;
