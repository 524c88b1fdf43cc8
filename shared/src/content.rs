//! What a certificate will say: the content that people agree to, and nothing else than what is signed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::canonical::{CanonicalError, Object};
use crate::digest::Digest;
use crate::lifecycle::{RequestKind, closed_set};
use crate::text::Untrusted;
use crate::time::{Span, Timestamp};

/// The kinds of public key that are accepted at all; a profile narrows them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of so many bits (2048 to 8192).
    Rsa(u32),
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => f.pad(&format!("rsa-{bits}")),
            Self::EcdsaP256 => f.pad("ecdsa-p256"),
            Self::EcdsaP384 => f.pad("ecdsa-p384"),
            Self::Ed25519 => f.pad("ed25519"),
        }
    }
}

impl fmt::Debug for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyAlgorithm {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a key is one of rsa-2048 (to rsa-8192), ecdsa-p256, ecdsa-p384, ed25519";
        match raw {
            "ecdsa-p256" => Ok(Self::EcdsaP256),
            "ecdsa-p384" => Ok(Self::EcdsaP384),
            "ed25519" => Ok(Self::Ed25519),
            _ => {
                let bits = raw.strip_prefix("rsa-").and_then(|bits| bits.parse().ok()).ok_or(SHAPE)?;
                if (2048..=8192).contains(&bits) { Ok(Self::Rsa(bits)) } else { Err(SHAPE) }
            }
        }
    }
}

crate::string_on_the_wire!(KeyAlgorithm, "KeyAlgorithm", "rsa-BITS, ecdsa-p256, ecdsa-p384 or ed25519");

/// A subject alternative name (RFC 5280 §4.2.1.6) of a type that is supported.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", tag = "type", content = "value", deny_unknown_fields)]
pub enum San {
    /// A DNS name in lower case, A-labels for IDNA; may begin with `*.`.
    Dns(Untrusted),
    /// An address.
    Ip(IpAddr),
    /// A URI.
    Uri(Untrusted),
    /// An RFC 822 mailbox.
    Email(Untrusted),
}

impl San {
    /// The type's name: `dns`, `ip`, `uri`, `email`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Dns(_) => "dns",
            Self::Ip(_) => "ip",
            Self::Uri(_) => "uri",
            Self::Email(_) => "email",
        }
    }

    /// The value as text from outside.
    pub fn value(&self) -> Untrusted {
        match self {
            Self::Dns(text) | Self::Uri(text) | Self::Email(text) => text.clone(),
            Self::Ip(address) => Untrusted::new(address.to_string()),
        }
    }

    /// `dns:www.corp.example`, as it came: for digests and comparisons, never to show.
    pub fn tagged(&self) -> String {
        format!("{}:{}", self.kind(), self.value().raw())
    }
}

closed_set! {
    /// Key usage bits (RFC 5280 §4.2.1.3).
    KeyUsage {
        /// digitalSignature
        DigitalSignature = "digital_signature",
        /// nonRepudiation, also contentCommitment
        ContentCommitment = "content_commitment",
        /// keyEncipherment
        KeyEncipherment = "key_encipherment",
        /// dataEncipherment
        DataEncipherment = "data_encipherment",
        /// keyAgreement
        KeyAgreement = "key_agreement",
        /// keyCertSign
        KeyCertSign = "key_cert_sign",
        /// cRLSign
        CrlSign = "crl_sign",
        /// encipherOnly
        EncipherOnly = "encipher_only",
        /// decipherOnly
        DecipherOnly = "decipher_only",
    }
}

closed_set! {
    /// Extended key usages (RFC 5280 §4.2.1.12) that a profile can give.
    ExtendedKeyUsage {
        /// id-kp-serverAuth
        ServerAuth = "server_auth",
        /// id-kp-clientAuth
        ClientAuth = "client_auth",
        /// id-kp-codeSigning
        CodeSigning = "code_signing",
        /// id-kp-emailProtection
        EmailProtection = "email_protection",
        /// id-kp-timeStamping
        TimeStamping = "time_stamping",
        /// id-kp-OCSPSigning
        OcspSigning = "ocsp_signing",
    }
}

closed_set! {
    /// Attributes of a subject name besides the common name; only a profile sets them.
    SubjectAttribute {
        /// C, two letters (ISO 3166)
        Country = "country",
        /// ST
        State = "state",
        /// L
        Locality = "locality",
        /// O
        Organization = "organization",
        /// OU
        OrganizationalUnit = "organizational_unit",
    }
}

impl ExtendedKeyUsage {
    /// The name of RFC 5280 §4.2.1.12 without its prefix: `serverAuth`.
    pub const fn rfc_name(self) -> &'static str {
        match self {
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::CodeSigning => "codeSigning",
            Self::EmailProtection => "emailProtection",
            Self::TimeStamping => "timeStamping",
            Self::OcspSigning => "OCSPSigning",
        }
    }
}

impl SubjectAttribute {
    /// The short name of RFC 4514 §3: `OU`.
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::Country => "C",
            Self::State => "ST",
            Self::Locality => "L",
            Self::Organization => "O",
            Self::OrganizationalUnit => "OU",
        }
    }
}

/// Everything that will be in the certificate but its serial number and its first moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateContent {
    /// The subject's common name; always one of the SANs where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<Untrusted>,
    /// Other subject attributes, from the profile alone, in the order of the enumeration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject: Vec<(SubjectAttribute, String)>,
    /// Every SAN, sorted, each once, 1 to 100.
    pub sans: Vec<San>,
    /// The kind and size of the key.
    pub key: KeyAlgorithm,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: Digest,
    /// Basic constraints: a certification authority.
    pub ca: bool,
    /// Sorted, each once.
    pub key_usage: Vec<KeyUsage>,
    /// Sorted, each once.
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    /// From notBefore to notAfter.
    pub valid_for: Span,
    /// The issuer's id in the policy.
    pub issuer: String,
    /// The profile's id.
    pub profile_id: String,
    /// The digest of the profile's rules that this content was made under.
    pub profile_digest: Digest,
}

/// Why the content is wanted; part of what is agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose<'a> {
    /// What is asked for.
    pub kind: RequestKind,
    /// The certificate it is for.
    pub certificate_id: &'a str,
    /// SHA-256 of the CSR's DER.
    pub csr_sha256: Digest,
    /// The salted digest of the justification: the text can be erased where law demands it, the digest stands.
    pub reason: Option<Digest>,
    /// The change ticket.
    pub ticket: Option<&'a str>,
    /// Not to be signed before this moment; as soon as it is approved where there is none.
    pub not_before: Option<Timestamp>,
}

/// The largest content in canonical form: 100 SANs of 253 octets fit with room to spare.
const CONTENT_LIMIT: usize = 256 * 1024;

impl CertificateContent {
    /// The content digest: what a decision names and what a signature covers.
    pub fn digest(&self, purpose: &Purpose<'_>) -> Result<Digest, CanonicalError> {
        let subject = self.subject.iter().map(|(attribute, value)| format!("{attribute}:{value}"));
        let bytes = Object::new()
            .boolean("ca", self.ca)
            .string("certificate", purpose.certificate_id)
            .string_if("common_name", self.common_name.as_ref().map(Untrusted::raw))
            .string("csr_sha256", &purpose.csr_sha256.to_string())
            .strings("extended_key_usage", self.extended_key_usage.iter().map(|usage| usage.as_str()))
            .string("issuer", &self.issuer)
            .string("key", &self.key.to_string())
            .strings("key_usage", self.key_usage.iter().map(|usage| usage.as_str()))
            .string("kind", purpose.kind.as_str())
            .string_if("not_before", purpose.not_before.map(|moment| moment.to_string()).as_deref())
            .string("profile", &self.profile_id)
            .string("profile_sha256", &self.profile_digest.to_string())
            .string_if("reason_sha256", purpose.reason.map(|digest| digest.to_string()).as_deref())
            .strings("sans", self.sans.iter().map(San::tagged))
            .string("spki_sha256", &self.spki_sha256.to_string())
            .strings("subject", subject)
            .string_if("ticket", purpose.ticket)
            .integer("valid_for_ms", i64::try_from(self.valid_for.millis()).unwrap_or(i64::MAX))
            .finish_within(CONTENT_LIMIT)?;
        Ok(Digest::of(&[b"countersign-content-v1\0", bytes.as_bytes()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> CertificateContent {
        CertificateContent {
            common_name: Some("www.corp.example".into()),
            subject: vec![(SubjectAttribute::Organization, "Corp".into())],
            sans: vec![San::Dns("www.corp.example".into())],
            key: KeyAlgorithm::EcdsaP256,
            spki_sha256: Digest::of(&[b"spki"]),
            ca: false,
            key_usage: vec![KeyUsage::DigitalSignature],
            extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
            valid_for: Span::from_secs(86_400),
            issuer: "local-ca".into(),
            profile_id: "p-web".into(),
            profile_digest: Digest::of(&[b"profile"]),
        }
    }

    fn purpose() -> Purpose<'static> {
        Purpose {
            kind: RequestKind::CertIssuance,
            certificate_id: "mc-1",
            csr_sha256: Digest::of(&[b"csr"]),
            reason: None,
            ticket: None,
            not_before: None,
        }
    }

    #[test]
    fn every_field_changes_the_digest() {
        type Edit = dyn Fn(&mut CertificateContent, &mut Purpose<'static>);
        let digest = |edit: &Edit| {
            let (mut content, mut purpose) = (content(), purpose());
            edit(&mut content, &mut purpose);
            content.digest(&purpose).unwrap()
        };
        let edits: [&Edit; 19] = [
            &|_, _| {},
            &|c, _| c.common_name = None,
            &|c, _| c.subject.clear(),
            &|c, _| c.sans.push(San::Dns("x.corp.example".into())),
            &|c, _| c.sans = vec![San::Uri("www.corp.example".into())],
            &|c, _| c.key = KeyAlgorithm::Ed25519,
            &|c, _| c.spki_sha256 = Digest::of(&[b"other"]),
            &|c, _| c.ca = true,
            &|c, _| c.key_usage.clear(),
            &|c, _| c.extended_key_usage.clear(),
            &|c, _| c.valid_for = Span::from_secs(86_401),
            &|c, _| c.issuer = "other".into(),
            &|c, _| c.profile_id = "p-other".into(),
            &|c, _| c.profile_digest = Digest::of(&[b"other"]),
            &|_, p| p.kind = RequestKind::CertRenewal,
            &|_, p| p.certificate_id = "mc-2",
            &|_, p| p.reason = Some(Digest::of(&[b"why"])),
            &|_, p| p.ticket = Some("SECOPS-1"),
            &|_, p| p.not_before = Some(Timestamp::EPOCH),
        ];
        let digests: std::collections::BTreeSet<Digest> = edits.iter().map(|edit| digest(edit)).collect();
        assert_eq!(digests.len(), edits.len());
    }

    #[test]
    fn keys_are_read_and_written() {
        for raw in ["rsa-2048", "rsa-4096", "ecdsa-p256", "ecdsa-p384", "ed25519"] {
            assert_eq!(raw.parse::<KeyAlgorithm>().unwrap().to_string(), raw);
        }
        for bad in ["rsa", "rsa-1024", "rsa-16384", "dsa", "", "rsa--2048"] {
            assert!(bad.parse::<KeyAlgorithm>().is_err(), "{bad}");
        }
    }
}
