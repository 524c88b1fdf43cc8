//! JSON text that is safe to write to a terminal or a log as it stands.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter};

use crate::text::is_deceiving;

/// One value as one line of JSON (no line feed). Control, bidi and zero-width characters are written as
/// `\uXXXX`: the same value to every JSON reader, and nothing that a terminal obeys.
pub fn to_line(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(256);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Visible))?;
    String::from_utf8(bytes).map_err(|error| serde::ser::Error::custom(error.to_string()))
}

struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.bytes().any(|b| b == 0x7f) {
            return out.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for c in fragment.chars() {
            if is_deceiving(c) {
                for unit in c.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            } else {
                write!(out, "{c}")?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, out: &mut W, escape: CharEscape) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(out, escape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn same_value_and_nothing_a_terminal_obeys(raw in any::<String>()) {
            let line = to_line(&raw).unwrap();
            prop_assert!(!line.chars().any(is_deceiving));
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), raw);
        }
    }
}
