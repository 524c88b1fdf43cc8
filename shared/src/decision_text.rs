//! The text that a person signs when they sign a decision: what it is about, what they say, and what they had before them.
//!
//! One `key: value` a line, in a fixed order, UTF-8, each line ended by a line feed. A value that is made of letters, digits
//! and `. _ : / @ + * = -` alone stands as it is. Every other stands in double quotes, with `\\` for a backslash, `\"` for a
//! quote and `\u{…}` for every character that could end a line, hide or reorder text. So no value can imitate a line, and
//! different values never make the same text. `docs/signed-decisions.md` has the format line by line.

use std::fmt;
use std::str::FromStr;

use crate::content::CertificateContent;
use crate::digest::Digest;
use crate::id::{CertificateId, RequestId};
use crate::lifecycle::{RequestKind, Verdict};
use crate::protocol::RequestDetail;
use crate::revocation::Revocation;
use crate::text::{Untrusted, is_deceiving};

/// The namespace of the SSHSIG format: a signature made for anything else is none of a decision.
pub const NAMESPACE: &str = "countersign-decision";

/// The first line. Another format has another number.
const FIRST: &str = "countersign decision 1";

/// What a decision is about, as far as the text says it; the content digest covers the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A certificate that is to be made, or that is to end.
    Certificate {
        /// `mc-…`
        id: CertificateId,
        /// What it will say, or says.
        content: Box<CertificateContent>,
        /// Which version ends, and why.
        revocation: Option<Revocation>,
    },
    /// Another policy.
    Policy {
        /// SHA-256 of the document that it is based on.
        from: Digest,
        /// SHA-256 of the proposed document.
        to: Digest,
    },
}

/// A state of the ledger that the signer had before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The ledger's origin.
    pub origin: String,
    /// How many records it had.
    pub size: u64,
    /// The Merkle root over them.
    pub root: Digest,
}

/// A decision as its text says it. `Display` writes the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionText {
    /// On which request.
    pub request: RequestId,
    /// What it asks for.
    pub kind: RequestKind,
    /// On which version of it.
    pub version: u32,
    /// The content digest of that version.
    pub content: Digest,
    /// What that is.
    pub subject: Subject,
    /// Yes or no.
    pub verdict: Verdict,
    /// The person of the policy who decides.
    pub person: String,
    /// By which account.
    pub account: String,
    /// The note.
    pub note: Untrusted,
    /// Keeps a note that was erased from being guessed from the digest of the text.
    pub salt: Salt,
    /// SHA-256 of the policy in force.
    pub policy: Digest,
    /// The ledger.
    pub seen: Seen,
}

impl Subject {
    /// Of a request as it is shown; none where it shows too little to sign.
    pub fn of(detail: &RequestDetail) -> Option<Self> {
        match (&detail.policy_change, &detail.content, &detail.request.certificate_id) {
            (Some(change), _, _) => Some(Self::Policy { from: change.base_sha256, to: change.sha256 }),
            (None, Some(content), Some(id)) => Some(Self::Certificate {
                id: id.clone(),
                content: Box::new(content.clone()),
                revocation: detail.revocation.clone(),
            }),
            _ => None,
        }
    }
}

impl DecisionText {
    /// What the caller of `request.get` would sign; none where the answer does not say what they need for that.
    pub fn of(detail: &RequestDetail, verdict: Verdict, note: Untrusted, salt: Salt) -> Option<Self> {
        let signing = detail.signing.as_ref()?;
        Some(Self {
            request: detail.request.id.clone(),
            kind: detail.request.kind,
            version: detail.request.version,
            content: detail.request.digest,
            subject: Subject::of(detail)?,
            verdict,
            person: signing.person.clone()?,
            account: signing.account.clone(),
            note,
            salt,
            policy: signing.policy_sha256,
            seen: Seen { origin: signing.origin.clone(), size: signing.size, root: signing.root_sha256 },
        })
    }
}

impl fmt::Display for DecisionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST}")?;
        let mut line = |key: &str, value: &dyn fmt::Display| writeln!(f, "{key}: {}", Value(&value.to_string()));
        line("verdict", &self.verdict)?;
        line("request", &self.request)?;
        line("kind", &self.kind)?;
        line("version", &self.version)?;
        line("content", &self.content)?;
        match &self.subject {
            Subject::Certificate { id, content, revocation } => {
                line("certificate", id)?;
                for san in &content.sans {
                    line("name", &san.tagged())?;
                }
                line("key", &content.key)?;
                line("key-sha256", &content.spki_sha256)?;
                line("ca", &if content.ca { "yes" } else { "no" })?;
                line("valid-for", &content.valid_for)?;
                line("issuer", &content.issuer)?;
                line("profile", &content.profile_id)?;
                if let Some(revocation) = revocation {
                    line("revokes-version", &revocation.version)?;
                    line("revokes-serial", &revocation.serial)?;
                    line("revokes-sha256", &revocation.sha256)?;
                    line("revokes-because", &revocation.reason)?;
                }
            }
            Subject::Policy { from, to } => {
                line("policy-from", from)?;
                line("policy-to", to)?;
            }
        }
        line("decided-by", &self.person)?;
        line("account", &self.account)?;
        line("note", &self.note.raw())?;
        line("salt", &self.salt)?;
        line("policy", &self.policy)?;
        line("ledger", &self.seen.origin)?;
        line("ledger-size", &self.seen.size)?;
        line("ledger-root", &self.seen.root)
    }
}

/// A value as its line has it.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(pub &'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/@+*=-".contains(&b);
        if !self.0.is_empty() && self.0.bytes().all(plain) {
            return f.write_str(self.0);
        }
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                c if is_deceiving(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// 16 octets that nobody can guess, drawn by whoever signs; 32 hexadecimal digits on every surface.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Salt([u8; 16]);

impl Salt {
    /// Octets that were drawn.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 octets.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Salt {
    type Err = &'static str;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a salt is 32 lower-case hexadecimal digits";
        let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if raw.len() != 32 || !raw.bytes().all(lower) {
            return Err(SHAPE);
        }
        u128::from_str_radix(raw, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| SHAPE)
    }
}

crate::string_on_the_wire!(Salt, "Salt", "16 octets, 32 lower-case hexadecimal digits");

#[cfg(test)]
#[path = "decision_text_tests.rs"]
mod tests;
