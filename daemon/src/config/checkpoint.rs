//! `[checkpoint]` of `countersign.toml`: which key signs checkpoints of the ledger, how often, and who cosigns them.

use std::path::{Component, PathBuf};

use countersign_proof::note::{Algorithm, KeyName, VerifierKey};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;
use serde::{Deserialize, Deserializer, de};

use crate::notify::secret::SecretSource;
use crate::policy::Channel;

const SHORTEST: Span = Span::from_secs(60);
const LONGEST: Span = Span::from_secs(30 * 86_400);
const HOURLY: Span = Span::from_secs(3600);
const DAILY: Span = Span::from_secs(86_400);
/// The most addresses.
const MAX_ADDRESSES: usize = 20;
/// The most witnesses: a note has 32 signatures, two of them the ledger's.
const MAX_WITNESSES: usize = 30;

/// How checkpoints are made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSettings {
    /// The private key (Ed25519, PKCS #8); the one of the state directory, made at the first start, when left out.
    pub key: Option<SecretSource>,
    /// The key that was in use before: as long as it is given, it signs as well.
    pub previous_key: Option<SecretSource>,
    /// The name of the ledger in its checkpoints; the installation's id when left out. Fixed from the first start on.
    #[serde(deserialize_with = "origin")]
    pub origin: Option<KeyName>,
    /// From one checkpoint to the next, while records are added; `1m` to `30d`.
    #[serde(deserialize_with = "every")]
    pub every: Span,
    /// The verifier keys of the witnesses whose cosignatures are kept.
    #[serde(deserialize_with = "witnesses")]
    pub witnesses: Vec<VerifierKey>,
    /// A directory that gets a file for each size; absolute.
    #[serde(deserialize_with = "path")]
    pub directory: Option<PathBuf>,
    /// The socket of a syslog that gets each (RFC 5424), as `/dev/log`; absolute.
    #[serde(deserialize_with = "path")]
    pub syslog: Option<PathBuf>,
    /// The journal's own socket, as `/run/systemd/journal/socket`; absolute.
    #[serde(deserialize_with = "path")]
    pub journal: Option<PathBuf>,
    /// The channels of `[notify]` that carry them.
    #[serde(deserialize_with = "channels")]
    pub channels: Vec<Channel>,
    /// Whom `Email` goes to; those of `[notify.email] to` where it is left out.
    #[serde(deserialize_with = "addresses")]
    pub to: Vec<Untrusted>,
    /// From one message on the channels to the next, while records are added; `1m` to `30d`.
    #[serde(deserialize_with = "every")]
    pub channels_every: Span,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self {
            key: None,
            previous_key: None,
            origin: None,
            every: HOURLY,
            witnesses: Vec::new(),
            directory: None,
            syslog: None,
            journal: None,
            channels: Vec::new(),
            to: Vec::new(),
            channels_every: DAILY,
        }
    }
}

fn origin<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KeyName>, D::Error> {
    let raw = String::deserialize(deserializer)?;
    KeyName::new(raw).map(Some).map_err(de::Error::custom)
}

fn every<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(deserializer)?;
    if span < SHORTEST || span > LONGEST {
        return Err(de::Error::custom(format!("`every` and `channels_every` are {SHORTEST} to {LONGEST}")));
    }
    Ok(span)
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let raw = String::deserialize(deserializer)?;
    let path = PathBuf::from(&raw);
    let plain = path.is_absolute()
        && path.file_name().is_some()
        && !raw.contains('\0')
        && !path.components().any(|part| part == Component::ParentDir);
    if plain {
        return Ok(Some(path));
    }
    let shown = Untrusted::from(raw.as_str());
    Err(de::Error::custom(format!("`{:.80}`: an absolute path without `..` is needed", shown.safe().to_string())))
}

fn channels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Channel>, D::Error> {
    let mut channels = Vec::<Channel>::deserialize(deserializer)?;
    channels.sort();
    channels.dedup();
    Ok(channels)
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Untrusted>, D::Error> {
    let raw = Vec::<String>::deserialize(deserializer)?;
    if raw.len() > MAX_ADDRESSES {
        return Err(de::Error::custom(format!("`to` has {} addresses; at most {MAX_ADDRESSES}", raw.len())));
    }
    raw.into_iter()
        .map(|text| match text.parse::<lettre::Address>() {
            Ok(_) => Ok(Untrusted::new(text)),
            Err(_) => Err(de::Error::custom(format!(
                "`to`: {:.80} is no address",
                Untrusted::from(text.as_str()).safe().to_string()
            ))),
        })
        .collect()
}

fn witnesses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<VerifierKey>, D::Error> {
    let raw = Vec::<String>::deserialize(deserializer)?;
    if raw.len() > MAX_WITNESSES {
        return Err(de::Error::custom(format!("{} witnesses; at most {MAX_WITNESSES}", raw.len())));
    }
    raw.iter()
        .map(|text| {
            let shown = Untrusted::from(text.as_str());
            let key: VerifierKey = text
                .parse()
                .map_err(|error| de::Error::custom(format!("{:.80}: {error}", shown.safe().to_string())))?;
            match key.algorithm() {
                Algorithm::CosignatureV1 => Ok(key),
                Algorithm::Ed25519 => Err(de::Error::custom(format!(
                    "{:.80} is the key of a ledger; a witness's is of kind 4",
                    shown.safe().to_string()
                ))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<CheckpointSettings, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn everything_may_be_left_out_and_nothing_may_be_misspelt() {
        assert_eq!(read(""), Ok(CheckpointSettings::default()));
        let witness = "witness.example+9bbf7db4+BHd0TNn4Ye4FQnIkBUTs8XIYDlpm0MDxYN4s1q38Opc6";
        for (text, word) in [
            ("key = \"MC4CAQ\"", "credential:NAME"),
            ("keys = \"file:/k\"", "unknown field"),
            ("every = \"1s\"", "1m to"),
            ("origin = \"a b\"", "white space"),
            ("witnesses = [\"x\"]", "NAME+ID+KEY"),
            ("directory = \"worm\"", "absolute path"),
            ("directory = \"/a/../b\"", "absolute path"),
            ("syslog = true", "string"),
            ("journal = \"/\"", "absolute path"),
            ("channels = [\"Pigeon\"]", "Pigeon"),
            ("to = [\"nobody\"]", "no address"),
            ("channels_every = \"1s\"", "1m to"),
            (&format!("witnesses = [{witness:?}]"), "id is"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        let whole = read(
            "key = \"credential:checkpoint\"\nprevious_key = \"file:/old\"\norigin = \"ca.example/ledger\"\nevery = \"10m\"",
        )
        .unwrap();
        assert_eq!((whole.every, whole.origin.unwrap().as_str()), (Span::from_secs(600), "ca.example/ledger"));
    }

    #[test]
    fn a_key_of_a_ledger_is_no_witness() {
        let name = KeyName::new("w.example").unwrap();
        for (algorithm, taken) in [(Algorithm::CosignatureV1, true), (Algorithm::Ed25519, false)] {
            let key = VerifierKey::new(name.clone(), algorithm, [7; 32]);
            assert_eq!(read(&format!("witnesses = [\"{key}\"]")).is_ok(), taken, "{key}");
        }
    }
}
