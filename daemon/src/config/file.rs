//! `countersign.toml`.

use std::path::{Path, PathBuf};

use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use serde::Deserialize;

use crate::notify::NotifySettings;

use super::{CheckpointSettings, ConfigError, ForwardSettings, InventorySettings, LogLevel, SocketMode};

/// The keys of `countersign.toml`. All may be left out; an unknown one is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) policy: Option<PathBuf>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) socket: Option<PathBuf>,
    pub(super) socket_mode: Option<SocketMode>,
    pub(super) socket_group: Option<String>,
    pub(super) demo: Option<bool>,
    pub(super) log_level: Option<LogLevel>,
    pub(super) notify: Option<NotifySettings>,
    pub(super) inventory: Option<InventorySettings>,
    pub(super) checkpoint: Option<CheckpointSettings>,
    pub(super) forward: Option<ForwardSettings>,
}

/// What of a file takes force without a restart.
#[derive(Clone, Debug)]
pub struct Reread {
    /// SHA-256 of its octets.
    pub sha256: Digest,
    /// The channels.
    pub notify: NotifySettings,
    /// What is looked at.
    pub inventory: InventorySettings,
}

/// Reads a file again.
///
/// # Errors
/// As at boot: the file, the line and the key. Nothing of it takes force then.
pub fn reread(path: &Path) -> Result<Reread, ConfigError> {
    let (file, sha256) = ConfigFile::read(path)?;
    let (notify, inventory) = (file.notify.unwrap_or_default(), file.inventory.unwrap_or_default());
    Ok(Reread { sha256, notify, inventory })
}

/// The largest configuration file: 1 MiB.
const MAX_FILE: u64 = 1024 * 1024;

impl ConfigFile {
    /// Reads a file; with the digest of its octets, which the ledger records.
    pub(super) fn read(path: &Path) -> Result<(Self, Digest), ConfigError> {
        use std::io::Read;
        let failed = |error: std::io::Error| ConfigError(format!("{}: {error}", path.display()));
        let mut octets = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_FILE + 1).read_to_end(&mut octets).map_err(failed)?;
        if octets.len() as u64 > MAX_FILE {
            return Err(ConfigError(format!("{}: larger than {MAX_FILE} octets", path.display())));
        }
        let digest = Digest::of(&[&octets]);
        let text = std::str::from_utf8(&octets)
            .map_err(|error| ConfigError(format!("{}: not UTF-8 at octet {}", path.display(), error.valid_up_to())))?;
        let parsed = Self::parse(text).map_err(|problem| ConfigError(format!("{}: {problem}", path.display())))?;
        Ok((parsed, digest))
    }

    /// Reads the text; the error names line and key.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start).min(text.len());
            let before = text.as_bytes().get(..start).unwrap_or_default();
            let number = before.iter().filter(|octet| **octet == b'\n').count() + 1;
            let key =
                text.lines().nth(number - 1).and_then(|line| line.split_once('=')).map_or("", |(key, _)| key.trim());
            let message = Untrusted::from(error.message());
            if key.is_empty() {
                format!("line {number}: {}", message.safe())
            } else {
                format!("line {number}: key `{}`: {}", Untrusted::from(key).safe(), message.safe())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_and_none_is_needed() {
        assert_eq!(ConfigFile::parse("").unwrap(), ConfigFile::default());
        let whole = ConfigFile::parse(
            "policy = \"/p\"\nstate_dir = \"/s\"\nsocket = \"/k\"\nsocket_mode = \"0666\"\nsocket_group = \"pki\"\ndemo = false\nlog_level = \"debug\"\n",
        );
        let expected = ConfigFile {
            policy: Some("/p".into()),
            state_dir: Some("/s".into()),
            socket: Some("/k".into()),
            socket_mode: "0666".parse().ok(),
            socket_group: Some("pki".into()),
            demo: Some(false),
            log_level: "debug".parse().ok(),
            notify: None,
            inventory: None,
            checkpoint: None,
            forward: None,
        };
        assert_eq!(whole.unwrap(), expected);
    }

    #[test]
    fn errors_name_line_and_key() {
        for (text, words) in [
            ("\n\nsokcet = \"/s\"\n", &["line 3", "`sokcet`", "unknown field", "socket_mode"][..]),
            ("socket = 5\n", &["line 1", "`socket`", "invalid type"]),
            ("# c\nsocket_mode = 660\n", &["line 2", "`socket_mode`", "expected a string"]),
            ("socket_mode = \"0888\"\n", &["line 1", "`socket_mode`", "octal"]),
            ("demo = \"yes\"\n", &["line 1", "`demo`", "expected a boolean"]),
            ("log_level = \"loud\"\n", &["line 1", "`log_level`", "none of error"]),
            ("socket = \"/a\"\nsocket = \"/b\"\n", &["line 2", "duplicate key"]),
            ("socket = \n", &["line 1"]),
            ("[socket]\n", &["line 1"]),
            ("\"\\u001b[2J\" = 1\n", &["line 1", "unknown field"]),
        ] {
            let refused = ConfigFile::parse(text).unwrap_err();
            for word in words {
                assert!(refused.contains(word), "{text}: {refused}");
            }
            assert!(!refused.contains(['\n', '\u{1b}']), "{refused:?}");
        }
    }

    #[test]
    fn the_digest_is_of_the_octets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "").unwrap();
        assert_eq!(ConfigFile::read(&path).unwrap().1, Digest::of(&[]));
        std::fs::write(&path, "# x\n").unwrap();
        assert_eq!(ConfigFile::read(&path).unwrap().1, Digest::of(&[b"# x\n"]));
        std::fs::write(&path, b"\xff").unwrap();
        assert!(ConfigFile::read(&path).unwrap_err().to_string().contains("not UTF-8"));
        std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
        assert!(ConfigFile::read(&path).unwrap_err().to_string().contains("larger than"));
        assert!(ConfigFile::read(dir.path()).is_err());
    }
}
