//! The policy: one document that says who is who, who may do what, which certificates may exist and who has
//! to agree. [`Policy`] is its checked form; there is no way to one but through [`Policy::parse`] and
//! [`Policy::parse_stored`].

mod agreement;
mod authority;
pub mod calendar;
mod check;
pub mod diff;
mod document;
mod issuers;
mod ledger;
mod messages;
pub mod names;
mod operators;
mod parts;
pub mod past;
mod people;
mod permission;
mod places;
mod powers;
mod profile;
mod profiles;
pub mod prove;
pub mod quorum;
mod reach;
mod read;
mod renewal;
mod report;
mod roles;
mod rules;
mod signers;
mod subject;
mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_shared::digest::Digest;

pub use authority::{Permissions, RoleGrant};
pub use calendar::Calendar;
pub use diff::{Effect, PolicyDifference, differences};
pub use document::{AlertChannels, Channel, MessageChannels, Severity};
pub use ledger::LedgerRules;
pub use parts::{ChangeControl, CrlRules, Issuer, IssuerKind, Person, RecipientRule, RenewalPolicy};
pub use permission::{Permission, PermissionSet};
pub use profile::{Delivery, Justification, Profile, RenewKey, Rules, TicketPattern};
pub use quorum::{Escalation, QuorumOrder, QuorumStep, Route};
pub use read::MAX_DOCUMENT;
pub use roles::Role;
pub use subject::{AccountName, IDENTIFIER_SHAPE, Member, is_identifier};
pub use terms::{ANYBODY, Asked, CHANGES, Terms};

use parts::Grant;
use people::Groups;

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    sha256: Digest,
    document: String,
    people: Vec<Person>,
    /// Which person an account belongs to, by index into `people`.
    owners: BTreeMap<AccountName, usize>,
    /// Every group with all that it contains at any depth; no member is a group.
    groups: Groups,
    /// Every group with its members as they are written.
    written_groups: Groups,
    /// Those that are built in, and those of the document.
    roles: Vec<Arc<Role>>,
    grants: Vec<Grant>,
    profiles: Vec<Profile>,
    renewal_policies: Vec<RenewalPolicy>,
    issuers: Vec<Issuer>,
    calendars: Vec<Calendar>,
    change_control: ChangeControl,
    found_plan: Option<String>,
    ledger: LedgerRules,
    messages: MessageChannels,
    recipients: Vec<RecipientRule>,
    unix_groups: BTreeSet<String>,
}

impl Policy {
    /// Checks a document of at most [`MAX_DOCUMENT`] octets. Gives the policy and what deserves a look, or every
    /// error: each names line, table and key (`line 12: [[profile]] p-web: max_validity: …`) and is safe to show.
    pub fn parse(document: &str) -> Result<(Self, Vec<String>), Vec<String>> {
        check::check(document, read::Reading::Strict)
    }

    /// The same for a document that is or was in force, which may come from a program that knew more channels: one
    /// that this program does not know is left out, named in [`RenewalPolicy::unknown_channels`] and warned of.
    pub fn parse_stored(document: &str) -> Result<(Self, Vec<String>), Vec<String>> {
        check::check(document, read::Reading::Stored)
    }

    /// SHA-256 of the document's octets.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// The document as it came.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The people, in the order of the document.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The roles that the document defines, in its order.
    pub fn roles_of_document(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().map(Arc::as_ref).filter(|role| role.is_of_document())
    }

    /// The profiles, in the order of the document.
    pub fn profiles(&self) -> &[Profile] {
        &self.profiles
    }

    /// One profile.
    pub fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.id() == id)
    }

    /// The issuers, in the order of the document.
    pub fn issuers(&self) -> &[Issuer] {
        &self.issuers
    }

    /// One issuer.
    pub fn issuer(&self, id: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.id == id)
    }

    /// The renewal policies, in the order of the document.
    pub fn renewal_policies(&self) -> &[RenewalPolicy] {
        &self.renewal_policies
    }

    /// One renewal policy.
    pub fn renewal_policy(&self, id: &str) -> Option<&RenewalPolicy> {
        self.renewal_policies.iter().find(|policy| policy.id == id)
    }

    /// The calendars, in the order of the document.
    pub fn calendars(&self) -> &[Calendar] {
        &self.calendars
    }

    /// Who has to agree to another policy.
    pub fn change_control(&self) -> &ChangeControl {
        &self.change_control
    }

    /// The renewal policy whose alerts certificates have that were found and that no profile owns; the default alerts
    /// where there is none.
    pub fn found_plan(&self) -> Option<&str> {
        self.found_plan.as_deref()
    }

    /// How much of the ledger may be anchored nowhere off the host.
    pub fn ledger(&self) -> LedgerRules {
        self.ledger
    }

    /// On which channels people are told of requests.
    pub fn messages(&self) -> &MessageChannels {
        &self.messages
    }

    /// Who is told of certificates, in the order of the document.
    pub fn recipients(&self) -> &[RecipientRule] {
        &self.recipients
    }

    /// The groups of the name service that the policy names.
    pub fn unix_groups(&self) -> impl Iterator<Item = &str> {
        self.unix_groups.iter().map(String::as_str)
    }

    /// Whether an account's unix groups have to be looked up at all.
    pub fn needs_unix_groups(&self) -> bool {
        !self.unix_groups.is_empty()
    }
}

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod renewal_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
