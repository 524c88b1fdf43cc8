//! Keys that the daemon makes for renewals, where a profile says so (`renew_key = "new"`): made here, kept in the state
//! directory until they are delivered beside their certificate, and nowhere else.

mod keys;

use countersign_shared::content::{CertificateContent, KeyAlgorithm, San};
use countersign_shared::error::{ApiError, ErrorKind};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use zeroize::Zeroizing;

use crate::policy::Profile;
use crate::x509::{ParsedCsr, csr};

pub use keys::{Asked, Keys};

/// A key and the request that proves it.
pub struct MadeKey {
    /// PKCS#8 in PEM.
    pub pem: Zeroizing<String>,
    /// The CSR, read as one that somebody sent.
    pub csr: ParsedCsr,
}

/// The kind of key that a renewal gets: that of the certificate in force, or where the profile does not allow it any more
/// the weakest curve that it allows. None where it allows RSA alone, which is not made here.
pub fn kind(profile: &Profile, in_force: KeyAlgorithm) -> Option<KeyAlgorithm> {
    let allowed = &profile.rules().keys;
    let curves = [in_force, KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519, KeyAlgorithm::EcdsaP384];
    curves.into_iter().find(|kind| !matches!(kind, KeyAlgorithm::Rsa(_)) && allowed.contains(kind))
}

/// Makes a key, and a CSR for the names of the certificate in force. Takes a millisecond or two.
pub fn make(kind: KeyAlgorithm, in_force: &CertificateContent) -> Result<MadeKey, ApiError> {
    let failed = |error: rcgen::Error| ApiError::new(ErrorKind::Unavailable, format!("no key could be made: {error}"));
    let key = match kind {
        KeyAlgorithm::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyAlgorithm::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyAlgorithm::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519).and_then(|key| without_public_key(&key)),
        KeyAlgorithm::Rsa(_) => return Err(ApiError::internal("RSA keys are not made here")),
    };
    let key = key.map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = &in_force.common_name {
        params.distinguished_name.push(DnType::CommonName, name.raw());
    }
    params.subject_alt_names = in_force.sans.iter().map(general_name).collect::<Result<_, _>>().map_err(failed)?;
    let request = params.serialize_request(&key).map_err(failed)?;
    Ok(MadeKey { pem: Zeroizing::new(key.serialize_pem()), csr: csr::parse_der(request.der())? })
}

/// What stands before the 32 octets of an Ed25519 key in PKCS#8 version 1 (RFC 8410 §7).
const ED25519_V1: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// The same Ed25519 key as PKCS#8 version 1: OpenSSL up to 3.0 at least does not read version 2 (RFC 5958), which is
/// what comes from the generator.
fn without_public_key(key: &KeyPair) -> Result<KeyPair, rcgen::Error> {
    let fields = ED25519_V1.get(5..).unwrap_or_default();
    let seed = key
        .serialized_der()
        .get(5..48)
        .filter(|from_algorithm| from_algorithm.starts_with(fields))
        .and_then(|octets| octets.get(fields.len()..))
        .filter(|seed| seed.len() == 32)
        .ok_or(rcgen::Error::CouldNotParseKeyPair)?;
    let der = Zeroizing::new([&ED25519_V1, seed].concat());
    KeyPair::try_from(der.as_slice())
}

fn general_name(san: &San) -> Result<SanType, rcgen::Error> {
    Ok(match san {
        San::Dns(name) => SanType::DnsName(name.raw().try_into()?),
        San::Ip(address) => SanType::IpAddress(*address),
        San::Uri(uri) => SanType::URI(uri.raw().try_into()?),
        San::Email(mailbox) => SanType::Rfc822Name(mailbox.raw().try_into()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::testing::{content_for, fresh_csr};

    #[test]
    fn the_csr_of_each_kind_asks_for_the_names_in_force_and_the_key_is_its_own() {
        let csr = fresh_csr(&rcgen::PKCS_ECDSA_P256_SHA256, &["www.corp.example", "*.corp.example"]);
        let mut content = content_for(&csr);
        content.sans.push(San::Ip("192.0.2.7".parse().unwrap()));
        content.sans.push(San::Uri("spiffe://corp.example/web".into()));
        for of in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519] {
            let made = make(of, &content).unwrap();
            assert_eq!((made.csr.key, made.csr.sans.len()), (of, content.sans.len()));
            assert_eq!(made.csr.common_name, content.common_name);
            let read = KeyPair::from_pem(&made.pem).unwrap();
            assert_eq!(rcgen::PublicKeyData::subject_public_key_info(&read), made.csr.spki_der);
            assert_ne!(make(of, &content).unwrap().csr.spki_sha256, made.csr.spki_sha256);
        }
        assert!(make(KeyAlgorithm::Rsa(2048), &content).is_err());
    }
}
