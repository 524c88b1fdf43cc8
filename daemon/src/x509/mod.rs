//! What comes in as PKCS#10 and what goes out as X.509, read by a maintained parser into plain types.

pub mod certificate;
pub mod compare;
pub mod csr;
pub mod found;
pub mod pem;

mod extension;
mod key;
mod name;
mod san;
mod signature;
#[cfg(test)]
pub(crate) mod testing;

use countersign_shared::content::{KeyAlgorithm, San};
use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use x509_parser::asn1_rs::Oid;

/// The most SANs of one CSR or certificate.
pub const MAX_SANS: usize = 100;
/// The most extensions of one CSR or certificate, and the most attributes of a subject or a CSR.
pub const MAX_PARTS: usize = 32;

/// A CSR whose proof of possession holds, as plain values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedCsr {
    /// The DER that was signed and is stored.
    pub der: Vec<u8>,
    /// SHA-256 of `der`.
    pub sha256: Digest,
    /// The subject in the form of RFC 4514, as the CSR writes it; may be empty.
    pub subject: Untrusted,
    /// The common name; a CSR with two is refused.
    pub common_name: Option<Untrusted>,
    /// Subject attributes besides the common name: type (`O`, `OU`, or the OID) and value.
    pub subject_rest: Vec<(String, Untrusted)>,
    /// Requested SANs in the order of the CSR; DNS names in lower case without a final dot.
    pub sans: Vec<San>,
    /// The key.
    pub key: KeyAlgorithm,
    /// The DER SubjectPublicKeyInfo.
    pub spki_der: Vec<u8>,
    /// SHA-256 of `spki_der`.
    pub spki_sha256: Digest,
    /// `Some(path length)` where the CSR asks for `CA:TRUE`.
    pub asks_ca: Option<Option<u32>>,
    /// Requested key usage bits by the names of RFC 5280 (`digitalSignature` …).
    pub key_usage: Vec<String>,
    /// Requested extended key usages: the name of RFC 5280 (`serverAuth` …) or the OID.
    pub extended_key_usage: Vec<String>,
    /// OIDs of requested extensions other than SAN, basic constraints, key usage, extended key usage, and of
    /// CSR attributes other than the extension request (challenge password …): nothing of them is used.
    pub other_extensions: Vec<String>,
}

/// Text from outside, made safe and cut to 80 characters, in quotes.
fn quoted(raw: &str) -> String {
    let mut shown: String = raw.chars().take(80).collect();
    if shown.len() < raw.len() {
        shown.push('…');
    }
    format!("\"{}\"", Untrusted::new(shown).safe())
}

/// An object identifier in dotted form, cut to 80 characters: whoever makes a CSR may make one of any length.
fn dotted(oid: &Oid<'_>) -> String {
    let mut shown = oid.to_id_string();
    if shown.len() > 80 {
        shown.truncate(80);
        shown.push('…');
    }
    shown
}
