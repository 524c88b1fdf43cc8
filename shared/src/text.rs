//! Text that somebody else chose. [`Untrusted`] has no `Display`: the only way to a screen, a log line or
//! a message is [`Untrusted::safe`], which makes everything visible that could deceive a reader.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Text chosen by a caller or by whoever made the CSR: subject names, SANs, reasons, notes, tickets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Untrusted(String);

impl Untrusted {
    /// Takes text as it came.
    pub fn new(raw: impl Into<String>) -> Self {
        Self(raw.into())
    }

    /// The text with every deceiving character made visible, on one line.
    pub fn safe(&self) -> Safe<'_> {
        Safe(&self.0)
    }

    /// The text as it came, to store, compare, encode or sign; never to show.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// True where there is nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.safe())
    }
}

impl From<&str> for Untrusted {
    fn from(raw: &str) -> Self {
        Self(raw.to_owned())
    }
}

impl From<String> for Untrusted {
    fn from(raw: String) -> Self {
        Self(raw)
    }
}

/// A view of untrusted text that may be shown: `\n` becomes `␊`, other controls, bidi marks, zero-width
/// and look-alike spaces become `<U+XXXX>`, and an IDNA name is followed by its Unicode form.
#[derive(Clone, Copy)]
pub struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_some() || f.precision().is_some() {
            let mut whole = String::with_capacity(self.0.len());
            write_visible(&mut whole, self.0)?;
            return f.pad(&whole);
        }
        write_visible(f, self.0)
    }
}

/// True for a character that moves, hides, reorders or imitates text around it.
pub fn is_deceiving(c: char) -> bool {
    c.is_control() || is_invisible(c) || (c.is_whitespace() && c != ' ')
}

/// Default-ignorable, bidi and format characters (Unicode 16, general category Cf, and the fillers that
/// draw nothing), and private or unassigned planes that no terminal draws reliably.
fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00AD | 0x034F | 0x061C | 0x070F | 0x08E2 | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F
        | 0x0600..=0x0605 | 0x06DD | 0x0890..=0x0891
        | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF
        | 0xFFA0 | 0xFFF0..=0xFFFB | 0x110BD | 0x110CD | 0x13430..=0x1345F | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A | 0xE000..=0xF8FF | 0xE0000..=0x10FFFF)
}

fn write_visible(out: &mut impl fmt::Write, raw: &str) -> fmt::Result {
    for c in raw.chars() {
        match c {
            '\n' => out.write_char('␊')?,
            '\t' => out.write_char('␉')?,
            c if is_deceiving(c) => write!(out, "<U+{:04X}>", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    Ok(())
}

/// An IDNA A-label beside what a browser would show for it: `xn--80ak6aa92e.com (аррӏе.com)`.
///
/// `None` where the name has no A-label. A name that claims to be IDNA and does not decode is said to be so.
pub fn unicode_form(name: &str) -> Option<Cow<'static, str>> {
    let has_label =
        name.split('.').any(|label| label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--")));
    if !has_label {
        return None;
    }
    let (unicode, result) = idna::domain_to_unicode(name.strip_prefix("*.").unwrap_or(name));
    Some(match result {
        Ok(()) => Untrusted(unicode).safe().to_string().into(),
        Err(_) => "not valid IDNA".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deceiving_characters_become_visible() {
        for (raw, shown) in [
            ("plain Grüße 日本", "plain Grüße 日本"),
            ("a\x1b[2Jb", "a<U+001B>[2Jb"),
            ("a\u{9b}2Jb", "a<U+009B>2Jb"),
            ("line\nline\r\n", "line␊line<U+000D>␊"),
            ("user\u{202e}gpj.exe", "user<U+202E>gpj.exe"),
            ("pay\u{200b}pal", "pay<U+200B>pal"),
            ("a\u{a0}b\0", "a<U+00A0>b<U+0000>"),
            ("tag\u{e0041}", "tag<U+E0041>"),
        ] {
            assert_eq!(Untrusted::from(raw).safe().to_string(), shown);
            assert_eq!(format!("{:?}", Untrusted::from(raw)), format!("\"{shown}\""));
        }
    }

    #[test]
    fn idna_names_show_both_forms() {
        assert_eq!(unicode_form("xn--80ak6aa92e.com").as_deref(), Some("аррӏе.com"));
        assert_eq!(unicode_form("www.corp.example"), None);
        assert_eq!(unicode_form("xn--\u{1b}.com").as_deref(), Some("not valid IDNA"));
        assert_eq!(unicode_form("é"), None);
    }

    proptest! {
        #[test]
        fn nothing_deceiving_comes_out(raw in any::<String>()) {
            let shown = Untrusted::new(raw).safe().to_string();
            prop_assert!(!shown.chars().any(is_deceiving), "{shown:?}");
        }
    }
}
