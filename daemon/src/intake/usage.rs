//! What the certificate is for: basic constraints, key usage, extended key usage, other extensions. The profile
//! and the kind of key decide; the CSR's wishes are compared with that and listed.

use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, KeyUsage};
use countersign_shared::error::ApiError;
use countersign_shared::protocol::{ChangeAction, Risk};
use countersign_shared::text::Untrusted;

use super::{Notes, forbidden, shown};
use crate::policy::Profile;
use crate::x509::ParsedCsr;

/// Whether the certificate will be an authority's.
pub(super) fn authority(csr: &ParsedCsr, profile: &Profile, notes: &mut Notes) -> bool {
    const FIELD: &str = "basic_constraints";
    let Some(path_length) = csr.asks_ca else { return false };
    if !profile.rules().allow_ca {
        notes.risks.push(Risk::CaRequested);
        notes.change(FIELD, ChangeAction::Dropped, "CA:TRUE", "the profile signs no certification authorities");
        notes.warned("ca", "the CSR asks to be a certification authority; the certificate will not be one");
        return false;
    }
    if let Some(length) = path_length {
        notes.change(FIELD, ChangeAction::Dropped, format!("pathlen:{length}"), "the issuer sets the path length");
    }
    notes.risks.push(Risk::Ca);
    notes.warned("ca", "the certificate will be a certification authority: its holder can sign others");
    true
}

/// The key usage, which follows from the kind of key (RFC 5280 §4.2.1.3) and from being an authority.
pub(super) fn key_usage(csr: &ParsedCsr, ca: bool, notes: &mut Notes) -> Vec<KeyUsage> {
    let given: &[KeyUsage] = match (ca, csr.key) {
        (true, _) => &[KeyUsage::KeyCertSign, KeyUsage::CrlSign],
        (false, KeyAlgorithm::Rsa(_)) => &[KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment],
        (false, KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519) => {
            &[KeyUsage::DigitalSignature]
        }
    };
    let why = if ca { "it is what an authority needs" } else { "it follows from the kind of key" };
    compare("key_usage", &csr.key_usage, given, key_usage_name, why, notes);
    given.to_vec()
}

/// The extended key usage: the profile's.
pub(super) fn extended_key_usage(
    csr: &ParsedCsr,
    profile: &Profile,
    notes: &mut Notes,
) -> Result<Vec<ExtendedKeyUsage>, ApiError> {
    let given = &profile.rules().extended_key_usage;
    let asked = &csr.extended_key_usage;
    let none_given = !asked.iter().any(|asked| given.iter().any(|usage| usage.rfc_name() == asked));
    if !asked.is_empty() && none_given {
        let words: Vec<String> = asked.iter().take(5).map(|name| shown(&Untrusted::from(name.as_str()))).collect();
        let gives: Vec<&str> = given.iter().map(|usage| usage.rfc_name()).collect();
        let message = format!(
            "the CSR asks for the extended key usage {}, and profile {} gives nothing of it",
            words.join(", "),
            profile.id()
        );
        let hint = format!("the profile gives {}: ask for that, or use another profile", gives.join(", "));
        return Err(forbidden("profile.eku", message).hint(hint));
    }
    compare("extended_key_usage", asked, given, ExtendedKeyUsage::rfc_name, "the profile sets it", notes);
    Ok(given.clone())
}

/// Whatever else the CSR asks for is not given.
pub(super) fn other_extensions(csr: &ParsedCsr, notes: &mut Notes) {
    for oid in &csr.other_extensions {
        notes.change(oid, ChangeAction::Dropped, oid.as_str(), "profiles give no such extension");
    }
}

/// Lists what was asked for and is not given, and, where the CSR named any, what is given besides.
fn compare<T: Copy>(
    field: &str,
    asked: &[String],
    given: &[T],
    name: fn(T) -> &'static str,
    why: &str,
    notes: &mut Notes,
) {
    for wish in asked.iter().filter(|wish| !given.iter().any(|usage| name(*usage) == wish.as_str())) {
        notes.change(field, ChangeAction::Dropped, wish.as_str(), why);
    }
    if asked.is_empty() {
        return;
    }
    for usage in given.iter().map(|usage| name(*usage)).filter(|usage| !asked.iter().any(|wish| wish == usage)) {
        notes.change(field, ChangeAction::Added, usage, why);
    }
}

/// The names of RFC 5280 §4.2.1.3.
const fn key_usage_name(usage: KeyUsage) -> &'static str {
    match usage {
        KeyUsage::DigitalSignature => "digitalSignature",
        KeyUsage::ContentCommitment => "nonRepudiation",
        KeyUsage::KeyEncipherment => "keyEncipherment",
        KeyUsage::DataEncipherment => "dataEncipherment",
        KeyUsage::KeyAgreement => "keyAgreement",
        KeyUsage::KeyCertSign => "keyCertSign",
        KeyUsage::CrlSign => "cRLSign",
        KeyUsage::EncipherOnly => "encipherOnly",
        KeyUsage::DecipherOnly => "decipherOnly",
    }
}
