//! A trust profile in its checked form, which a request keeps as the rules it was made under.

use std::fmt;

use countersign_shared::canonical::CanonicalError;
use countersign_shared::digest::Digest;
use countersign_shared::protocol;
use countersign_shared::time::Span;
use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

pub use super::document::{Justification, RenewKey};
use super::names::NamePattern;
use super::quorum;
pub use super::rules::{Delivery, Rules};

/// A checked profile. Serialised, it is the snapshot that a request keeps; read back, it has the same digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Rules", into = "Rules")]
pub struct Profile {
    rules: Rules,
    digest: Digest,
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

    /// People who have to agree, over all steps of its own quorum: 0 for an unattended profile.
    pub fn votes_needed(&self) -> u32 {
        if self.rules.requires_approval { quorum::people_needed(&self.rules.quorum) } else { 0 }
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
        let rules = &self.rules;
        if !rules.requires_approval {
            return Vec::new();
        }
        let mut words = quorum::in_words(&rules.quorum, rules.quorum_order);
        if words.is_empty() {
            words.push("1 operator of the profile other than the requester".to_owned());
        }
        for route in &rules.routes {
            let steps = quorum::in_words(&route.quorum, route.quorum_order).join(", ");
            words.push(format!("for certificates of {}: {steps}", route.owner));
        }
        if rules.extra_for_scheduler > 0 {
            words.push(format!(
                "{} more, any operators of the profile, where no human asked",
                rules.extra_for_scheduler
            ));
        }
        words
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
