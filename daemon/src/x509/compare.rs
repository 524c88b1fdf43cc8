//! Approved is what was seen: an issued chain against the content that people agreed to, in every respect.

use std::collections::BTreeSet;

use countersign_shared::content::{CertificateContent, KeyUsage};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;

use super::certificate::IssuedCertificate;
use super::{extension, quoted};

/// How far before the order a certificate may begin: issuers backdate for clocks that are slow.
const BACKDATING_MS: i64 = 5 * 60_000;
/// How far the issuer's clock may be from ours.
const SKEW_MS: i64 = 60_000;
/// The differences that are told at most.
const MAX_TOLD: usize = 20;
/// What an issuer adds of itself: it says where the certificate comes from and how it is checked, and gives its
/// holder nothing (RFC 5280 §4.2, RFC 6962 §3.3). Every other extension could mean something that nobody agreed to.
const OF_THE_ISSUER: [&str; 7] = [
    "2.5.29.14",               // subject key identifier
    "2.5.29.35",               // authority key identifier
    "2.5.29.31",               // CRL distribution points
    "2.5.29.46",               // freshest CRL
    "2.5.29.32",               // certificate policies
    "1.3.6.1.5.5.7.1.1",       // authority information access
    "1.3.6.1.4.1.11129.2.4.2", // signed certificate timestamps
];

/// When the certificate was ordered and when the answer came.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// When the issuer was asked.
    pub ordered: Timestamp,
    /// When it had answered.
    pub answered: Timestamp,
}

/// Says in what an issued chain (leaf first) differs from what was approved.
///
/// The leaf must carry exactly the approved key, names, subject, usages and authority flag, be valid no longer
/// than approved, begin within five minutes before the order (a minute of clock skew allowed on both sides), and
/// have no extension beyond these and what an issuer adds of itself, not critical. An authority must be one that may
/// make no further authorities. DNS names are compared without regard to case
/// (RFC 4343). Each certificate must be signed by the next one, which must be an authority that may sign it, and
/// the leaf must lie within its issuers' validity. Whether the chain's last certificate is trusted is not judged
/// here.
///
/// # Errors
/// One sentence for each difference, at most 20, safe to show.
pub fn compare(approved: &CertificateContent, chain: &[IssuedCertificate], window: Window) -> Result<(), Vec<String>> {
    let Some((leaf, issuers)) = chain.split_first() else {
        return Err(vec!["the chain is empty".to_owned()]);
    };
    let mut differences = Vec::new();
    key(approved, leaf, &mut differences);
    subject(approved, leaf, &mut differences);
    names(approved, leaf, &mut differences);
    usages(approved, leaf, &mut differences);
    serial(leaf, &mut differences);
    validity(approved, leaf, window, &mut differences);
    if issuers.is_empty() {
        differences.push("the chain is the leaf alone; its issuer must follow, to verify the signature".to_owned());
    }
    for (depth, pair) in chain.windows(2).enumerate() {
        if let [certificate, issuer] = pair {
            signed(depth, certificate, issuer, leaf, &mut differences);
        }
    }
    differences.truncate(MAX_TOLD);
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

/// Says in what a certificate differs from content that would take its place, the key itself and the validity left
/// aside: subject, names, usages, authority, and the kind and size of the key.
///
/// # Errors
/// As [`compare`].
pub fn compare_successor(content: &CertificateContent, leaf: &IssuedCertificate) -> Result<(), Vec<String>> {
    let mut differences = Vec::new();
    let with_its_key = CertificateContent { spki_sha256: leaf.spki_sha256, ..content.clone() };
    key(&with_its_key, leaf, &mut differences);
    subject(content, leaf, &mut differences);
    names(content, leaf, &mut differences);
    usages(content, leaf, &mut differences);
    differences.truncate(MAX_TOLD);
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

fn key(approved: &CertificateContent, leaf: &IssuedCertificate, differences: &mut Vec<String>) {
    if leaf.spki_sha256 != approved.spki_sha256 {
        differences.push(format!(
            "the public key is {} (SHA-256 {}), approved is {} (SHA-256 {})",
            leaf.key, leaf.spki_sha256, approved.key, approved.spki_sha256
        ));
    } else if leaf.key != approved.key {
        differences.push(format!("the key is {}, approved is {}", leaf.key, approved.key));
    }
}

fn subject(approved: &CertificateContent, leaf: &IssuedCertificate, differences: &mut Vec<String>) {
    if leaf.common_name != approved.common_name {
        let shown =
            |name: &Option<Untrusted>| name.as_ref().map_or_else(|| "none".to_owned(), |name| quoted(name.raw()));
        differences.push(format!(
            "the common name is {}, approved is {}",
            shown(&leaf.common_name),
            shown(&approved.common_name)
        ));
    }
    let mut wanted: Vec<(&str, &str)> =
        approved.subject.iter().map(|(attribute, value)| (attribute.short_name(), value.as_str())).collect();
    let mut found: Vec<(&str, &str)> =
        leaf.subject_rest.iter().map(|(kind, value)| (kind.as_str(), value.raw())).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    if wanted != found {
        let shown = |pairs: &[(&str, &str)]| {
            let all: Vec<String> = pairs.iter().map(|(kind, value)| format!("{kind} {}", quoted(value))).collect();
            if all.is_empty() { "none".to_owned() } else { all.join(", ") }
        };
        differences.push(format!("the subject's attributes are {}; approved: {}", shown(&found), shown(&wanted)));
    }
}

fn names(approved: &CertificateContent, leaf: &IssuedCertificate, differences: &mut Vec<String>) {
    let wanted: BTreeSet<_> = approved.sans.iter().collect();
    let found: BTreeSet<_> = leaf.sans.iter().collect();
    for san in found.difference(&wanted) {
        differences.push(format!("the name {} {} was not approved", san.kind(), quoted(san.value().raw())));
    }
    for san in wanted.difference(&found) {
        differences.push(format!("the approved name {} {} is missing", san.kind(), quoted(san.value().raw())));
    }
    if leaf.subject_der == EMPTY_NAME && !leaf.san_critical {
        differences.push("the subject is empty and the subject alternative names are not critical".to_owned());
    }
}

/// An empty SEQUENCE.
const EMPTY_NAME: [u8; 2] = [0x30, 0];

fn usages(approved: &CertificateContent, leaf: &IssuedCertificate, differences: &mut Vec<String>) {
    if leaf.ca != approved.ca {
        let is = if leaf.ca { "is" } else { "is not" };
        differences.push(format!("the certificate {is} a certification authority, other than approved"));
    }
    let wanted: BTreeSet<&str> = approved.key_usage.iter().map(|usage| extension::ku_name(*usage)).collect();
    let found: BTreeSet<&str> = leaf.key_usage.iter().map(|usage| extension::ku_name(*usage)).collect();
    set("key usage", &found, &wanted, differences);
    let wanted = approved.extended_key_usage.iter().map(|usage| usage.rfc_name()).collect();
    let found = leaf.extended_key_usage.iter().map(String::as_str).collect();
    set("extended key usage", &found, &wanted, differences);
    // People agreed to one authority. The content has no field for a path length, so the least power is what was
    // agreed to: certificates of end entities and nothing below.
    if leaf.ca && leaf.path_len != Some(0) {
        let found = leaf.path_len.map_or_else(|| "without a limit".to_owned(), |length| format!("of {length}"));
        differences.push(format!("the path length is {found}; an approved authority has 0"));
    }
    for oid in &leaf.other_extensions {
        if leaf.other_critical.contains(oid) {
            differences.push(format!("the critical extension {oid} was not approved"));
        } else if !OF_THE_ISSUER.contains(&oid.as_str()) {
            differences.push(format!("the extension {oid} was not approved"));
        }
    }
}

fn set(what: &str, found: &BTreeSet<&str>, wanted: &BTreeSet<&str>, differences: &mut Vec<String>) {
    if found != wanted {
        let shown = |set: &BTreeSet<&str>| {
            let all: Vec<&str> = set.iter().copied().collect();
            if all.is_empty() { "none".to_owned() } else { all.join(", ") }
        };
        differences.push(format!("the {what} is {}; approved: {}", shown(found), shown(wanted)));
    }
}

fn serial(leaf: &IssuedCertificate, differences: &mut Vec<String>) {
    let digits = leaf.serial_hex.as_bytes();
    let negative = digits.first().is_none_or(|digit| !(b'0'..=b'7').contains(digit));
    let zero = digits.iter().all(|digit| *digit == b'0');
    if negative || zero || digits.len() > 40 {
        differences.push(format!(
            "the serial number {} is not a positive number of at most 20 octets (RFC 5280 §4.1.2.2)",
            quoted(&leaf.serial_hex)
        ));
    }
}

fn validity(approved: &CertificateContent, leaf: &IssuedCertificate, window: Window, differences: &mut Vec<String>) {
    let (begin, end) = (leaf.not_before.unix_millis(), leaf.not_after.unix_millis());
    let longest = i64::try_from(approved.valid_for.millis()).unwrap_or(i64::MAX);
    if end <= begin {
        differences.push(format!("it ends ({}) before it begins ({})", leaf.not_after, leaf.not_before));
    } else if end - begin > longest {
        differences.push(format!(
            "it is valid from {} to {}, longer than the approved {}",
            leaf.not_before, leaf.not_after, approved.valid_for
        ));
    }
    if begin > window.answered.unix_millis().saturating_add(SKEW_MS) {
        differences.push(format!("it begins in the future ({}; now {})", leaf.not_before, window.answered));
    }
    // A certificate's times are whole seconds: the order's own second is not before the order.
    if begin < window.ordered.unix_millis().saturating_sub(BACKDATING_MS + SKEW_MS + 999) {
        differences.push(format!(
            "it begins at {}, more than five minutes before it was ordered ({})",
            leaf.not_before, window.ordered
        ));
    }
    if end <= window.answered.unix_millis() {
        differences.push(format!("it has expired already ({}; now {})", leaf.not_after, window.answered));
    }
}

/// `depth` is the number of certificates below `certificate`.
fn signed(
    depth: usize,
    certificate: &IssuedCertificate,
    issuer: &IssuedCertificate,
    leaf: &IssuedCertificate,
    differences: &mut Vec<String>,
) {
    let place = depth + 1;
    if certificate.issuer_der != issuer.subject_der {
        differences.push(format!(
            "certificate {place} of the chain names the issuer {}, the next one is {}",
            quoted(certificate.issuer.raw()),
            quoted(issuer.subject.raw())
        ));
    }
    if let Err(error) = certificate.verify_signed_by(issuer) {
        differences.push(format!("certificate {place} of the chain: {error}"));
    }
    let may_sign = issuer.key_usage.is_empty() || issuer.key_usage.contains(&KeyUsage::KeyCertSign);
    if !issuer.ca || !may_sign {
        differences.push(format!("certificate {} of the chain may not sign certificates", place + 1));
    }
    // RFC 5280 §4.2.1.9 counts the authorities between the leaf and this issuer, never the leaf.
    if issuer.path_len.is_some_and(|limit| depth as u64 > u64::from(limit)) {
        differences.push(format!("certificate {} of the chain stands above more authorities than it may", place + 1));
    }
    if leaf.ca && issuer.path_len == Some(0) && depth == 0 {
        differences.push("the issuer may not make certification authorities (path length 0)".to_owned());
    }
    if leaf.not_before < issuer.not_before || leaf.not_after > issuer.not_after {
        differences.push(format!(
            "it is valid from {} to {}, outside of its issuer {} ({} to {})",
            leaf.not_before,
            leaf.not_after,
            quoted(issuer.subject.raw()),
            issuer.not_before,
            issuer.not_after
        ));
    }
}

#[cfg(test)]
mod tests;
