//! The extensions that a CSR asks for or a certificate carries, each at most once, each read whole.

use countersign_shared::content::{ExtendedKeyUsage, KeyUsage, San};
use countersign_shared::error::ApiError;
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::extensions::{self as parsed, ParsedExtension, X509Extension};

use super::{MAX_PARTS, dotted, san};

/// Key usage bits in the order of RFC 5280 §4.2.1.3, bit 0 first.
const KEY_USAGES: [(KeyUsage, &str); 9] = [
    (KeyUsage::DigitalSignature, "digitalSignature"),
    (KeyUsage::ContentCommitment, "contentCommitment"),
    (KeyUsage::KeyEncipherment, "keyEncipherment"),
    (KeyUsage::DataEncipherment, "dataEncipherment"),
    (KeyUsage::KeyAgreement, "keyAgreement"),
    (KeyUsage::KeyCertSign, "keyCertSign"),
    (KeyUsage::CrlSign, "cRLSign"),
    (KeyUsage::EncipherOnly, "encipherOnly"),
    (KeyUsage::DecipherOnly, "decipherOnly"),
];

/// The name that RFC 5280 §4.2.1.3 gives a key usage bit.
pub(super) fn ku_name(usage: KeyUsage) -> &'static str {
    KEY_USAGES.iter().find(|(known, _)| *known == usage).map_or(usage.as_str(), |(_, name)| name)
}

/// Extensions as plain values.
#[derive(Default)]
pub(super) struct Extensions {
    pub sans: Vec<San>,
    pub san_critical: bool,
    /// `Some(path length)` for `CA:TRUE`.
    pub ca: Option<Option<u32>>,
    pub key_usage: Vec<KeyUsage>,
    /// Names of RFC 5280, or OIDs.
    pub extended_key_usage: Vec<String>,
    /// OIDs of all others, in their order.
    pub other: Vec<String>,
    /// OIDs of those of `other` that are critical.
    pub other_critical: Vec<String>,
}

/// Reads extensions; refuses too many of them, one twice, and one that is not readable to its last octet.
pub(super) fn read(extensions: &[X509Extension<'_>]) -> Result<Extensions, ApiError> {
    if extensions.len() > MAX_PARTS {
        return Err(ApiError::invalid(format!("{} extensions; at most {MAX_PARTS} are accepted", extensions.len())));
    }
    let mut all = Extensions::default();
    let mut seen = Vec::new();
    for extension in extensions {
        let oid = dotted(&extension.oid);
        if seen.contains(&oid) {
            return Err(ApiError::invalid(format!(
                "the extension {oid} stands there twice (RFC 5280 §4.2 forbids it)"
            )));
        }
        let unreadable = || ApiError::invalid(format!("the extension {oid} is not readable"));
        let understood = match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => {
                all.sans = san::read(&names.general_names)?;
                all.san_critical = extension.critical;
                true
            }
            ParsedExtension::BasicConstraints(constraints) => {
                all.ca = constraints.ca.then_some(constraints.path_len_constraint);
                true
            }
            ParsedExtension::KeyUsage(usage) => {
                all.key_usage = key_usage(usage).ok_or_else(unreadable)?;
                true
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                all.extended_key_usage = extended_key_usage(usage)?;
                true
            }
            ParsedExtension::ParseError { .. } => return Err(unreadable()),
            _ => false,
        };
        if understood && !Any::from_der(extension.value).is_ok_and(|(rest, _)| rest.is_empty()) {
            return Err(unreadable());
        }
        if !understood {
            all.other.push(oid.clone());
            if extension.critical {
                all.other_critical.push(oid.clone());
            }
        }
        seen.push(oid);
    }
    Ok(all)
}

/// `None` where a bit is set that RFC 5280 does not define.
fn key_usage(usage: &parsed::KeyUsage) -> Option<Vec<KeyUsage>> {
    let set = KEY_USAGES.iter().enumerate().filter(|(bit, _)| usage.flags >> bit & 1 == 1);
    (usage.flags >> KEY_USAGES.len() == 0).then(|| set.map(|(_, (usage, _))| *usage).collect())
}

fn extended_key_usage(usage: &parsed::ExtendedKeyUsage<'_>) -> Result<Vec<String>, ApiError> {
    if usage.other.len() > MAX_PARTS {
        return Err(ApiError::invalid(format!(
            "{} extended key usages; at most {MAX_PARTS} are accepted",
            usage.other.len()
        )));
    }
    let known = [
        (usage.any, "anyExtendedKeyUsage"),
        (usage.server_auth, ExtendedKeyUsage::ServerAuth.rfc_name()),
        (usage.client_auth, ExtendedKeyUsage::ClientAuth.rfc_name()),
        (usage.code_signing, ExtendedKeyUsage::CodeSigning.rfc_name()),
        (usage.email_protection, ExtendedKeyUsage::EmailProtection.rfc_name()),
        (usage.time_stamping, ExtendedKeyUsage::TimeStamping.rfc_name()),
        (usage.ocsp_signing, ExtendedKeyUsage::OcspSigning.rfc_name()),
    ];
    let names = known.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned());
    Ok(names.chain(usage.other.iter().map(dotted)).collect())
}
