//! A trust profile in its checked form, which a request keeps as the rules it was made under.

use std::fmt;

use countersign_shared::canonical::{CanonicalError, Object};
use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, SubjectAttribute};
use countersign_shared::digest::Digest;
use countersign_shared::protocol;
use countersign_shared::time::Span;
use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

pub use super::document::{Justification, QuorumStep};
use super::names::NamePattern;

/// A checked profile. Serialised, it is the snapshot that a request keeps; read back, it has the same digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Rules", into = "Rules")]
pub struct Profile {
    rules: Rules,
    digest: Digest,
}

/// The rules of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// `p-…`
    pub id: String,
    /// For people.
    pub name: String,
    /// Its environment.
    pub environment: String,
    /// Which names its certificates carry.
    pub names: Vec<NamePattern>,
    /// Whether people have to agree.
    pub requires_approval: bool,
    /// The one step of its quorum; without it one operator of the profile agrees.
    pub quorum: Option<QuorumStep>,
    /// The issuer's id.
    pub issuer: String,
    /// The smallest allowed key of each kind.
    pub keys: Vec<KeyAlgorithm>,
    /// Sorted, each once.
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    /// The longest validity.
    pub max_validity: Span,
    /// Whether a reason must be given.
    pub justification: Justification,
    /// What a ticket has to match; no ticket is required without it.
    pub ticket_pattern: Option<TicketPattern>,
    /// How long a request waits; the daemon's setting without it.
    pub approval_timeout: Option<Span>,
    /// The renewal policy's id.
    pub renewal_policy: Option<String>,
    /// Whether wildcard SANs are given.
    pub allow_wildcards: bool,
    /// Whether certification authorities are signed.
    pub allow_ca: bool,
    /// Whether SANs that are addresses are given.
    pub allow_ip: bool,
    /// Fixed subject attributes, in the order of the enumeration.
    pub subject: Vec<(SubjectAttribute, String)>,
    /// Whether callers need a login session.
    pub require_login_session: bool,
    /// Where the daemon writes the chain.
    pub deliver: Option<Delivery>,
}

/// Where and how the daemon writes a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// Absolute; `{certificate}` stands for the certificate's id.
    pub path: String,
    /// `user` or `user:group`; the daemon's own without it.
    pub owner: Option<String>,
    /// Permission bits; writable by the owner alone.
    pub mode: u32,
}

impl Profile {
    /// Takes rules that were checked; an error where they have no canonical form (text that is not in Unicode
    /// normalization form C, more than 256 KiB).
    pub(super) fn new(rules: Rules) -> Result<Self, CanonicalError> {
        let digest = rules.digest()?;
        Ok(Self { rules, digest })
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// `p-…`
    pub fn id(&self) -> &str {
        &self.rules.id
    }

    /// SHA-256 over the canonical form of its rules, the display name left out: another name is no other rule.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// People who have to agree: 0 for an unattended profile.
    pub fn votes_needed(&self) -> u32 {
        match (&self.rules.quorum, self.rules.requires_approval) {
            (_, false) => 0,
            (Some(step), true) => step.need,
            (None, true) => 1,
        }
    }

    /// How long a request under it waits for people.
    pub fn approval_timeout(&self, default: Span) -> Span {
        self.rules.approval_timeout.unwrap_or(default)
    }

    /// The profile as the protocol shows it.
    pub fn to_view(&self, default_timeout: Span) -> protocol::Profile {
        let rules = self.rules.clone();
        protocol::Profile {
            quorum: self.quorum_in_words(),
            approval_timeout: self.approval_timeout(default_timeout),
            id: rules.id,
            name: rules.name,
            environment: rules.environment,
            names: rules.names.iter().map(NamePattern::to_string).collect(),
            requires_approval: rules.requires_approval,
            issuer: rules.issuer,
            keys: rules.keys,
            extended_key_usage: rules.extended_key_usage,
            max_validity: rules.max_validity,
            justification_required: rules.justification == Justification::Required,
            ticket_pattern: rules.ticket_pattern.map(|pattern| pattern.as_str().to_owned()),
        }
    }

    fn quorum_in_words(&self) -> Vec<String> {
        match (&self.rules.quorum, self.rules.requires_approval) {
            (_, false) => Vec::new(),
            (Some(step), true) => vec![format!("{} of group {}", step.need, step.group)],
            (None, true) => vec!["1 operator of the profile other than the requester".to_owned()],
        }
    }
}

impl TryFrom<Rules> for Profile {
    type Error = CanonicalError;

    fn try_from(rules: Rules) -> Result<Self, Self::Error> {
        Self::new(rules)
    }
}

impl From<Profile> for Rules {
    fn from(profile: Profile) -> Self {
        profile.rules
    }
}

/// The largest canonical form of a profile.
const CANONICAL_LIMIT: usize = 256 * 1024;

impl Rules {
    fn digest(&self) -> Result<Digest, CanonicalError> {
        let millis = |span: Span| i64::try_from(span.millis()).unwrap_or(i64::MAX);
        let mut form = Object::new();
        form.boolean("allow_ca", self.allow_ca)
            .boolean("allow_ip", self.allow_ip)
            .boolean("allow_wildcards", self.allow_wildcards)
            .integer_if("approval_timeout_ms", self.approval_timeout.map(millis));
        if let Some(deliver) = &self.deliver {
            let inner = Object::new()
                .integer("mode", i64::from(deliver.mode))
                .string_if("owner", deliver.owner.as_deref())
                .string("path", &deliver.path)
                .finish_within(CANONICAL_LIMIT)?;
            form.object("deliver", &inner);
        }
        form.string("environment", &self.environment)
            .strings("extended_key_usage", self.extended_key_usage.iter().map(|usage| usage.as_str()))
            .string("id", &self.id)
            .string("issuer", &self.issuer)
            .boolean("justification_required", self.justification == Justification::Required)
            .strings("keys", self.keys.iter().map(KeyAlgorithm::to_string))
            .integer("max_validity_ms", millis(self.max_validity))
            .strings("names", self.names.iter().map(NamePattern::to_string));
        if let Some(step) = &self.quorum {
            let inner = Object::new().string("group", &step.group).integer("need", i64::from(step.need)).finish()?;
            form.object("quorum", &inner);
        }
        let subject = self.subject.iter().map(|(attribute, value)| format!("{attribute}:{value}"));
        let bytes = form
            .string_if("renewal_policy", self.renewal_policy.as_deref())
            .boolean("require_login_session", self.require_login_session)
            .boolean("requires_approval", self.requires_approval)
            .strings("subject", subject)
            .string_if("ticket_pattern", self.ticket_pattern.as_ref().map(TicketPattern::as_str))
            .finish_within(CANONICAL_LIMIT)?;
        Ok(Digest::of(&[b"countersign-profile-v1\0", bytes.as_bytes()]))
    }
}

/// A regular expression for tickets, compiled within limits. Matching takes time linear in the ticket.
#[derive(Clone)]
pub struct TicketPattern(Regex);

/// The longest expression in octets.
const MAX_PATTERN: usize = 256;
/// The largest compiled expression in octets.
const MAX_COMPILED: usize = 64 * 1024;

impl TicketPattern {
    /// Compiles an expression of at most 256 octets and 64 KiB compiled.
    pub fn new(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() || pattern.len() > MAX_PATTERN {
            return Err(format!("a ticket pattern has 1 to {MAX_PATTERN} octets"));
        }
        let compiled = RegexBuilder::new(pattern).size_limit(MAX_COMPILED).nest_limit(16).build();
        compiled.map(Self).map_err(|why| format!("not a regular expression that can be used: {why}"))
    }

    /// True where the ticket matches; an expression without `^` and `$` matches a part.
    pub fn is_match(&self, ticket: &str) -> bool {
        self.0.is_match(ticket)
    }

    /// The expression.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for TicketPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for TicketPattern {}

impl fmt::Debug for TicketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Serialize for TicketPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TicketPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
