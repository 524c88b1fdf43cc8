//! Issued certificates (RFC 5280), read into plain values.

use countersign_shared::content::{KeyAlgorithm, KeyUsage, San};
use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use x509_parser::asn1_rs::FromDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::time::ASN1Time;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Version};

use super::{dotted, extension, key, name, pem, quoted, signature};

/// The most certificates of a chain.
pub const MAX_CHAIN: usize = 10;

/// A certificate as plain values. Nothing in it is trusted for having been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The whole certificate.
    pub der: Vec<u8>,
    /// SHA-256 of `der`.
    pub sha256: Digest,
    /// The serial number's INTEGER octets in lower-case hexadecimal.
    pub serial_hex: String,
    /// The issuer's name (RFC 4514).
    pub issuer: Untrusted,
    /// The issuer's name as encoded, for chaining.
    pub issuer_der: Vec<u8>,
    /// The subject's name (RFC 4514); may be empty.
    pub subject: Untrusted,
    /// The subject's name as encoded, for chaining.
    pub subject_der: Vec<u8>,
    /// The subject's common name.
    pub common_name: Option<Untrusted>,
    /// Subject attributes besides the common name: type (`O`, `OU`, or the OID) and value.
    pub subject_rest: Vec<(String, Untrusted)>,
    /// The SANs in their order.
    pub sans: Vec<San>,
    /// True where the SAN extension is critical.
    pub san_critical: bool,
    /// The key.
    pub key: KeyAlgorithm,
    /// The DER SubjectPublicKeyInfo.
    pub spki_der: Vec<u8>,
    /// SHA-256 of `spki_der`.
    pub spki_sha256: Digest,
    /// Basic constraints: a certification authority.
    pub ca: bool,
    /// The path length constraint of an authority.
    pub path_len: Option<u32>,
    /// Key usage in the order of the bits; empty without the extension.
    pub key_usage: Vec<KeyUsage>,
    /// Extended key usages: the name of RFC 5280 (`serverAuth` …) or the OID.
    pub extended_key_usage: Vec<String>,
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
    /// OIDs of extensions other than SAN, basic constraints, key usage, extended key usage.
    pub other_extensions: Vec<String>,
    /// OIDs of those of `other_extensions` that are critical.
    pub other_critical: Vec<String>,
    /// The OID of the algorithm it was signed with; judged where the signature is verified.
    pub signature_algorithm: String,
}

impl IssuedCertificate {
    /// Reads one certificate in DER; the error is a sentence that is safe to show.
    ///
    /// Refused is what could be read in two ways, and keys and SANs that a CSR could not have either. Whether it is the certificate that was wanted, [`super::compare`] says.
    pub fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_| "the certificate is not readable X.509".to_owned())?;
        if !rest.is_empty() {
            return Err(format!("{} octets follow the certificate", rest.len()));
        }
        if certificate.version() != X509Version::V3 {
            return Err("the certificate is not of version 3".to_owned());
        }
        let tbs = &certificate.tbs_certificate;
        if tbs.signature != certificate.signature_algorithm {
            return Err("the certificate names two different signature algorithms (RFC 5280 §4.1.1.2)".to_owned());
        }
        let about = |what: &str, error: countersign_shared::error::ApiError| format!("{what}: {}", error.message);
        let issuer = name::read(&tbs.issuer).map_err(|error| about("the issuer's name", error))?;
        let subject = name::read(&tbs.subject).map_err(|error| about("the subject's name", error))?;
        let key = key::classify(&tbs.subject_pki).map_err(|error| about("the public key", error))?;
        let extensions = extension::read(tbs.extensions()).map_err(|error| about("the extensions", error))?;
        if let Some(name) = dotted_name(tbs.extensions()) {
            return Err(format!("the DNS name {} ends in a dot (RFC 5280 §4.2.1.6)", quoted(name)));
        }
        Ok(Self {
            der: der.to_vec(),
            sha256: Digest::of(&[der]),
            serial_hex: data_encoding::HEXLOWER.encode(certificate.raw_serial()),
            issuer: issuer.rendered,
            issuer_der: tbs.issuer.as_raw().to_vec(),
            subject: subject.rendered,
            subject_der: tbs.subject.as_raw().to_vec(),
            common_name: subject.common_name,
            subject_rest: subject.rest,
            sans: extensions.sans,
            san_critical: extensions.san_critical,
            key,
            spki_der: tbs.subject_pki.raw.to_vec(),
            spki_sha256: Digest::of(&[tbs.subject_pki.raw]),
            ca: extensions.ca.is_some(),
            path_len: extensions.ca.flatten(),
            key_usage: extensions.key_usage,
            extended_key_usage: extensions.extended_key_usage,
            not_before: timestamp(tbs.validity().not_before)?,
            not_after: timestamp(tbs.validity().not_after)?,
            other_extensions: extensions.other,
            other_critical: extensions.other_critical,
            signature_algorithm: dotted(&certificate.signature_algorithm.algorithm),
        })
    }

    /// Checks the signature with the issuer's key; algorithms that a CSR could not use are refused.
    pub fn verify_signed_by(&self, issuer: &Self) -> Result<(), String> {
        let failed = || "the signature does not verify with the issuer's key".to_owned();
        let (_, certificate) = X509Certificate::from_der(&self.der).map_err(|_| failed())?;
        signature::accepted(&certificate.signature_algorithm).map_err(|error| error.message)?;
        let (_, spki) = SubjectPublicKeyInfo::from_der(&issuer.spki_der).map_err(|_| failed())?;
        certificate.verify_signature(Some(&spki)).map_err(|_| failed())
    }
}

/// Reads a chain in PEM, leaf first: 1 to [`MAX_CHAIN`] blocks, all of them certificates.
pub fn parse_chain(text: &str) -> Result<Vec<IssuedCertificate>, String> {
    let blocks = pem::blocks(text, MAX_CHAIN)?;
    if blocks.is_empty() {
        return Err("the answer holds no PEM block".to_owned());
    }
    if blocks.len() > MAX_CHAIN {
        return Err(format!("the answer holds more than {MAX_CHAIN} PEM blocks"));
    }
    let mut chain = Vec::with_capacity(blocks.len());
    for (i, block) in blocks.iter().enumerate() {
        if block.label != "CERTIFICATE" {
            return Err(format!("PEM block {} is {}, not CERTIFICATE", i + 1, quoted(&block.label)));
        }
        chain.push(IssuedCertificate::parse(&block.der).map_err(|error| format!("certificate {}: {error}", i + 1))?);
    }
    Ok(chain)
}

/// The chain as PEM, made from its octets alone: text around the blocks of an answer goes no further.
pub fn chain_pem(chain: &[IssuedCertificate]) -> String {
    chain.iter().map(|certificate| pem::encode("CERTIFICATE", &certificate.der)).collect()
}

fn timestamp(time: ASN1Time) -> Result<Timestamp, String> {
    let millis = time.timestamp().checked_mul(1000);
    millis.and_then(Timestamp::from_unix_millis).ok_or_else(|| "the validity is out of range".to_owned())
}

/// The first DNS name that ends in a dot: reading folds it into the name without, clients do not.
fn dotted_name<'a>(extensions: &'a [X509Extension<'_>]) -> Option<&'a str> {
    let names = extensions.iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
        _ => None,
    });
    names?.iter().find_map(|name| match name {
        GeneralName::DNSName(name) if name.ends_with('.') => Some(*name),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    fn self_signed(name: &str) -> Vec<u8> {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn trailing_octets_final_dots_and_long_chains_are_refused() {
        let mut der = self_signed("www.corp.example");
        assert!(IssuedCertificate::parse(&der).is_ok());
        let chain = pem::encode("CERTIFICATE", &der);
        assert_eq!(chain_pem(&parse_chain(&format!("text\n{chain}more\n")).unwrap()), chain);
        assert!(parse_chain(&chain.repeat(MAX_CHAIN)).is_ok());
        assert!(parse_chain(&chain.repeat(MAX_CHAIN + 1)).unwrap_err().contains("more than 10"));
        der.push(0);
        assert_eq!(IssuedCertificate::parse(&der).unwrap_err(), "1 octets follow the certificate");
        let dot = IssuedCertificate::parse(&self_signed("www.corp.example.")).unwrap_err();
        assert!(dot.contains("ends in a dot"), "{dot}");
    }

    #[test]
    fn other_versions_and_two_algorithms_are_refused() {
        let der = self_signed("www.corp.example");
        let replaced = |from: &[u8], to: &[u8]| {
            let place = der.windows(from.len()).position(|window| window == from).unwrap();
            let mut other = der.clone();
            other[place..place + to.len()].copy_from_slice(to);
            IssuedCertificate::parse(&other).unwrap_err()
        };
        let version = replaced(&[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 1]);
        assert!(version.contains("version 3"), "{version}");
        let sha256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
        let sha384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
        let algorithms = replaced(&sha256, &sha384);
        assert!(algorithms.contains("two different signature algorithms"), "{algorithms}");
    }

    proptest! {
        #[test]
        fn mutated_certificates_never_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut der = self_signed("www.corp.example");
            for (place, value) in &changes {
                let place = place.index(der.len());
                der[place] = *value;
            }
            if let Ok(certificate) = IssuedCertificate::parse(&der) {
                let _ = certificate.verify_signed_by(&certificate);
            }
        }
    }
}
