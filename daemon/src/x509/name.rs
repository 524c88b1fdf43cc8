//! Distinguished names (RFC 5280 §4.1.2.4) as text (RFC 4514), whatever string type they were written in.

use countersign_shared::error::ApiError;
use countersign_shared::text::Untrusted;
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::X509Name;

use super::{MAX_PARTS, dotted, quoted};

/// The longest attribute value, in octets.
const MAX_VALUE: usize = 512;
/// `ub-common-name` of RFC 5280, in characters.
const MAX_COMMON_NAME: usize = 64;

/// Short names of the attribute types that RFC 4514 and common practice abbreviate.
const SHORT_NAMES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
];

/// A distinguished name as plain values.
pub(super) struct Name {
    /// RFC 4514; empty for an empty name.
    pub rendered: Untrusted,
    pub common_name: Option<Untrusted>,
    /// Every other attribute in the order of the encoding.
    pub rest: Vec<(String, Untrusted)>,
}

/// Reads a name; refuses two common names, control characters in one, and values that are no text.
pub(super) fn read(name: &X509Name<'_>) -> Result<Name, ApiError> {
    if name.iter_attributes().count() > MAX_PARTS {
        return Err(ApiError::invalid(format!("the subject has more than {MAX_PARTS} attributes")));
    }
    let mut common_names = Vec::new();
    let mut rest = Vec::new();
    let mut rendered = Vec::new();
    for rdn in name.iter_rdn() {
        let mut parts = Vec::new();
        for attribute in rdn.iter() {
            let kind = short_name(&dotted(attribute.attr_type()));
            let value = text(attribute.attr_value())
                .ok_or_else(|| ApiError::invalid(format!("the subject's {kind} is not a text that X.520 allows")))?;
            if value.len() > MAX_VALUE {
                return Err(ApiError::invalid(format!("the subject's {kind} is longer than {MAX_VALUE} octets")));
            }
            parts.push(format!("{kind}={}", escaped(&value)));
            if kind == "CN" {
                common_names.push(value);
            } else {
                rest.push((kind, Untrusted::new(value)));
            }
        }
        rendered.push(parts.join("+"));
    }
    rendered.reverse();
    if common_names.len() > 1 {
        return Err(ApiError::invalid("the subject has more than one common name")
            .hint("put one name into the subject and every name into the subject alternative names"));
    }
    let common_name = common_names.pop();
    if let Some(name) = &common_name {
        check_common_name(name)?;
    }
    Ok(Name { rendered: Untrusted::new(rendered.join(",")), common_name: common_name.map(Untrusted::new), rest })
}

fn check_common_name(name: &str) -> Result<(), ApiError> {
    if name.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("the common name {} has control characters", quoted(name))));
    }
    if name.is_empty() || name.chars().count() > MAX_COMMON_NAME {
        return Err(ApiError::invalid(format!(
            "the common name {} is not 1 to {MAX_COMMON_NAME} characters long (RFC 5280, ub-common-name)",
            quoted(name)
        ))
        .hint("leave the common name out; the subject alternative names are what counts"));
    }
    Ok(())
}

fn short_name(oid: &str) -> String {
    SHORT_NAMES.iter().find(|(known, _)| *known == oid).map_or(oid, |(_, short)| short).to_owned()
}

/// The string types of X.520; `None` for other types and for octets that do not fit the type.
fn text(value: &Any<'_>) -> Option<String> {
    let octets = value.data;
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(octets).ok().map(str::to_owned)
        }
        // T.61 as everybody writes it: ISO 8859-1.
        Tag::T61String => Some(octets.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let (pairs, rest) = octets.as_chunks::<2>();
            let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
            if rest.is_empty() { char::decode_utf16(units).collect::<Result<_, _>>().ok() } else { None }
        }
        Tag::UniversalString => {
            let (words, rest) = octets.as_chunks::<4>();
            let chars = words.iter().map(|word| char::from_u32(u32::from_be_bytes(*word)));
            if rest.is_empty() { chars.collect() } else { None }
        }
        _ => None,
    }
}

/// RFC 4514 §2.4.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(value.len());
    for (i, c) in value.chars().enumerate() {
        let special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (i == 0 && matches!(c, ' ' | '#'))
            || (i == last && c == ' ');
        if special {
            out.push('\\');
        }
        if c == '\0' { out.push_str("\\00") } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::asn1_rs::{Class, Header, Length};

    fn any(tag: Tag, octets: &[u8]) -> Any<'_> {
        Any::new(Header::new(Class::Universal, false, tag, Length::Definite(octets.len())), octets)
    }

    #[test]
    fn every_string_type_is_read() {
        for (tag, octets, wanted) in [
            (Tag::Utf8String, "Büro".as_bytes(), Some("Büro")),
            (Tag::T61String, b"B\xfcro", Some("Büro")),
            (Tag::BmpString, b"\0B\0\xfc", Some("Bü")),
            (Tag::BmpString, b"\0B\0", None),
            (Tag::BmpString, b"\xd8\x00", None),
            (Tag::UniversalString, b"\0\0\0B\0\x01\xf6\x00", Some("B\u{1f600}")),
            (Tag::UniversalString, b"\0\x11\0\0", None),
            (Tag::Utf8String, b"\xff", None),
            (Tag::Integer, b"\x01", None),
        ] {
            assert_eq!(text(&any(tag, octets)).as_deref(), wanted, "{tag}");
        }
    }

    #[test]
    fn rfc_4514_escapes() {
        for (raw, wanted) in
            [("a,b+c", "a\\,b\\+c"), (" x ", "\\ x\\ "), ("#1", "\\#1"), ("a\0", "a\\00"), ("", ""), ("a b", "a b")]
        {
            assert_eq!(escaped(raw), wanted);
        }
    }
}
