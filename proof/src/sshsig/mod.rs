//! Signatures in the SSHSIG format of OpenSSH (`PROTOCOL.sshsig`), as `ssh-keygen -Y sign` writes them.
//!
//! A signature covers the namespace, the name of a hash algorithm and the hash of the message, not the message itself: one
//! can be checked after a part of its text has been erased, with the hashes that the ledger holds.

mod key;
mod wire;

use std::fmt;

use countersign_shared::digest::Digest;
use data_encoding::BASE64;
use key::{ED25519, FIDO_ED25519, FIDO_P256, Material, P256, P384};
pub use key::{KeyError, MAX_LINE, PublicKey};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519 as RING_ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use wire::{Reader, put};

/// The largest armored signature in octets.
pub const MAX_ARMORED: usize = countersign_shared::protocol::MAX_SIGNATURE;

const MAGIC: &[u8] = b"SSHSIG";
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// CTAP: the person touched the authenticator; the authenticator has verified its holder.
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;

/// The hashes of a message, by the algorithms that the format has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashes {
    /// SHA-256.
    pub sha256: Digest,
    /// SHA-512, what `ssh-keygen` uses where nothing else is asked for.
    pub sha512: [u8; 64],
}

impl Hashes {
    /// Of a message.
    pub fn of(message: &[u8]) -> Self {
        let mut sha512 = [0; 64];
        sha512.copy_from_slice(ring::digest::digest(&ring::digest::SHA512, message).as_ref());
        Self { sha256: Digest::of(&[message]), sha512 }
    }

    /// SHA-512 in hexadecimal digits.
    pub fn sha512_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.sha512)
    }

    /// From hexadecimal digits; none where they are something else.
    pub fn from_hex(sha256: &str, sha512: &str) -> Option<Self> {
        let octets = data_encoding::HEXLOWER.decode(sha512.as_bytes()).ok()?;
        Some(Self { sha256: sha256.parse().ok()?, sha512: octets.try_into().ok()? })
    }
}

/// A signature as it came: well-formed, and not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSig {
    key: PublicKey,
    namespace: String,
    by_sha256: bool,
    signature: Signature,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Signature {
    Ed25519([u8; 64]),
    P256([u8; 64]),
    P384([u8; 96]),
    Rsa { octets: Vec<u8>, by_sha256: bool },
    Fido { octets: [u8; 64], flags: u8, counter: u32 },
}

/// What the authenticator says of its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The key is in a file, or in an agent.
    NotFido,
    /// The holder touched it.
    Touched,
    /// The holder touched it, and gave a PIN or a fingerprint.
    Verified,
}

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshSigError {
    /// It has more octets than a signature has.
    TooLarge(usize),
    /// It is not armored as `ssh-keygen -Y sign` does it.
    Armor,
    /// What is armored is not a signature of version 1.
    Malformed,
    /// The key in it is none that is taken.
    Key(KeyError),
    /// The message is hashed by another algorithm than SHA-256 or SHA-512.
    Hash,
    /// It was made under another namespace.
    Namespace,
    /// Nobody touched the FIDO2 key.
    NotTouched,
    /// It is no signature of this message by this key.
    Wrong,
}

impl fmt::Display for SshSigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(octets) => write!(f, "it has {octets} octets; at most {MAX_ARMORED} are allowed"),
            Self::Armor => f.write_str("it is not armored as `ssh-keygen -Y sign` writes it"),
            Self::Malformed => f.write_str("it is no signature of the SSHSIG format, version 1"),
            Self::Key(error) => write!(f, "{error}"),
            Self::Hash => f.write_str("the message is hashed by another algorithm than sha256 or sha512"),
            Self::Namespace => f.write_str("it was made under another namespace"),
            Self::NotTouched => {
                f.write_str("nobody touched the FIDO2 key (a key made with no-touch-required is not taken)")
            }
            Self::Wrong => f.write_str("it is not this key's signature of this text"),
        }
    }
}

impl std::error::Error for SshSigError {}

impl SshSig {
    /// Reads an armored signature.
    ///
    /// # Errors
    /// See [`SshSigError`].
    pub fn parse(armored: &str) -> Result<Self, SshSigError> {
        if armored.len() > MAX_ARMORED {
            return Err(SshSigError::TooLarge(armored.len()));
        }
        let mut lines = armored.trim_end_matches(['\n', '\r']).lines();
        let framed = lines.next() == Some(BEGIN) && lines.next_back() == Some(END);
        let encoded: String = lines.collect();
        let octets = BASE64.decode(encoded.as_bytes()).ok().filter(|_| framed).ok_or(SshSigError::Armor)?;
        Self::of_blob(&octets)
    }

    fn of_blob(octets: &[u8]) -> Result<Self, SshSigError> {
        let (key, namespace, hash, signature) = split(octets).ok_or(SshSigError::Malformed)?;
        let key = PublicKey::from_blob(key).map_err(SshSigError::Key)?;
        let by_sha256 = match hash {
            "sha256" => true,
            "sha512" => false,
            _ => return Err(SshSigError::Hash),
        };
        let signature = of_key(&key, signature).ok_or(SshSigError::Malformed)?;
        Ok(Self { key, namespace: namespace.to_owned(), by_sha256, signature })
    }

    /// The key that it names.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Checks that it is the named key's signature of the message with these hashes, made under `namespace`; and, where the
    /// key is a FIDO2 key, that somebody touched it.
    ///
    /// # Errors
    /// See [`SshSigError`].
    pub fn verify(&self, namespace: &str, message: &Hashes) -> Result<Presence, SshSigError> {
        if self.namespace != namespace {
            return Err(SshSigError::Namespace);
        }
        let signed = self.signed(message);
        let right = match (&self.key.material, &self.signature) {
            (Material::Ed25519(point), Signature::Ed25519(octets)) => check(&RING_ED25519, point, &signed, octets),
            (Material::P256(point), Signature::P256(octets)) => check(&ECDSA_P256_SHA256_FIXED, point, &signed, octets),
            (Material::P384(point), Signature::P384(octets)) => check(&ECDSA_P384_SHA384_FIXED, point, &signed, octets),
            (Material::Rsa { modulus, exponent }, Signature::Rsa { octets, by_sha256 }) => {
                let parameters = if *by_sha256 { &RSA_PKCS1_2048_8192_SHA256 } else { &RSA_PKCS1_2048_8192_SHA512 };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, &signed, octets).is_ok()
            }
            (Material::FidoEd25519 { point, application }, Signature::Fido { octets, flags, counter }) => {
                check(&RING_ED25519, point, &asserted(application, *flags, *counter, &signed), octets)
            }
            (Material::FidoP256 { point, application }, Signature::Fido { octets, flags, counter }) => {
                check(&ECDSA_P256_SHA256_FIXED, point, &asserted(application, *flags, *counter, &signed), octets)
            }
            _ => false,
        };
        match (right, &self.signature) {
            (false, _) => Err(SshSigError::Wrong),
            (true, Signature::Fido { flags, .. }) if flags & USER_PRESENT == 0 => Err(SshSigError::NotTouched),
            (true, Signature::Fido { flags, .. }) if flags & USER_VERIFIED == 0 => Ok(Presence::Touched),
            (true, Signature::Fido { .. }) => Ok(Presence::Verified),
            (true, _) => Ok(Presence::NotFido),
        }
    }

    /// What the key signs: the format's own words about the message.
    fn signed(&self, message: &Hashes) -> Vec<u8> {
        let mut signed = MAGIC.to_vec();
        put(&mut signed, self.namespace.as_bytes());
        put(&mut signed, b"");
        if self.by_sha256 {
            put(&mut signed, b"sha256");
            put(&mut signed, message.sha256.as_bytes());
        } else {
            put(&mut signed, b"sha512");
            put(&mut signed, &message.sha512);
        }
        signed
    }
}

/// Key, namespace, name of the hash, and signature.
fn split(octets: &[u8]) -> Option<(&[u8], &str, &str, &[u8])> {
    let mut reader = Reader(octets);
    let begins = reader.take(MAGIC.len())? == MAGIC && reader.number()? == 1;
    let (key, namespace) = (reader.string()?, reader.text()?);
    let reserved = reader.string()?;
    let (hash, signature) = (reader.text()?, reader.string()?);
    reader.end()?;
    (begins && reserved.is_empty()).then_some((key, namespace, hash, signature))
}

/// What an authenticator signs of a message (`PROTOCOL.u2f`, SSH U2F signatures).
fn asserted(application: &str, flags: u8, counter: u32, message: &[u8]) -> Vec<u8> {
    let mut octets = Digest::of(&[application.as_bytes()]).as_bytes().to_vec();
    octets.push(flags);
    octets.extend(counter.to_be_bytes());
    octets.extend(Digest::of(&[message]).as_bytes());
    octets
}

fn check(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}

/// The signature in the form that a key of this type makes.
fn of_key(key: &PublicKey, blob: &[u8]) -> Option<Signature> {
    let mut reader = Reader(blob);
    let (algorithm, octets) = (reader.text()?, reader.string()?);
    let signature = match (&key.material, algorithm) {
        (Material::Ed25519(_), ED25519) => Signature::Ed25519(octets.try_into().ok()?),
        (Material::P256(_), P256) => Signature::P256(pair::<32, 64>(octets)?),
        (Material::P384(_), P384) => Signature::P384(pair::<48, 96>(octets)?),
        (Material::Rsa { .. }, "rsa-sha2-256") => Signature::Rsa { octets: octets.to_vec(), by_sha256: true },
        (Material::Rsa { .. }, "rsa-sha2-512") => Signature::Rsa { octets: octets.to_vec(), by_sha256: false },
        (Material::FidoEd25519 { .. }, FIDO_ED25519) => {
            let (flags, counter) = (reader.byte()?, reader.number()?);
            Signature::Fido { octets: octets.try_into().ok()?, flags, counter }
        }
        (Material::FidoP256 { .. }, FIDO_P256) => {
            let (flags, counter) = (reader.byte()?, reader.number()?);
            Signature::Fido { octets: pair::<32, 64>(octets)?, flags, counter }
        }
        _ => return None,
    };
    reader.end()?;
    Some(signature)
}

/// Two numbers (RFC 5656 §3.1.2), one behind the other.
fn pair<const N: usize, const BOTH: usize>(octets: &[u8]) -> Option<[u8; BOTH]> {
    let mut reader = Reader(octets);
    let (r, s) = (reader.scalar::<N>()?, reader.scalar::<N>()?);
    reader.end()?;
    [r, s].concat().try_into().ok()
}

#[cfg(test)]
mod tests;
