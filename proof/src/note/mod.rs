//! Signed notes (C2SP `signed-note` v1): a text, an empty line, and lines of signatures over the text.
//!
//! The text means nothing until a signature over it by a key that the reader already knows is verified.

mod key;
mod line;
mod signer;

pub use key::{Algorithm, KeyError, KeyId, KeyName, MOST_NAME, VerifierKey};
pub use line::SignatureLine;
pub(crate) use signer::Pair;
pub use signer::{PrivateKeyError, Signer};

use std::fmt;

use crate::lines::shown;

/// The largest note that is read: 256 KiB, which is room for [`MOST_SIGNATURES`] of the largest kind that C2SP names.
pub const MOST_OCTETS: usize = 256 * 1024;

/// The most signature lines. C2SP asks readers for 16 at least.
pub const MOST_SIGNATURES: usize = 32;

/// A note. Its text is well-formed, its signatures are not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

/// A signature that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valid<'a> {
    /// The key that made it.
    pub key: &'a VerifierKey,
    /// When a cosignature says that it was made, in seconds since 1970; other signatures have no time.
    pub time: Option<u64>,
}

/// Why a note is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// It is no note: which rule it breaks.
    Malformed(&'static str),
    /// A signature by a known key is wrong: the text or the signature was changed.
    Signature {
        /// The key.
        name: KeyName,
        /// Its id.
        id: KeyId,
    },
    /// None of the signatures is by a known key: who signed it.
    NoKnownKey(Vec<(KeyName, KeyId)>),
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(rule) => write!(f, "not a signed note: {rule}"),
            Self::Signature { name, id } => {
                write!(
                    f,
                    "the signature by {}+{id} does not fit the text: one of the two was changed",
                    shown(name.as_str())
                )
            }
            Self::NoKnownKey(signers) if signers.is_empty() => f.write_str("the note is not signed"),
            Self::NoKnownKey(signers) => {
                f.write_str("signed by no key that is known here, but by ")?;
                for (at, (name, id)) in signers.iter().take(3).enumerate() {
                    write!(f, "{}{}+{id}", if at == 0 { "" } else { ", " }, shown(name.as_str()))?;
                }
                match signers.len().saturating_sub(3) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
        }
    }
}

impl std::error::Error for NoteError {}

impl Note {
    /// A text that nobody signed yet: UTF-8 lines without control characters, the last one ended as well.
    pub fn unsigned(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        if !text.ends_with('\n') {
            return Err(NoteError::Malformed("the text does not end with a line feed"));
        }
        if text.len() > MOST_OCTETS {
            return Err(NoteError::Malformed("longer than 256 KiB"));
        }
        if text.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("a control character in it"));
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a note. What its `Display` writes are the same octets.
    pub fn parse(octets: &[u8]) -> Result<Self, NoteError> {
        if octets.len() > MOST_OCTETS {
            return Err(NoteError::Malformed("longer than 256 KiB"));
        }
        let whole = std::str::from_utf8(octets).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        let blank = whole.rfind("\n\n").ok_or(NoteError::Malformed("no empty line between text and signatures"))?;
        let (text, signatures) = (&whole[..=blank], &whole[blank + 2..]);
        let mut note = Self::unsigned(text)?;
        let signatures =
            signatures.strip_suffix('\n').ok_or(NoteError::Malformed("the last line is not ended, or no signature"))?;
        for line in signatures.split('\n') {
            if note.signatures.len() == MOST_SIGNATURES {
                return Err(NoteError::Malformed("more than 32 signatures"));
            }
            note.signatures.push(line.parse()?);
        }
        Ok(note)
    }

    /// The text that is signed, with the line feed at its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every signature line as it stands, in order, verified or not.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Adds a signature line; those by the same key go. Refused where there are [`MOST_SIGNATURES`] others.
    pub fn add(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        self.signatures.retain(|other| (other.name(), other.id()) != (line.name(), line.id()));
        if self.signatures.len() == MOST_SIGNATURES {
            return Err(NoteError::Malformed("more than 32 signatures"));
        }
        self.signatures.push(line);
        Ok(())
    }

    /// Verifies every signature by one of `keys`, and ignores the others. An error where one of them is wrong, and where there is
    /// none: such a note's text is not to be used.
    pub fn verify<'a>(&self, keys: &'a [VerifierKey]) -> Result<Vec<Valid<'a>>, NoteError> {
        let mut valid = Vec::new();
        for line in &self.signatures {
            let mut known = keys.iter().filter(|key| (key.name(), key.id()) == (line.name(), line.id())).peekable();
            if known.peek().is_none() {
                continue;
            }
            // More than one where the short ids of two keys collide.
            let verified = known.find_map(|key| key.check(&self.text, line.signature()));
            valid.push(verified.ok_or_else(|| NoteError::Signature { name: line.name().clone(), id: line.id() })?);
        }
        if valid.is_empty() {
            let signers = self.signatures.iter().map(|line| (line.name().clone(), line.id())).collect();
            return Err(NoteError::NoKnownKey(signers));
        }
        Ok(valid)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests;
