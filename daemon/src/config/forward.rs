//! `[forward]` of `countersign.toml`: where records are forwarded to as they commit.

use std::path::{Component, PathBuf};

use countersign_shared::text::Untrusted;
use serde::{Deserialize, Deserializer, de};

/// The smallest size at which a file is rotated: 1 MiB, so that it holds some hundreds of the longest records.
const SMALLEST: u64 = 1024 * 1024;

/// Where records are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "to", rename_all = "lowercase", deny_unknown_fields)]
pub enum ForwardSettings {
    /// Into a file, a line each, mode 0640.
    File {
        /// Absolute.
        #[serde(deserialize_with = "path")]
        path: PathBuf,
        /// Octets at which the file gets another name and a new one begins: 64 MiB where it is left out.
        #[serde(default = "rotate_at", deserialize_with = "size")]
        rotate_at: u64,
        /// Files that are kept beside the one that is written: 8 where it is left out, 1 to 999.
        #[serde(default = "keep", deserialize_with = "number")]
        keep: u32,
    },
    /// To the journal, an entry each.
    Journal {
        /// Its socket.
        #[serde(default = "socket", deserialize_with = "path")]
        socket: PathBuf,
    },
}

fn rotate_at() -> u64 {
    64 * SMALLEST
}

fn keep() -> u32 {
    8
}

fn socket() -> PathBuf {
    "/run/systemd/journal/socket".into()
}

fn refused<E: de::Error>(key: &str, value: &str, why: &str) -> E {
    E::custom(format!("forward.{key}: `{}`: {why}", Untrusted::from(value).safe()))
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let raw = String::deserialize(deserializer)?;
    let path = PathBuf::from(&raw);
    let plain = path.is_absolute()
        && path.file_name().is_some()
        && !raw.contains('\0')
        && !path.components().any(|part| part == Component::ParentDir);
    if plain { Ok(path) } else { Err(refused("path", &raw, "an absolute path of a file without `..` is needed")) }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(deserializer)?;
    if size >= SMALLEST { Ok(size) } else { Err(refused("rotate_at", &size.to_string(), "1048576 octets at least")) }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let keep = u32::deserialize(deserializer)?;
    if (1..=999).contains(&keep) { Ok(keep) } else { Err(refused("keep", &keep.to_string(), "1 to 999")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ForwardSettings, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn every_key_is_read() {
        let file = ForwardSettings::File { path: "/var/log/c/l".into(), rotate_at: 67_108_864, keep: 8 };
        assert_eq!(read("to = \"file\"\npath = \"/var/log/c/l\""), Ok(file));
        let file = ForwardSettings::File { path: "/l".into(), rotate_at: 1_048_576, keep: 1 };
        assert_eq!(read("to = \"file\"\npath = \"/l\"\nrotate_at = 1048576\nkeep = 1"), Ok(file));
        assert_eq!(read("to = \"journal\""), Ok(ForwardSettings::Journal { socket: socket() }));
    }

    #[test]
    fn wrong_values_are_refused_with_their_field() {
        for (text, word) in [
            ("", "`to`"),
            ("to = \"mail\"", "`mail`"),
            ("to = \"file\"", "`path`"),
            ("to = \"file\"\npath = \"l\"", "forward.path"),
            ("to = \"file\"\npath = \"/a/../l\"", "forward.path"),
            ("to = \"file\"\npath = \"/\"", "forward.path"),
            ("to = \"file\"\npath = \"/l\"\nrotate_at = 5", "forward.rotate_at"),
            ("to = \"file\"\npath = \"/l\"\nkeep = 0", "forward.keep"),
            ("to = \"file\"\npath = \"/l\"\nrotate = 5", "`rotate`"),
            ("to = \"journal\"\npath = \"/l\"", "`path`"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(word), "{text}: {refused}");
        }
    }
}
