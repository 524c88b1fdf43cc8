//! CSRs and approved content for the tests of whatever issues.

use countersign_shared::content::{CertificateContent, ExtendedKeyUsage, KeyUsage, SubjectAttribute};
use countersign_shared::digest::Digest;
use countersign_shared::time::{Span, Timestamp};
use rcgen::{CertificateParams, DnType, KeyPair, SignatureAlgorithm};

use super::{ParsedCsr, csr};

/// 2027-01-15T08:00:00.250Z
pub const NOW_MS: i64 = 1_800_000_000_250;

/// [`NOW_MS`] and so many seconds.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(NOW_MS + seconds * 1000).unwrap()
}

/// A CSR for names on a fresh key.
pub fn fresh_csr(algorithm: &'static SignatureAlgorithm, names: &[&str]) -> ParsedCsr {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names.clone()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names[0].clone());
    let request = params.serialize_request(&KeyPair::generate_for(algorithm).unwrap()).unwrap();
    csr::parse_der(request.der()).unwrap()
}

/// What a profile for web servers would make of a CSR.
pub fn content_for(csr: &ParsedCsr) -> CertificateContent {
    let mut sans = csr.sans.clone();
    sans.sort();
    CertificateContent {
        common_name: csr.common_name.clone(),
        subject: vec![(SubjectAttribute::Country, "DE".into()), (SubjectAttribute::Organization, "Corp GmbH".into())],
        sans,
        key: csr.key,
        spki_sha256: csr.spki_sha256,
        ca: false,
        key_usage: vec![KeyUsage::DigitalSignature],
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        valid_for: Span::from_secs(90 * 86_400),
        issuer: "local-ca".into(),
        profile_id: "p-web".into(),
        profile_digest: Digest::of(&[b"profile"]),
    }
}
