//! Canonical JSON: RFC 8785 restricted to what the ledger needs. Sorted ASCII keys, NFC strings, integers
//! within ±(2⁵³−1), no floats, no null, no duplicate keys, at most [`MAX_BYTES`] octets.

use std::fmt;

/// True for text in Unicode normalization form C.
pub fn is_nfc(text: &str) -> bool {
    text.is_ascii() || unicode_normalization::is_nfc(text)
}

/// The largest canonical object: 16 KiB.
pub const MAX_BYTES: usize = 16 * 1024;
/// The largest integer that every JSON reader keeps exactly (RFC 8785 §3.2.2.3, RFC 7493 §2.2).
pub const MAX_INTEGER: i64 = (1 << 53) - 1;

/// Why a value has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanonicalError {
    /// Keys must be given in ascending order, each once, printable ASCII without quote and backslash.
    Key(String),
    /// A string is not in Unicode normalization form C.
    NotNfc(String),
    /// An integer is outside ±(2⁵³−1).
    Integer(i64),
    /// The object is larger than [`MAX_BYTES`].
    TooLarge(usize),
}

impl fmt::Display for CanonicalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key {key:?} is out of order, repeated or not plain ASCII"),
            Self::NotNfc(key) => write!(f, "the string under {key:?} is not in normalization form C"),
            Self::Integer(value) => write!(f, "{value} is outside ±(2^53-1)"),
            Self::TooLarge(size) => write!(f, "{size} octets; at most {MAX_BYTES} are allowed"),
        }
    }
}

impl std::error::Error for CanonicalError {}

/// Writes one canonical object, key by key in ascending order. The first mistake is kept and comes out of
/// [`Object::finish`].
pub struct Object {
    bytes: Vec<u8>,
    last_key: Option<String>,
    error: Option<CanonicalError>,
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Object {
    /// An empty object.
    pub fn new() -> Self {
        let mut bytes = Vec::with_capacity(1024);
        bytes.push(b'{');
        Self { bytes, last_key: None, error: None }
    }

    /// A string member.
    pub fn string(&mut self, key: &str, value: &str) -> &mut Self {
        if !is_nfc(value) {
            self.fail(CanonicalError::NotNfc(key.to_owned()));
        }
        self.key(key);
        write_string(&mut self.bytes, value.as_bytes());
        self
    }

    /// A string member that is left out when there is none; an absent key and an empty string differ.
    pub fn string_if(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.string(key, value),
            None => self,
        }
    }

    /// An integer member.
    pub fn integer(&mut self, key: &str, value: i64) -> &mut Self {
        if !(-MAX_INTEGER..=MAX_INTEGER).contains(&value) {
            self.fail(CanonicalError::Integer(value));
        }
        self.key(key);
        self.bytes.extend_from_slice(value.to_string().as_bytes());
        self
    }

    /// An integer member that is left out when there is none.
    pub fn integer_if(&mut self, key: &str, value: Option<i64>) -> &mut Self {
        match value {
            Some(value) => self.integer(key, value),
            None => self,
        }
    }

    /// A boolean member.
    pub fn boolean(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key);
        self.bytes.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// An array of strings.
    pub fn strings<S: AsRef<str>>(&mut self, key: &str, values: impl IntoIterator<Item = S>) -> &mut Self {
        self.key(key);
        self.bytes.push(b'[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.bytes.push(b',');
            }
            if !is_nfc(value.as_ref()) {
                self.error.get_or_insert(CanonicalError::NotNfc(key.to_owned()));
            }
            write_string(&mut self.bytes, value.as_ref().as_bytes());
        }
        self.bytes.push(b']');
        self
    }

    /// A member that is itself a finished canonical object.
    pub fn object(&mut self, key: &str, value: &CanonicalBytes) -> &mut Self {
        self.key(key);
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// The canonical bytes, at most [`MAX_BYTES`].
    pub fn finish(&mut self) -> Result<CanonicalBytes, CanonicalError> {
        self.finish_within(MAX_BYTES)
    }

    /// The canonical bytes under another limit, for objects that are hashed and not kept in the ledger.
    pub fn finish_within(&mut self, limit: usize) -> Result<CanonicalBytes, CanonicalError> {
        self.bytes.push(b'}');
        if self.bytes.len() > limit {
            self.fail(CanonicalError::TooLarge(self.bytes.len()));
        }
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(CanonicalBytes(std::mem::take(&mut self.bytes))),
        }
    }

    fn key(&mut self, key: &str) {
        let plain = key.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\');
        if !plain || self.last_key.as_deref().is_some_and(|last| last >= key) {
            self.fail(CanonicalError::Key(key.to_owned()));
        }
        if self.last_key.is_some() {
            self.bytes.push(b',');
        }
        match &mut self.last_key {
            Some(last) => {
                last.clear();
                last.push_str(key);
            }
            None => self.last_key = Some(key.to_owned()),
        }
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }

    fn fail(&mut self, error: CanonicalError) {
        self.error.get_or_insert(error);
    }
}

/// Bytes that only [`Object`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalBytes(Vec<u8>);

impl CanonicalBytes {
    /// The octets that are stored and hashed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as text: canonical JSON is UTF-8 by construction.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The octets, moved out.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// RFC 8785 §3.2.2.2: the two-character escapes where JSON has them, `\u00xx` for other controls, all else
/// literal. `value` is UTF-8; octets above ASCII pass through as they are.
pub fn write_string(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    // Nearly every string is plain: one look over it, which takes many octets at a time, and one copy.
    let escapes = value.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'));
    if !escapes {
        out.extend_from_slice(value);
    } else {
        value.iter().for_each(|&byte| write_octet(out, byte));
    }
    out.push(b'"');
}

fn write_octet(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        0..=0x1f => {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            return;
        }
        _ => {
            out.push(byte);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_sorted_members_with_rfc_8785_escapes() {
        let inner = Object::new().boolean("x", true).finish().unwrap();
        let bytes = Object::new()
            .strings("a", ["1", "€"])
            .integer("b", -7)
            .object("c", &inner)
            .string("d", "\u{0}\t\"\\/\u{7f}")
            .string_if("e", None)
            .finish()
            .unwrap();
        assert_eq!(
            bytes.as_str(),
            "{\"a\":[\"1\",\"€\"],\"b\":-7,\"c\":{\"x\":true},\"d\":\"\\u0000\\t\\\"\\\\/\u{7f}\"}"
        );
    }

    #[test]
    fn what_has_no_canonical_form_is_an_error() {
        assert!(matches!(Object::new().integer("b", 1).integer("a", 1).finish(), Err(CanonicalError::Key(_))));
        assert!(matches!(Object::new().integer("a", 1).integer("a", 1).finish(), Err(CanonicalError::Key(_))));
        assert!(matches!(Object::new().integer("é", 1).finish(), Err(CanonicalError::Key(_))));
        assert!(matches!(Object::new().string("a", "e\u{301}").finish(), Err(CanonicalError::NotNfc(_))));
        assert!(matches!(Object::new().integer("a", MAX_INTEGER + 1).finish(), Err(CanonicalError::Integer(_))));
        let long = "x".repeat(MAX_BYTES);
        assert!(matches!(Object::new().string("a", &long).finish(), Err(CanonicalError::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn every_reader_of_json_gets_the_value_back(value in any::<String>(), number in -MAX_INTEGER..=MAX_INTEGER) {
            use unicode_normalization::UnicodeNormalization;
            let value: String = value.nfc().collect();
            let bytes = Object::new().integer("n", number).string("s", &value).finish();
            if let Ok(bytes) = bytes {
                let read: serde_json::Value = serde_json::from_slice(bytes.as_bytes()).unwrap();
                prop_assert_eq!(&read["s"], &serde_json::Value::from(value));
                prop_assert_eq!(&read["n"], &serde_json::Value::from(number));
            }
        }
    }
}
