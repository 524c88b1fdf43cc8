//! SSH public keys, as a line of `authorized_keys` has them: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, and the FIDO2 keys
//! of OpenSSH (`PROTOCOL.u2f`).

use std::fmt;

use countersign_shared::digest::Digest;
use data_encoding::{BASE64, BASE64_NOPAD};

use super::wire::Reader;

/// The largest key line in octets, its comment included.
pub const MAX_LINE: usize = 4096;

/// A public key that signatures can be checked with.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    blob: Vec<u8>,
    pub(super) material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    Ed25519([u8; 32]),
    P256(Vec<u8>),
    P384(Vec<u8>),
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    FidoEd25519 { point: [u8; 32], application: String },
    FidoP256 { point: Vec<u8>, application: String },
}

/// Why a key is none that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It is not a line of `authorized_keys` without options.
    Shape,
    /// It is of a type that is not taken.
    Type(String),
    /// It is malformed, or not the key that its type says.
    Malformed,
    /// RSA of fewer than 2048 or more than 8192 bits.
    Size(usize),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape => f.write_str("a key is one line of authorized_keys: a type, base 64 and a comment"),
            Self::Type(found) => write!(
                f,
                "{found} is no type of key that decisions are signed with: {}",
                [ED25519, P256, P384, RSA, FIDO_ED25519, FIDO_P256].join(", ")
            ),
            Self::Malformed => f.write_str("the key is malformed, or another than its type says"),
            Self::Size(bits) => write!(f, "an RSA key of {bits} bits; 2048 to 8192 are taken"),
        }
    }
}

impl std::error::Error for KeyError {}

pub(super) const ED25519: &str = "ssh-ed25519";
pub(super) const P256: &str = "ecdsa-sha2-nistp256";
pub(super) const P384: &str = "ecdsa-sha2-nistp384";
pub(super) const RSA: &str = "ssh-rsa";
pub(super) const FIDO_ED25519: &str = "sk-ssh-ed25519@openssh.com";
pub(super) const FIDO_P256: &str = "sk-ecdsa-sha2-nistp256@openssh.com";

impl PublicKey {
    /// Reads `TYPE BASE64 [COMMENT]`.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(line: &str) -> Result<Self, KeyError> {
        let mut parts = line.splitn(3, ' ');
        let (kind, encoded) = parts.next().zip(parts.next()).ok_or(KeyError::Shape)?;
        if line.len() > MAX_LINE || line.chars().any(char::is_control) {
            return Err(KeyError::Shape);
        }
        let blob = BASE64.decode(encoded.as_bytes()).map_err(|_| KeyError::Shape)?;
        let key = Self::from_blob(&blob)?;
        if key.kind() == kind { Ok(key) } else { Err(KeyError::Malformed) }
    }

    /// Reads the octets that the base 64 stands for.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader(blob);
        let kind = reader.text().ok_or(KeyError::Malformed)?;
        let material = match kind {
            ED25519 => ed25519(&mut reader).map(Material::Ed25519),
            P256 => point(&mut reader, "nistp256", 65).map(Material::P256),
            P384 => point(&mut reader, "nistp384", 97).map(Material::P384),
            RSA => rsa(&mut reader),
            FIDO_ED25519 => ed25519(&mut reader)
                .zip(application(&mut reader))
                .map(|(point, application)| Material::FidoEd25519 { point, application }),
            FIDO_P256 => point(&mut reader, "nistp256", 65)
                .zip(application(&mut reader))
                .map(|(point, application)| Material::FidoP256 { point, application }),
            other => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
                return Err(KeyError::Type(other.chars().filter(|c| plain(*c)).take(64).collect()));
            }
        };
        let material = material.filter(|_| reader.end().is_some()).ok_or(KeyError::Malformed)?;
        if let Material::Rsa { modulus, .. } = &material {
            let leading = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
            let bits = modulus.len() * 8 - leading;
            if !(2048..=8192).contains(&bits) {
                return Err(KeyError::Size(bits));
            }
        }
        Ok(Self { blob: blob.to_vec(), material })
    }

    /// The type: `ssh-ed25519`.
    pub fn kind(&self) -> &'static str {
        match self.material {
            Material::Ed25519(_) => ED25519,
            Material::P256(_) => P256,
            Material::P384(_) => P384,
            Material::Rsa { .. } => RSA,
            Material::FidoEd25519 { .. } => FIDO_ED25519,
            Material::FidoP256 { .. } => FIDO_P256,
        }
    }

    /// Whether it is on a FIDO2 authenticator.
    pub fn is_fido(&self) -> bool {
        matches!(self.material, Material::FidoEd25519 { .. } | Material::FidoP256 { .. })
    }

    /// `SHA256:…`, as `ssh-keygen -l` writes it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", BASE64_NOPAD.encode(Digest::of(&[&self.blob]).as_bytes()))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), BASE64.encode(&self.blob))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn ed25519(reader: &mut Reader<'_>) -> Option<[u8; 32]> {
    reader.string()?.try_into().ok()
}

/// An uncompressed point (SEC 1 §2.3.3).
fn point(reader: &mut Reader<'_>, curve: &str, octets: usize) -> Option<Vec<u8>> {
    let named = reader.text()? == curve;
    let point = reader.string()?;
    (named && point.len() == octets && point.first() == Some(&4)).then(|| point.to_vec())
}

/// OpenSSH makes keys for `ssh:` and what follows it; a key for a web site signs no decision.
fn application(reader: &mut Reader<'_>) -> Option<String> {
    let application = reader.text()?;
    application.starts_with("ssh:").then(|| application.to_owned())
}

fn rsa(reader: &mut Reader<'_>) -> Option<Material> {
    let exponent = reader.positive()?.to_vec();
    let modulus = reader.positive()?.to_vec();
    Some(Material::Rsa { modulus, exponent })
}
