//! Which names a profile carries: patterns over DNS names, addresses, URIs and mailboxes.
//!
//! A DNS pattern never matches across a label boundary: `.corp.example` does not match `evilcorp.example`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use countersign_shared::content::San;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One pattern of a profile's `names`.
///
/// Reads and writes as in the policy: `corp.example` (that name), `*.corp.example` (one label more),
/// `.corp.example` (any depth below), `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`,
/// `uri:spiffe://corp.example/*` (a prefix that ends at a path segment), `uri:urn:x:y` (that URI),
/// `email:@corp.example` (any mailbox of exactly that domain).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// Exactly this DNS name.
    Exact(String),
    /// Exactly one label before this DNS name.
    OneLabel(String),
    /// One label or more before this DNS name.
    Below(String),
    /// Addresses whose first bits are those of the first field; the second says how many.
    Network(IpAddr, u8),
    /// Exactly this URI.
    Uri(String),
    /// URIs that continue this one, which ends in `/`.
    UriBelow(String),
    /// Mailboxes of exactly this domain.
    MailDomain(String),
}

impl NamePattern {
    /// True where the pattern covers `name`.
    ///
    /// A wildcard SAN is covered by a pattern of the same reach or a wider one; whether a profile gives
    /// wildcards at all is its `allow_wildcards`.
    pub fn covers(&self, name: &San) -> bool {
        match (self, name) {
            (Self::Exact(_) | Self::OneLabel(_) | Self::Below(_), San::Dns(text)) => self.covers_dns(text.raw()),
            (Self::Network(network, bits), San::Ip(address)) => in_network(*address, *network, *bits),
            (Self::Uri(uri), San::Uri(text)) => {
                is_plain_uri(text.raw()) && fold_authority(text.raw()) == fold_authority(uri)
            }
            (Self::UriBelow(prefix), San::Uri(text)) => {
                let uri = text.raw();
                let longer = uri.len() > prefix.len();
                longer && is_plain_uri(uri) && fold_authority(uri).starts_with(&fold_authority(prefix))
            }
            (Self::MailDomain(domain), San::Email(text)) => {
                split_mailbox(text.raw()).is_some_and(|(_, found)| found.eq_ignore_ascii_case(domain))
            }
            _ => false,
        }
    }

    /// True for a pattern over whole top-level domains, such as `*.com`.
    pub fn is_top_level(&self) -> bool {
        matches!(self, Self::OneLabel(base) | Self::Below(base) if !base.contains('.'))
    }

    /// True for a pattern over addresses.
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Network(..))
    }

    fn covers_dns(&self, raw: &str) -> bool {
        let name = raw.to_ascii_lowercase();
        let (wildcard, host) = match name.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, name.as_str()),
        };
        if !is_dns_name(host) {
            return false;
        }
        match self {
            Self::Exact(exact) => !wildcard && host == exact,
            Self::OneLabel(base) if wildcard => host == base,
            Self::OneLabel(base) => below(host, base).is_some_and(|labels| !labels.contains('.')),
            Self::Below(base) => (wildcard && host == base) || below(host, base).is_some(),
            Self::Network(..) | Self::Uri(_) | Self::UriBelow(_) | Self::MailDomain(_) => false,
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::OneLabel(base) => write!(f, "*.{base}"),
            Self::Below(base) => write!(f, ".{base}"),
            Self::Network(address, bits) if *bits == width(*address) => write!(f, "{address}"),
            Self::Network(address, bits) => write!(f, "{address}/{bits}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::UriBelow(prefix) => write!(f, "uri:{prefix}*"),
            Self::MailDomain(domain) => write!(f, "email:@{domain}"),
        }
    }
}

impl FromStr for NamePattern {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        if let Some(uri) = raw.strip_prefix("uri:") {
            return uri_pattern(uri);
        }
        if let Some(mailbox) = raw.strip_prefix("email:") {
            let domain = mailbox.strip_prefix('@').map(str::to_ascii_lowercase);
            return domain
                .filter(|domain| is_dns_name(domain))
                .map(Self::MailDomain)
                .ok_or("an e-mail pattern is email:@ and a domain: email:@corp.example");
        }
        if let Ok(address) = raw.parse() {
            return Ok(Self::Network(address, width(address)));
        }
        if raw.contains('/') {
            return network_pattern(raw);
        }
        let name = raw.to_ascii_lowercase();
        let (make, host): (fn(String) -> Self, &str) = match (name.strip_prefix("*."), name.strip_prefix('.')) {
            (Some(base), _) => (Self::OneLabel, base),
            (_, Some(base)) => (Self::Below, base),
            _ => (Self::Exact, &name),
        };
        if is_dns_name(host) {
            Ok(make(host.to_owned()))
        } else {
            Err("a name pattern is corp.example, *.corp.example, .corp.example, an address, a network \
                 (10.0.0.0/8), uri:… or email:@…; IDNA names are written as A-labels (xn--…)")
        }
    }
}

impl Serialize for NamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for NamePattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "NamePattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "corp.example (that name), *.corp.example (one label more), .corp.example (any depth \
                below), an address, a network such as 10.0.0.0/8 or 2001:db8::/32, uri:spiffe://corp.example/* \
                (a prefix), email:@corp.example (mailboxes of that domain)"
        })
    }
}

/// True for a DNS host name in lower case: letters, digits and inner hyphens (RFC 1123 §2.1), labels of 1 to
/// 63 octets, 253 in all, a last label that is not a number, so that no address passes for a name.
pub fn is_dns_name(name: &str) -> bool {
    let label_fits = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253 && name.split('.').all(label_fits) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// What stands before `.base` in `host`.
fn below<'a>(host: &'a str, base: &str) -> Option<&'a str> {
    host.strip_suffix(base)?.strip_suffix('.')
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The families are kept apart: an IPv4-mapped IPv6 address is not an IPv4 address.
fn in_network(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        _ => false,
    }
}

fn network_pattern(raw: &str) -> Result<NamePattern, &'static str> {
    const SHAPE: &str = "a network is an address and its number of leading bits: 10.0.0.0/8, 2001:db8::/32";
    let (address, bits) = raw.split_once('/').ok_or(SHAPE)?;
    let network: IpAddr = address.parse().map_err(|_| SHAPE)?;
    let plain = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    let bits: u8 = bits.parse().ok().filter(|_| plain).ok_or(SHAPE)?;
    if bits > width(network) {
        return Err(SHAPE);
    }
    let host_bits_set = match network {
        IpAddr::V4(n) => n.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
        IpAddr::V6(n) => n.to_bits().checked_shl(u32::from(bits)).unwrap_or(0) != 0,
    };
    if host_bits_set {
        return Err("the network has bits set behind its prefix: 10.0.0.0/8, not 10.1.2.3/8");
    }
    Ok(NamePattern::Network(network, bits))
}

fn uri_pattern(uri: &str) -> Result<NamePattern, &'static str> {
    const SHAPE: &str = "a URI pattern is uri: and a URI, or a prefix that ends in /* behind its authority: \
                         uri:spiffe://corp.example/*";
    let (stem, prefix) = match uri.strip_suffix('*') {
        Some(stem) => (stem, true),
        None => (uri, false),
    };
    if stem.contains('*') || !is_plain_uri(stem) {
        return Err(SHAPE);
    }
    if !prefix {
        return Ok(NamePattern::Uri(stem.to_owned()));
    }
    // Without the closing slash the prefix would reach into other authorities: `https://corp.example.evil`.
    let behind_authority = authority_end(stem).is_some_and(|end| end < stem.len()) && !stem.contains(":///");
    if behind_authority && stem.ends_with('/') { Ok(NamePattern::UriBelow(stem.to_owned())) } else { Err(SHAPE) }
}

/// Where the authority of a URI ends (RFC 3986 §3.2); `None` where it has none.
fn authority_end(uri: &str) -> Option<usize> {
    let start = uri.find("://")? + 3;
    Some(uri[start..].find(['/', '?', '#']).map_or(uri.len(), |at| start + at))
}

/// Scheme and authority in lower case; they do not depend on case (RFC 3986 §6.2.2.1), the rest does.
fn fold_authority(uri: &str) -> String {
    let end = authority_end(uri).or_else(|| uri.find(':')).unwrap_or(0);
    uri[..end].to_ascii_lowercase() + &uri[end..]
}

/// A URI with a scheme, in the characters of RFC 3986 §2, that no reader resolves to another place: no `.` or
/// `..` segment, no encoded dot, slash or backslash.
fn is_plain_uri(uri: &str) -> bool {
    let scheme = uri.split(':').next().unwrap_or_default();
    let scheme_fits = uri.len() > scheme.len() + 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let octets_fit = uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b));
    let folded = uri.to_ascii_lowercase();
    let hidden = ["%2e", "%2f", "%5c", "%00"].iter().any(|escape| folded.contains(escape));
    let dots = uri.split(['/', '?', '#']).any(|segment| segment == "." || segment == "..");
    scheme_fits && octets_fit && !hidden && !dots && uri.len() <= 2048
}

/// Local part and domain of a mailbox in the dot-atom form (RFC 5322 §3.2.3); quoted forms are not read.
fn split_mailbox(mailbox: &str) -> Option<(&str, &str)> {
    let (local, domain) = mailbox.split_once('@')?;
    let atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    (local.len() <= 64 && local.split('.').all(atom)).then_some((local, domain))
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
