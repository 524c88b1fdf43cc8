//! Subject alternative names (RFC 5280 §4.2.1.6): the supported types, and their syntax before anybody sees them.

use std::net::{Ipv4Addr, Ipv6Addr};

use countersign_shared::content::San;
use countersign_shared::error::ApiError;
use countersign_shared::text::{Untrusted, unicode_form};
use x509_parser::extensions::GeneralName;

use super::{MAX_SANS, dotted, quoted};

const MAX_URI: usize = 2048;
const MAX_EMAIL: usize = 254;

/// Reads the names in their order, each once.
pub(super) fn read(names: &[GeneralName<'_>]) -> Result<Vec<San>, ApiError> {
    if names.len() > MAX_SANS {
        return Err(ApiError::invalid(format!(
            "{} subject alternative names; at most {MAX_SANS} are accepted",
            names.len()
        ))
        .hint("split the names over several certificates, or use a wildcard where the profile allows one"));
    }
    let mut sans = Vec::with_capacity(names.len());
    for name in names {
        let san = one(name)?;
        if !sans.contains(&san) {
            sans.push(san);
        }
    }
    Ok(sans)
}

fn one(name: &GeneralName<'_>) -> Result<San, ApiError> {
    let unsupported = |kind: &str| {
        Err(ApiError::invalid(format!("a subject alternative name of type {kind} is not supported"))
            .hint("use the types DNS, IP, URI and e-mail"))
    };
    match name {
        GeneralName::DNSName(raw) => Ok(San::Dns(dns(raw)?.into())),
        GeneralName::IPAddress(octets) => ip(octets),
        GeneralName::URI(raw) => uri(raw),
        GeneralName::RFC822Name(raw) => email(raw),
        GeneralName::OtherName(oid, _) => unsupported(&format!("otherName ({})", dotted(oid))),
        GeneralName::DirectoryName(_) => unsupported("directoryName"),
        GeneralName::RegisteredID(oid) => unsupported(&format!("registeredID ({})", dotted(oid))),
        GeneralName::X400Address(_) => unsupported("x400Address"),
        GeneralName::EDIPartyName(_) => unsupported("ediPartyName"),
        GeneralName::Invalid(tag, _) => {
            Err(ApiError::invalid(format!("a subject alternative name (tag {}) is not readable", tag.0)))
        }
    }
}

/// A host name in lower case without a final dot: letters, digits and hyphens (RFC 5280 and RFC 1123), and
/// `*` as the whole leftmost label.
pub(super) fn dns(raw: &str) -> Result<String, ApiError> {
    let refused = |why: &str| ApiError::invalid(format!("the DNS name {} {why}", quoted(raw)));
    let name = raw.strip_suffix('.').unwrap_or(raw).to_ascii_lowercase();
    let host = name.strip_prefix("*.").unwrap_or(&name);
    if name.is_empty() || name.len() > 253 {
        return Err(refused("is not 1 to 253 octets long"));
    }
    for label in host.split('.') {
        if label.contains('*') {
            return Err(refused("has a * that is not its whole leftmost label before another one"));
        }
        if !label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-') {
            let why = "has characters other than letters, digits, hyphens and dots";
            return Err(refused(why).hint("write names of other scripts as A-labels (xn--…)"));
        }
        if label.is_empty() || label.len() > 63 {
            return Err(refused("has a label that is not 1 to 63 octets long"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(refused("has a label that begins or ends with a hyphen"));
        }
    }
    // No top-level domain is a number; an address in this place evades the rules for addresses.
    if host.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit())) {
        return Err(refused("ends in a number").hint("an address belongs into a subject alternative name of type IP"));
    }
    if unicode_form(host).as_deref() == Some("not valid IDNA") {
        return Err(refused("is not valid IDNA").hint("each label that begins with xn-- must decode (RFC 5891)"));
    }
    Ok(name)
}

fn ip(octets: &[u8]) -> Result<San, ApiError> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Ok(San::Ip(Ipv4Addr::from(four).into()));
    }
    if let Ok(sixteen) = <[u8; 16]>::try_from(octets) {
        return Ok(San::Ip(Ipv6Addr::from(sixteen).into()));
    }
    Err(ApiError::invalid(format!("an IP address of {} octets; 4 or 16 are wanted", octets.len())))
}

fn uri(raw: &str) -> Result<San, ApiError> {
    let refused = |why: &str| ApiError::invalid(format!("the URI {} {why}", quoted(raw)));
    if raw.len() > MAX_URI {
        return Err(refused(&format!("is longer than {MAX_URI} octets")));
    }
    if !raw.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(refused("has characters that are not printable ASCII").hint("percent-encode them (RFC 3986)"));
    }
    let (scheme, rest) = raw.split_once(':').unwrap_or_default();
    let mut letters = scheme.bytes();
    let scheme_fits = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
    if !scheme_fits || rest.is_empty() {
        return Err(refused("has no scheme, or nothing after it"));
    }
    Ok(San::Uri(Untrusted::from(raw)))
}

fn email(raw: &str) -> Result<San, ApiError> {
    let refused = |why: &str| ApiError::invalid(format!("the e-mail address {} {why}", quoted(raw)));
    if raw.len() > MAX_EMAIL {
        return Err(refused(&format!("is longer than {MAX_EMAIL} octets")));
    }
    if !raw.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(refused("has characters that are not printable ASCII"));
    }
    match raw.split_once('@') {
        Some((local, domain)) if (1..=64).contains(&local.len()) && !domain.contains(['@', '*']) => {
            dns(domain).map_err(|error| refused(&format!("has no valid domain: {}", error.message)))?;
            Ok(San::Email(Untrusted::from(raw)))
        }
        _ => Err(refused("is not one mailbox: a local part of 1 to 64 octets, one @ and a domain")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dns_syntax() {
        for (raw, wanted) in [
            ("www.corp.example", "www.corp.example"),
            ("WWW.Corp.Example.", "www.corp.example"),
            ("*.corp.example", "*.corp.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
            ("r3--sn.example", "r3--sn.example"),
            ("3com.example", "3com.example"),
        ] {
            assert_eq!(dns(raw).as_deref(), Ok(wanted));
        }
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "a.".repeat(124));
        for (raw, word) in [
            ("", "1 to 253"),
            (".", "1 to 253"),
            ("a..b", "1 to 63"),
            (".a", "1 to 63"),
            ("a.b..", "1 to 63"),
            (long_label.as_str(), "1 to 63"),
            (long_name.as_str(), "1 to 253"),
            ("*", "leftmost"),
            ("*.", "leftmost"),
            ("w*.corp.example", "leftmost"),
            ("www.*.example", "leftmost"),
            ("*.*.example", "leftmost"),
            ("a_b.example", "characters"),
            ("a b.example", "characters"),
            ("a\0.example", "<U+0000>"),
            ("a\u{1b}[2J.example", "<U+001B>"),
            ("bücher.example", "characters"),
            ("-a.example", "hyphen"),
            ("a-.example", "hyphen"),
            ("10.0.0.1", "number"),
            ("xn--999999999.example", "not valid IDNA"),
        ] {
            let error = dns(raw).unwrap_err().message;
            assert!(error.contains(word), "{error}");
            assert!(!error.chars().any(countersign_shared::text::is_deceiving));
        }
    }

    #[test]
    fn uri_email_and_ip_syntax() {
        assert!(uri("spiffe://corp.example/web").is_ok());
        for bad in ["", "web", ":x", "1a:x", "http:", "http://a b", "http://é", &format!("a:{}", "b".repeat(2048))] {
            assert!(uri(bad).is_err(), "{bad}");
        }
        assert!(email("pki+x@corp.example").is_ok());
        for bad in ["", "a", "@b.example", "a@", "a@b@c.example", "a@*.example", "a b@c.example", "a@b_c", "a\n@b.c"] {
            assert!(email(bad).is_err(), "{bad}");
        }
        assert_eq!(ip(&[192, 0, 2, 7]).map(|san| san.tagged()).as_deref(), Ok("ip:192.0.2.7"));
        for length in [0, 3, 5, 8, 15, 17, 32] {
            assert!(ip(&vec![0; length]).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_stable(raw in "[a-zA-Z0-9*._\\-\\PC]{0,40}") {
            if let Ok(name) = dns(&raw) {
                let again = dns(&name);
                prop_assert_eq!(again.as_deref(), Ok(name.as_str()));
            }
        }
    }
}
