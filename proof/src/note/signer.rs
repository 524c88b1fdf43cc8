//! Private keys, and the signatures of logs.

use std::fmt;

use data_encoding::BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::{Algorithm, KeyName, Note, NoteError, SignatureLine, VerifierKey};

/// An Ed25519 key pair with a name and a purpose.
pub(crate) struct Pair {
    pair: Ed25519KeyPair,
    key: VerifierKey,
}

impl Pair {
    pub(crate) fn from_seed(name: KeyName, algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, PrivateKeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| PrivateKeyError)?;
        Self::of(name, algorithm, pair)
    }

    pub(crate) fn from_private_key(name: KeyName, algorithm: Algorithm, key: &[u8]) -> Result<Self, PrivateKeyError> {
        let decoded;
        let der = if key.first() == Some(&DER_SEQUENCE) {
            key
        } else {
            decoded = from_pem(key)?;
            &decoded
        };
        // OpenSSL writes no public key beside the private one (RFC 5958 version 1); where there is one, it is compared.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| PrivateKeyError)?;
        Self::of(name, algorithm, pair)
    }

    fn of(name: KeyName, algorithm: Algorithm, pair: Ed25519KeyPair) -> Result<Self, PrivateKeyError> {
        let public = pair.public_key().as_ref().try_into().map_err(|_| PrivateKeyError)?;
        Ok(Self { pair, key: VerifierKey::new(name, algorithm, public) })
    }

    pub(crate) fn key(&self) -> &VerifierKey {
        &self.key
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

const DER_SEQUENCE: u8 = 0x30;

fn from_pem(text: &[u8]) -> Result<Vec<u8>, PrivateKeyError> {
    let body = text
        .trim_ascii()
        .strip_prefix(b"-----BEGIN PRIVATE KEY-----")
        .and_then(|rest| rest.strip_suffix(b"-----END PRIVATE KEY-----"))
        .ok_or(PrivateKeyError)?;
    let digits: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    BASE64.decode(&digits).map_err(|_| PrivateKeyError)
}

/// Why octets are no private key. It says no more of them: they are secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateKeyError;

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ed25519 private key in PKCS #8, DER or PEM (openssl genpkey -algorithm ed25519)")
    }
}

impl std::error::Error for PrivateKeyError {}

/// The key of a log: signs the text of notes (algorithm 0x01).
pub struct Signer(Pair);

impl Signer {
    /// The key with this seed (RFC 8032 §5.1.5).
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, PrivateKeyError> {
        Pair::from_seed(name, Algorithm::Ed25519, seed).map(Self)
    }

    /// The key in this PKCS #8 document (RFC 8410), as DER or PEM.
    pub fn from_private_key(name: KeyName, key: &[u8]) -> Result<Self, PrivateKeyError> {
        Pair::from_private_key(name, Algorithm::Ed25519, key).map(Self)
    }

    /// The public key with the name.
    pub fn key(&self) -> &VerifierKey {
        self.0.key()
    }

    /// Signs a note's text, and adds the line.
    pub fn sign(&self, note: &mut Note) -> Result<(), NoteError> {
        let signature = self.0.sign(note.text().as_bytes());
        note.add(SignatureLine::new(self.key().name().clone(), self.key().id(), signature))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(self.key()).finish()
    }
}
