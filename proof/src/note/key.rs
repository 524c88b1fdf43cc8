//! The names, ids and public keys by which signatures in notes are told apart and verified.

use std::fmt;
use std::str::FromStr;

use countersign_shared::digest::Digest;
use data_encoding::BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::Valid;
use crate::cosignature;
use crate::lines::shown;

/// The longest key name, in octets. C2SP bounds the names of cosigners and origins by this in its newer signatures.
pub const MOST_NAME: usize = 255;

/// The name of a key: a URL without a scheme, as `ca.corp.example/countersign`. Not empty, without white space, `+` and
/// control characters, and of at most [`MOST_NAME`] octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// Takes a name that follows the rules.
    pub fn new(name: impl Into<String>) -> Result<Self, KeyError> {
        let name = name.into();
        let fits =
            (1..=MOST_NAME).contains(&name.len()) && !name.chars().any(|c| c.is_whitespace() || c < ' ' || c == '+');
        if fits { Ok(Self(name)) } else { Err(KeyError::Name) }
    }

    /// The name as it came; a message shows it by way of `Untrusted`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a signature says of the key that made it, together with the name: too short to tell keys apart against an adversary,
/// who gains no more by it than a signature that does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The four octets as they stand in a signature.
    pub const fn from_bytes(octets: [u8; 4]) -> Self {
        Self(octets)
    }

    /// See [`KeyId::from_bytes`].
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// What a key signs, by the identifiers that C2SP assigned. Both are Ed25519 (RFC 8032).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// The note's text: the keys of logs.
    Ed25519 = 0x01,
    /// The text behind a header and a time (`cosignature/v1`): the keys of witnesses.
    CosignatureV1 = 0x04,
}

/// A public key with its name: what a reader has to know beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: KeyName,
    algorithm: Algorithm,
    public: [u8; 32],
    id: KeyId,
}

impl VerifierKey {
    /// The key with these 32 octets (RFC 8032 §5.1.5).
    pub fn new(name: KeyName, algorithm: Algorithm, public: [u8; 32]) -> Self {
        let hash = Digest::of(&[name.as_str().as_bytes(), b"\n", &[algorithm as u8], &public]);
        let [a, b, c, d, ..] = *hash.as_bytes();
        Self { name, algorithm, public, id: KeyId([a, b, c, d]) }
    }

    /// Its name.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// What it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The 32 octets of the public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// SHA-256 over name, line feed, algorithm and public key: the first four octets.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What a signature line's octets behind the key id say about `text`, where they are right.
    pub(super) fn check(&self, text: &str, signature: &[u8]) -> Option<Valid<'_>> {
        let time = match self.algorithm {
            Algorithm::Ed25519 => {
                self.verifies(text.as_bytes(), signature).then_some(())?;
                None
            }
            Algorithm::CosignatureV1 => {
                let (time, signature) = cosignature::split(signature)?;
                self.verifies(&cosignature::message(time, text), signature).then_some(())?;
                Some(time)
            }
        };
        Some(Valid { key: self, time })
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(message, signature).is_ok()
    }
}

/// `name+id+base64(algorithm, public key)`: the encoding that notes' tools exchange.
impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = [self.algorithm as u8; 33];
        octets[1..].copy_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name.0, self.id, BASE64.encode(&octets))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // The key itself may hold a `+`: base 64.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Shape);
        };
        let name = KeyName::new(name)?;
        let octets = BASE64.decode(key.as_bytes()).map_err(|_| KeyError::Shape)?;
        let (algorithm, public) = octets.split_first().ok_or(KeyError::Shape)?;
        let algorithm = match *algorithm {
            0x01 => Algorithm::Ed25519,
            0x04 => Algorithm::CosignatureV1,
            other => return Err(KeyError::Algorithm(other)),
        };
        let public = <[u8; 32]>::try_from(public).map_err(|_| KeyError::Shape)?;
        let key = Self::new(name, algorithm, public);
        if key.id.to_string() != id {
            return Err(KeyError::Id { stated: shown(id), computed: key.id });
        }
        Ok(key)
    }
}

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The name breaks the rules of [`KeyName`].
    Name,
    /// Not `name+id+base64`, or not 32 octets of key.
    Shape,
    /// The key is of a kind that is not used here.
    Algorithm(u8),
    /// The id is not that of the key: one of its parts was changed.
    Id {
        /// What the text says, fit to be shown.
        stated: String,
        /// What its parts give.
        computed: KeyId,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => {
                write!(f, "a key's name is 1 to {MOST_NAME} octets without white space, control characters and '+'")
            }
            Self::Shape => {
                f.write_str("a verifier key is written NAME+ID+KEY: 8 hexadecimal digits, 33 octets in base 64")
            }
            Self::Algorithm(other) => {
                write!(f, "a key of kind 0x{other:02x}; here are 0x01 (Ed25519) and 0x04 (cosignature/v1)")
            }
            Self::Id { stated, computed } => {
                write!(f, "the key's id is {computed}, not {stated}: name, id or key was changed")
            }
        }
    }
}

impl std::error::Error for KeyError {}
