//! One signature line: `— NAME BASE64`, where the octets are the key's id and the signature.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use super::{KeyId, KeyName, NoteError};

/// A signature by some key, known or not, as it stands in a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    name: KeyName,
    id: KeyId,
    signature: Vec<u8>,
}

impl SignatureLine {
    /// A line of its parts; `signature` is not empty.
    pub(crate) fn new(name: KeyName, id: KeyId, signature: Vec<u8>) -> Self {
        Self { name, id, signature }
    }

    /// The name of the key that is said to have signed.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of that key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The octets behind the id, at least one; what they are depends on the key.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [&self.id.to_bytes()[..], &self.signature].concat();
        write!(f, "— {} {}", self.name.as_str(), BASE64.encode(&octets))
    }
}

impl FromStr for SignatureLine {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, NoteError> {
        const SHAPE: NoteError = NoteError::Malformed("a signature line is a dash (U+2014), a name and base 64");
        let (name, encoded) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')).ok_or(SHAPE)?;
        let name = KeyName::new(name).map_err(|_| NoteError::Malformed("a key name that is not allowed"))?;
        let octets = BASE64.decode(encoded.as_bytes()).map_err(|_| SHAPE)?;
        let (id, signature) = octets.split_first_chunk().ok_or(SHAPE)?;
        if signature.is_empty() {
            return Err(NoteError::Malformed("a signature line without signature"));
        }
        Ok(Self::new(name, KeyId::from_bytes(*id), signature.to_vec()))
    }
}
