//! The rules of a profile, and their one canonical form.

use std::path::Path;

use countersign_shared::canonical::{CanonicalError, Object};
use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, SubjectAttribute};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::SignatureDemand;
use countersign_shared::time::Span;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::document::{Justification, RenewKey};
use super::names::NamePattern;
use super::profile::TicketPattern;
use super::quorum::{self, Escalation, QuorumOrder, QuorumStep, Route};

/// How long an approval can be used where the policy says nothing.
pub const CARRY_OUT_WITHIN: Span = Span::from_secs(7 * 86_400);

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
    /// The steps of its quorum, at most 8; without any, one operator of the profile agrees.
    #[serde(with = "quorum::snapshot")]
    pub quorum: Vec<QuorumStep>,
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
    /// Which key a renewal is for where nobody brings one.
    #[serde(default, skip_serializing_if = "RenewKey::is_same")]
    pub renew_key: RenewKey,
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
    /// Whether the steps wait for each other.
    #[serde(default, skip_serializing_if = "QuorumOrder::is_parallel")]
    pub quorum_order: QuorumOrder,
    /// So many different people's rejections end a request: 1 to 10.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub reject_threshold: u32,
    /// So many people more, any operators of the profile, agree to what no human asked for: 0 to 5.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extra_for_scheduler: u32,
    /// Other quorums for the certificates of some owners, at most 32; the first that matches replaces `quorum`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// How long an approval can be used; see [`Rules::carry_out_within`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry_out_within: Option<Span>,
    /// Who is asked besides after a while, at most 4, soonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
    /// Whose open hours escalation and the approval timeout count; all hours without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Calendar>,
    /// After this time a renewal with the same names and the same type of key needs nobody; never without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_approve_after: Option<Span>,
    /// Whether an approver's say may be handed to another.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub allow_delegation: bool,
    /// Whether decisions have to be signed, and by which keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_signature: Option<SignatureDemand>,
}

const fn one() -> u32 {
    1
}

const fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_one(number: &u32) -> bool {
    *number == 1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_true(flag: &bool) -> bool {
    *flag
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
    /// Where a key that the daemon made is written, as `path`; see [`Delivery::key_place`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_path: Option<String>,
}

impl Delivery {
    /// Where a key that the daemon made is written: as the policy says, or `path` with the extension `key`.
    pub fn key_place(&self) -> String {
        let beside = || Path::new(&self.path).with_extension("key").to_string_lossy().into_owned();
        self.key_path.clone().unwrap_or_else(beside)
    }
}

/// The largest canonical form of a profile.
pub(super) const CANONICAL_LIMIT: usize = 256 * 1024;

impl Rules {
    /// How long an approval can be used, 1m to 90d; 7d when the policy says nothing.
    pub fn carry_out_within(&self) -> Span {
        self.carry_out_within.unwrap_or(CARRY_OUT_WITHIN)
    }

    /// The groups that the steps of its quorum and of its routes ask; one may come several times.
    pub fn step_groups(&self) -> impl Iterator<Item = &str> {
        let routed = self.routes.iter().flat_map(|route| &route.quorum);
        self.quorum.iter().chain(routed).map(|step| step.group.as_str())
    }

    /// The groups that are asked besides after a while; one may come several times.
    pub fn escalation_groups(&self) -> impl Iterator<Item = &str> {
        self.escalations.iter().flat_map(|escalation| &escalation.groups).map(String::as_str)
    }

    /// SHA-256 over the canonical form, the display name left out. What was added since the first version enters it
    /// only where it is not the default, so that rules from before keep their digest.
    pub(super) fn digest(&self) -> Result<Digest, CanonicalError> {
        let millis = |span: Span| i64::try_from(span.millis()).unwrap_or(i64::MAX);
        let mut form = Object::new();
        form.boolean("allow_ca", self.allow_ca);
        if !self.allow_delegation {
            form.boolean("allow_delegation", false);
        }
        form.boolean("allow_ip", self.allow_ip)
            .boolean("allow_wildcards", self.allow_wildcards)
            .integer_if("approval_timeout_ms", self.approval_timeout.map(millis));
        form.integer_if("auto_approve_after_ms", self.auto_approve_after.map(millis));
        if let Some(calendar) = &self.calendar {
            form.object("calendar", &calendar.canonical()?);
        }
        if self.carry_out_within() != CARRY_OUT_WITHIN {
            form.integer("carry_out_within_ms", millis(self.carry_out_within()));
        }
        form.string_if("decision_signature", self.decision_signature.map(SignatureDemand::as_str));
        if let Some(deliver) = &self.deliver {
            let inner = Object::new()
                .string_if("key_path", deliver.key_path.as_deref())
                .integer("mode", i64::from(deliver.mode))
                .string_if("owner", deliver.owner.as_deref())
                .string("path", &deliver.path)
                .finish_within(CANONICAL_LIMIT)?;
            form.object("deliver", &inner);
        }
        form.string("environment", &self.environment);
        if !self.escalations.is_empty() {
            form.object("escalations", &quorum::numbered(&self.escalations, quorum::canonical_escalation)?);
        }
        form.strings("extended_key_usage", self.extended_key_usage.iter().map(|usage| usage.as_str()));
        if self.extra_for_scheduler != 0 {
            form.integer("extra_for_scheduler", i64::from(self.extra_for_scheduler));
        }
        form.string("id", &self.id)
            .string("issuer", &self.issuer)
            .boolean("justification_required", self.justification == Justification::Required)
            .strings("keys", self.keys.iter().map(KeyAlgorithm::to_string))
            .integer("max_validity_ms", millis(self.max_validity))
            .strings("names", self.names.iter().map(NamePattern::to_string));
        quorum::write(&mut form, &self.quorum, self.quorum_order)?;
        if self.reject_threshold != 1 {
            form.integer("reject_threshold", i64::from(self.reject_threshold));
        }
        if self.renew_key == RenewKey::New {
            form.string("renew_key", self.renew_key.as_str());
        }
        let subject = self.subject.iter().map(|(attribute, value)| format!("{attribute}:{value}"));
        form.string_if("renewal_policy", self.renewal_policy.as_deref())
            .boolean("require_login_session", self.require_login_session)
            .boolean("requires_approval", self.requires_approval);
        if !self.routes.is_empty() {
            form.object("routes", &quorum::numbered(&self.routes, quorum::canonical_route)?);
        }
        let bytes = form
            .strings("subject", subject)
            .string_if("ticket_pattern", self.ticket_pattern.as_ref().map(TicketPattern::as_str))
            .finish_within(CANONICAL_LIMIT)?;
        Ok(Digest::of(&[b"countersign-profile-v1\0", bytes.as_bytes()]))
    }
}
