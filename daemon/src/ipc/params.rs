//! Parameters into types, with refusals that name the field.

use countersign_shared::error::ApiError;
use countersign_shared::text::Untrusted;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The most characters of foreign text that a message repeats.
const SHOWN: usize = 400;

/// Reads a method's parameters. Unknown fields and values, duplicate keys and wrong types are refused where
/// `T` denies unknown fields, as every type of the protocol does.
///
/// # Errors
/// `invalid` (-32602), naming the field by its path (`filter.state`, `names[3]`).
pub fn params<T: DeserializeOwned>(raw: &RawValue) -> Result<T, ApiError> {
    let text = raw.get();
    serde_json::from_str(text).map_err(|error| {
        let whole = error.to_string();
        let reason = whole.strip_suffix(&format!(" at line {} column {}", error.line(), error.column()));
        let reason = shown(reason.unwrap_or(&whole));
        // A frame has no line feed, so the column is the offset in the text.
        let path = path_at(text, error.column());
        let message = if path.is_empty() { reason } else { format!("{}: {reason}", shown(&path)) };
        ApiError::invalid(format!("params: {message}")).hint("rpc.discover describes the parameters of each method")
    })
}

/// Foreign text for a message: visible, on one line, shortened.
pub(super) fn shown(raw: &str) -> String {
    let mut kept: String = raw.chars().take(SHOWN).collect();
    if kept.len() < raw.len() {
        kept.push('…');
    }
    Untrusted::new(kept).safe().to_string()
}

/// One open object or array on the way to an offset.
enum Level<'a> {
    Object(&'a str),
    Array(usize),
}

/// The path of the value that a parser was at after it took `offset` octets of JSON text. What it took is well
/// formed.
fn path_at(text: &str, offset: usize) -> String {
    let bytes = text.as_bytes();
    let end = offset.min(bytes.len());
    let mut levels: Vec<Level<'_>> = Vec::new();
    let mut expects_key = false;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let close = string_end(bytes, at);
                if expects_key && let Some(Level::Object(key)) = levels.last_mut() {
                    *key = text.get(at + 1..close).unwrap_or_default();
                    expects_key = false;
                }
                at = close;
            }
            b'{' => {
                levels.push(Level::Object(""));
                expects_key = true;
            }
            b'[' => levels.push(Level::Array(0)),
            b'}' | b']' => {
                levels.pop();
                expects_key = false;
            }
            b',' => match levels.last_mut() {
                Some(Level::Array(index)) => *index += 1,
                _ => expects_key = true,
            },
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for level in levels {
        match level {
            Level::Object("") => {}
            Level::Object(key) if path.is_empty() => path.push_str(key),
            Level::Object(key) => {
                path.push('.');
                path.push_str(key);
            }
            Level::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The offset of the quotation mark that ends the string which starts at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_shared::error::ErrorKind;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only the reading is tested")]
    struct Outer {
        #[serde(default)]
        state: Option<State>,
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        names: Vec<String>,
        #[serde(default)]
        inner: Option<Box<Outer>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Pending,
    }

    fn refused(text: &str) -> String {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let error = params::<Outer>(&raw).unwrap_err();
        assert_eq!((error.kind, error.code), (ErrorKind::Invalid, None));
        assert!(error.hint.contains("rpc.discover"));
        error.message
    }

    #[test]
    fn refusals_name_the_field() {
        for (text, field, words) in [
            (r#"{"stat":"pending"}"#, "stat", "unknown field `stat`"),
            (r#"{"state":"penidng"}"#, "state: ", "unknown variant `penidng`, expected `pending`"),
            (r#"{"limit":"x"}"#, "limit: ", "expected u32"),
            (r#"{"limit":-1}"#, "limit: ", "expected u32"),
            (r#"{"limit":-1,"state":"pending"}"#, "limit: ", "expected u32"),
            (r#"{"limit":1.5 , "names":[]}"#, "limit: ", "expected u32"),
            (r#"{"state":"pending","limit":4294967296}"#, "limit: ", "expected u32"),
            (r#"{"limit":1,"limit":2}"#, "limit", "duplicate field `limit`"),
            (r#"{"names":["a","b",3]}"#, "names[2]: ", "expected a string"),
            (r#"{"names":["a",{"x":1}]}"#, "names[1]: ", "expected a string"),
            (r#"{"names":{"x":1}}"#, "names: ", "expected a sequence"),
            (r#"{"inner":{"names":[],"inner":{"limit":[]}}}"#, "inner.inner.limit: ", "expected u32"),
            (r#"{"names":["]}\"{"],"inner":{"limit":null,"state":7}}"#, "inner.state: ", "expected"),
        ] {
            let message = refused(text);
            assert!(
                message.starts_with(&format!("params: {field}")) || message.contains(&format!("`{field}`")),
                "{text}: {message}"
            );
            assert!(message.contains(words), "{text}: {message}");
        }
    }

    #[test]
    fn hostile_values_come_back_safe_and_short() {
        let message = refused(&format!(r#"{{"state":"\u001b[2J{}"}}"#, "x".repeat(100_000)));
        assert!(message.contains("<U+001B>") && message.len() < 1000, "{message}");
    }

    proptest! {
        #[test]
        fn no_offset_of_any_text_panics(text in any::<String>(), offset in 0usize..100) {
            path_at(&text, offset);
        }

        #[test]
        fn no_offset_of_jsonish_text_panics(text in r#"[{}\[\],:"\\a1é ]{0,40}"#, offset in 0usize..60) {
            path_at(&text, offset);
        }
    }
}
