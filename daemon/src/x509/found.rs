//! Certificates that somebody else made, read leniently: an inventory has to know of one with a weak key, a name
//! that nobody should have, or version 1 all the same, since it expires like any other.
//!
//! Nothing read here is ever issued or compared with an approval; for that there is [`super::certificate`], which
//! refuses what this only describes.

use countersign_shared::content::San;
use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use x509_parser::asn1_rs::{FromDer, Tag};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use super::{dotted, key, name};

/// The most names that are kept of one certificate; `names_total` says how many it has.
pub const MAX_KEPT_NAMES: usize = 1000;
/// The longest name or distinguished name that is kept, in characters.
const MAX_TEXT: usize = 2048;

/// Curves that keys are found on and that no CSR may use.
const OTHER_CURVES: [(&str, &str); 4] = [
    ("1.3.132.0.35", "ecdsa-p521"),
    ("1.3.132.0.33", "ecdsa-p224"),
    ("1.2.840.10045.3.1.1", "ecdsa-p192"),
    ("1.3.132.0.10", "ecdsa-secp256k1"),
];

/// Key types that are found and that no CSR may use.
const OTHER_KEYS: [(&str, &str); 3] =
    [("1.2.840.113549.1.1.10", "rsa-pss"), ("1.2.840.10040.4.1", "dsa"), ("1.3.101.113", "ed448")];

/// A certificate as it was found. Nothing in it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCertificate {
    /// The whole certificate.
    pub der: Vec<u8>,
    /// SHA-256 of `der`: the fingerprint by which it is recognised wherever it stands.
    pub sha256: Digest,
    /// The serial number's INTEGER octets in lower-case hexadecimal.
    pub serial_hex: String,
    /// The issuer's name, RFC 4514 where it can be written so.
    pub issuer: Untrusted,
    /// The issuer's name as encoded, for chaining.
    pub issuer_der: Vec<u8>,
    /// The subject's name, RFC 4514 where it can be written so; may be empty.
    pub subject: Untrusted,
    /// The subject's name as encoded, for chaining.
    pub subject_der: Vec<u8>,
    /// The subject's first common name.
    pub common_name: Option<Untrusted>,
    /// The SANs in their order, each once, at most [`MAX_KEPT_NAMES`]; their syntax is not checked, DNS names are in
    /// lower case.
    pub names: Vec<San>,
    /// How many SANs the certificate has, those of other types and unreadable ones included.
    pub names_total: usize,
    /// The kind of key as the policy writes it (`rsa-2048`), or as nearly so as it can be told (`rsa-1024`,
    /// `ecdsa-p521`, `oid:1.2.3`).
    pub key: String,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: Digest,
    /// Basic constraints: a certification authority. Version 1 certificates have none.
    pub ca: bool,
    /// The subject key identifier.
    pub subject_key: Option<Vec<u8>>,
    /// The authority key identifier.
    pub authority_key: Option<Vec<u8>>,
    /// The first moment of validity.
    pub not_before: Timestamp,
    /// The last moment of validity.
    pub not_after: Timestamp,
}

impl FoundCertificate {
    /// Reads one certificate from the front of some octets; returns what follows it.
    ///
    /// The error is a sentence that is safe to show.
    pub fn read(octets: &[u8]) -> Result<(Self, &[u8]), String> {
        let (rest, certificate) =
            X509Certificate::from_der(octets).map_err(|_| "it is not readable X.509".to_owned())?;
        let der = &octets[..octets.len() - rest.len()];
        let tbs = &certificate.tbs_certificate;
        let mut found = Self {
            der: der.to_vec(),
            sha256: Digest::of(&[der]),
            serial_hex: data_encoding::HEXLOWER.encode(certificate.raw_serial()),
            issuer: rendered(&tbs.issuer),
            issuer_der: tbs.issuer.as_raw().to_vec(),
            subject: rendered(&tbs.subject),
            subject_der: tbs.subject.as_raw().to_vec(),
            common_name: common_name(&tbs.subject),
            names: Vec::new(),
            names_total: 0,
            key: key_kind(&tbs.subject_pki),
            spki_sha256: Digest::of(&[tbs.subject_pki.raw]),
            ca: false,
            subject_key: None,
            authority_key: None,
            not_before: timestamp(tbs.validity().not_before)?,
            not_after: timestamp(tbs.validity().not_after)?,
        };
        for extension in tbs.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => found.take_names(&names.general_names),
                ParsedExtension::BasicConstraints(constraints) => found.ca = constraints.ca,
                ParsedExtension::SubjectKeyIdentifier(id) => found.subject_key = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    found.authority_key = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                _ => {}
            }
        }
        Ok((found, rest))
    }

    /// The name that people know it by: the first DNS name, any other SAN, the common name, or the subject.
    pub fn primary_name(&self) -> Untrusted {
        let dns = self.names.iter().find(|name| matches!(name, San::Dns(_)));
        dns.or(self.names.first())
            .map(San::value)
            .or_else(|| self.common_name.clone())
            .unwrap_or_else(|| self.subject.clone())
    }

    /// True where issuer and subject are the same name.
    pub fn self_issued(&self) -> bool {
        self.issuer_der == self.subject_der
    }

    fn take_names(&mut self, names: &[GeneralName<'_>]) {
        self.names_total += names.len();
        let mut known: std::collections::HashSet<San> = self.names.iter().cloned().collect();
        for name in names.iter().filter_map(san) {
            if self.names.len() < MAX_KEPT_NAMES && known.insert(name.clone()) {
                self.names.push(name);
            }
        }
    }
}

fn san(name: &GeneralName<'_>) -> Option<San> {
    match name {
        GeneralName::DNSName(raw) => Some(San::Dns(short(&raw.to_ascii_lowercase()))),
        GeneralName::IPAddress(octets) => {
            let four = <[u8; 4]>::try_from(*octets).map(std::net::IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(*octets).map(std::net::IpAddr::from)).ok().map(San::Ip)
        }
        GeneralName::URI(raw) => Some(San::Uri(short(raw))),
        GeneralName::RFC822Name(raw) => Some(San::Email(short(raw))),
        _ => None,
    }
}

fn rendered(raw: &X509Name<'_>) -> Untrusted {
    match name::read(raw) {
        Ok(name) => short(name.rendered.raw()),
        Err(_) => short(&raw.to_string()),
    }
}

fn common_name(subject: &X509Name<'_>) -> Option<Untrusted> {
    subject.iter_common_name().find_map(|attribute| attribute.as_str().ok()).map(short)
}

/// Text cut to [`MAX_TEXT`] characters.
fn short(raw: &str) -> Untrusted {
    match raw.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => Untrusted::new(format!("{}…", &raw[..end])),
        None => Untrusted::from(raw),
    }
}

fn key_kind(spki: &SubjectPublicKeyInfo<'_>) -> String {
    if let Ok(known) = key::classify(spki) {
        return known.to_string();
    }
    let oid = dotted(&spki.algorithm.algorithm);
    if let Some((_, kind)) = OTHER_KEYS.iter().find(|(other, _)| *other == oid) {
        return (*kind).to_owned();
    }
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) => format!("rsa-{}", bits(key.modulus)),
        Ok(PublicKey::EC(_)) => {
            let parameters = spki.algorithm.parameters().filter(|parameters| parameters.tag() == Tag::Oid);
            let curve = parameters.and_then(|oid| oid.as_oid().ok()).map(|oid| dotted(&oid));
            let known = OTHER_CURVES.iter().find(|(oid, _)| Some(*oid) == curve.as_deref());
            known.map_or_else(
                || format!("ecdsa-{}", curve.as_deref().unwrap_or("explicit-curve")),
                |(_, kind)| (*kind).to_owned(),
            )
        }
        _ => format!("oid:{oid}"),
    }
}

/// The length of a big-endian number without its leading zero bits.
fn bits(modulus: &[u8]) -> usize {
    let significant = modulus.iter().position(|octet| *octet != 0).map_or(&[][..], |start| &modulus[start..]);
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

fn timestamp(time: ASN1Time) -> Result<Timestamp, String> {
    let millis = time.timestamp().checked_mul(1000);
    millis.and_then(Timestamp::from_unix_millis).ok_or_else(|| "its validity is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn certificate(names: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names =
            names.iter().map(|name| SanType::DnsName((*name).to_owned().try_into().unwrap())).collect();
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn what_issuing_refuses_is_still_found() {
        let many: Vec<String> = (0..MAX_KEPT_NAMES + 5).map(|i| format!("h{i}.corp.example")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let der = certificate(&many);
        assert!(super::super::certificate::IssuedCertificate::parse(&der).is_err());
        let (found, rest) = FoundCertificate::read(&der).unwrap();
        assert_eq!((found.names.len(), found.names_total, rest.len()), (MAX_KEPT_NAMES, MAX_KEPT_NAMES + 5, 0));

        let (odd, _) = FoundCertificate::read(&certificate(&["A_B.Example.", "a_b.example.", "10.0.0.1"])).unwrap();
        assert_eq!(odd.names.len(), 2);
        assert_eq!(odd.primary_name().raw(), "a_b.example.");
        assert!(odd.self_issued() && !odd.ca);
        assert_eq!(odd.key, "ecdsa-p256");
    }

    #[test]
    fn what_follows_is_given_back() {
        let mut two = certificate(&["a.corp.example"]);
        let length = two.len();
        two.extend_from_slice(b"tail");
        let (found, rest) = FoundCertificate::read(&two).unwrap();
        assert_eq!((found.der.len(), rest), (length, &b"tail"[..]));
        assert_eq!(found.sha256, Digest::of(&[&two[..length]]));
    }

    #[test]
    fn lengths_of_moduli() {
        for (modulus, wanted) in [(&[][..], 0), (&[0, 0][..], 0), (&[0, 0x80, 0][..], 16), (&[1, 0][..], 9)] {
            assert_eq!(bits(modulus), wanted);
        }
    }

    proptest! {
        #[test]
        fn mutated_certificates_never_panic(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut der = certificate(&["www.corp.example", "*.corp.example"]);
            for (place, value) in &changes {
                let place = place.index(der.len());
                der[place] = *value;
            }
            let _ = FoundCertificate::read(&der);
            let _ = FoundCertificate::read(&der[..cut.index(der.len())]);
        }
    }
}
