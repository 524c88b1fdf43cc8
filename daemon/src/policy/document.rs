//! The tables of `policy.toml` as they are written. The JSON Schema in `docs/policy.schema.json` is generated
//! from these types; [`Policy::parse`](super::Policy::parse) makes the checked form of them.

use std::collections::BTreeMap;

use countersign_shared::content::{ExtendedKeyUsage, KeyAlgorithm, SubjectAttribute};
use countersign_shared::protocol::SignatureDemand;
use countersign_shared::time::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::names::NamePattern;
use super::permission::Permission;
use super::quorum::{Escalation, QuorumOrder, QuorumStep, Route};

/// `policy.toml`: who is who, who may do what, which certificates may exist, and who has to agree to them.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "countersign policy")]
#[allow(dead_code, reason = "the schema's root; the tables are read one by one so that each mistake is reported")]
pub(super) struct PolicyDocument {
    /// The format of this document: 1.
    #[schemars(range(min = 1, max = 1))]
    version: u32,
    /// Humans.
    #[schemars(default)]
    person: Vec<PersonTable>,
    /// Sets of people and accounts.
    #[schemars(default)]
    group: Vec<GroupTable>,
    /// Roles besides those that are built in.
    #[schemars(default)]
    role: Vec<RoleTable>,
    /// Who has which role.
    #[schemars(default)]
    grant: Vec<GrantTable>,
    /// Trust profiles.
    #[schemars(default)]
    profile: Vec<ProfileTable>,
    /// When certificates are renewed, and who is told.
    #[schemars(default)]
    renewal_policy: Vec<RenewalPolicyTable>,
    /// Who signs.
    #[schemars(default)]
    issuer: Vec<IssuerTable>,
    /// Open hours.
    #[schemars(default)]
    calendar: Vec<Calendar>,
    /// Who has to agree to another policy.
    change_control: Option<ChangeControlTable>,
    /// What holds for certificates that were found.
    inventory: Option<InventoryTable>,
    /// How much of the ledger may be anchored nowhere else.
    ledger: Option<LedgerTable>,
    /// On which channels people are told of requests.
    #[schemars(with = "Option<MessageChannels>")]
    messages: Option<MessagesTable>,
    /// Who is told of certificates, by their owner and profile.
    #[schemars(default)]
    recipients: Vec<RecipientsTable>,
}

/// One human: one vote, however many accounts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Person")]
pub(super) struct PersonTable {
    /// Lower-case letters, digits, `.`, `_` and `-`; at most 64.
    pub name: String,
    /// User names, or `uid:61001`. An account belongs to one person at most; root belongs to nobody.
    pub accounts: Vec<String>,
    /// Where messages go.
    pub email: Option<String>,
    /// SSH public keys, as `authorized_keys` writes them, for signed decisions.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// A set of people and accounts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Group")]
pub(super) struct GroupTable {
    /// Lower-case letters, digits, `.`, `_` and `-`; at most 64.
    pub name: String,
    /// Each `person:NAME`, `user:ACCOUNT`, `uid:N`, `unixgroup:NAME` or `group:NAME`.
    pub members: Vec<String>,
}

/// A role besides those that are built in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Role")]
pub(super) struct RoleTable {
    /// Lower-case letters, digits, `.`, `_` and `-`; at most 64; not `requester`, `operator`, `admin` or `auditor`.
    pub name: String,
    /// What it gives, each once; at least one.
    #[schemars(schema_with = "permission_names")]
    pub permissions: Vec<String>,
}

fn permission_names(_: &mut SchemaGenerator) -> Schema {
    let names = Permission::ALL.into_iter().filter(|permission| !permission.is_reserved());
    let names: Vec<&str> = names.map(Permission::as_str).collect();
    json_schema!({ "type": "array", "items": { "enum": names }, "minItems": 1, "uniqueItems": true })
}

/// A role given to somebody.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Grant")]
pub(super) struct GrantTable {
    /// `requester`, `operator`, `admin`, `auditor`, or the name of a `[[role]]`.
    pub role: String,
    /// `group:NAME`, `person:NAME`, `user:ACCOUNT`, `uid:N` or `unixgroup:NAME`.
    pub to: String,
    /// Only for these profiles; all when left out. Not for `admin` and `auditor`, nor for a `[[role]]` that gives something
    /// about everything.
    pub profiles: Option<Vec<String>>,
    /// A TOML date-time with an offset; no end when left out.
    #[schemars(with = "Option<String>")]
    pub until: Option<toml::value::Datetime>,
}

/// A trust profile.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Profile")]
pub(super) struct ProfileTable {
    /// `p-…`
    pub id: String,
    /// For people.
    pub name: String,
    /// Lower-case letters, digits, `.`, `_` and `-`; at most 64.
    pub environment: String,
    /// Which names its certificates carry.
    pub names: Vec<NamePattern>,
    /// Whether people have to agree; false when left out.
    #[serde(default)]
    pub requires_approval: bool,
    /// Who has to agree: 1 to 8 steps, each group once, at most 200 people. One operator of the profile when left out.
    pub quorum: Option<Vec<QuorumStep>>,
    /// Whether the steps wait for each other; `parallel` when left out.
    #[serde(default)]
    pub quorum_order: QuorumOrder,
    /// So many different people's rejections end a request; 1 when left out.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10))]
    pub reject_threshold: u32,
    /// So many people more, any operators of the profile, have to agree to what no human asked for; 0 when left out.
    #[serde(default)]
    #[schemars(range(min = 0, max = 5))]
    pub extra_for_scheduler: u32,
    /// Other quorums for the certificates of some owners, at most 32; the first that matches is taken.
    pub route: Option<Vec<Route>>,
    /// How long an approval can be used, `1m` to `90d`; `7d` when left out.
    pub carry_out_within: Option<Span>,
    /// Who is asked besides after a while: at most 4, soonest first.
    pub escalate: Option<Vec<Escalation>>,
    /// The `id` of a calendar: escalation and `approval_timeout` count its open hours alone.
    pub calendar: Option<String>,
    /// Renewals with the same names and the same type of key are approved when they have waited for so long, `1h` to
    /// `90d`; never when left out.
    pub auto_approve_after: Option<Span>,
    /// Whether an approver's say may be handed to another for a time; true when left out.
    #[serde(default = "yes")]
    pub allow_delegation: bool,
    /// The `id` of an issuer.
    pub issuer: String,
    /// The smallest allowed key of each kind; each elliptic curve is a kind of its own.
    pub keys: Vec<KeyAlgorithm>,
    /// What the certificates are for; `["server_auth"]` when left out.
    #[serde(default = "server_auth")]
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    /// The longest validity: `1h` to `825d`, with `allow_ca` to `3650d`.
    pub max_validity: Span,
    /// Whether a reason must be given; `optional` when left out.
    #[serde(default)]
    pub justification: Justification,
    /// A regular expression that the change ticket has to match; no ticket is required when left out.
    pub ticket_pattern: Option<String>,
    /// How long a request waits for people, `1s` to `365d`; the daemon's setting when left out.
    pub approval_timeout: Option<Span>,
    /// The `id` of a renewal policy.
    pub renewal_policy: Option<String>,
    /// Which key a renewal is for where nobody brings one; `same` when left out. `new` needs `deliver`, and elliptic
    /// curves alone in `keys`.
    #[serde(default)]
    pub renew_key: RenewKey,
    /// Whether SANs such as `*.corp.example` are given; false when left out.
    #[serde(default)]
    pub allow_wildcards: bool,
    /// Whether certification authorities are signed; false when left out. Not with a `local-ca` issuer.
    #[serde(default)]
    pub allow_ca: bool,
    /// Whether SANs that are addresses are given; false when left out.
    #[serde(default)]
    pub allow_ip: bool,
    /// Subject attributes that every certificate gets; all others of a CSR are dropped, except the common name.
    #[serde(default)]
    pub subject: SubjectTable,
    /// Whether requests and decisions need a caller with a login session; false when left out.
    #[serde(default)]
    pub require_login_session: bool,
    /// Whether decisions have to be signed by a key of the person who decides; not when left out.
    pub decision_signature: Option<SignatureDemand>,
    /// Where the daemon writes the chain; nowhere when left out.
    pub deliver: Option<DeliverTable>,
}

const fn one() -> u32 {
    1
}

fn server_auth() -> Vec<ExtendedKeyUsage> {
    vec![ExtendedKeyUsage::ServerAuth]
}

/// Who has to agree to another policy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ChangeControl")]
pub(super) struct ChangeControlTable {
    /// As a profile's; one admin, or operator of all profiles, other than the proposer when left out.
    pub quorum: Option<Vec<QuorumStep>>,
    /// Whether the steps wait for each other; `parallel` when left out.
    #[serde(default)]
    pub quorum_order: QuorumOrder,
    /// So many different people's rejections end a proposal; 1 when left out.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10))]
    pub reject_threshold: u32,
    /// How long a proposal waits for people, `1s` to `365d`; `7d` when left out.
    pub approval_timeout: Option<Span>,
    /// Whether decisions have to be signed by a key of the person who decides; not when left out.
    pub decision_signature: Option<SignatureDemand>,
}

/// Which key a renewal is for where nobody brings one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RenewKey {
    /// The one of the certificate in force.
    #[default]
    Same,
    /// One that the daemon makes, delivers beside the certificate, and does not keep.
    New,
}

impl RenewKey {
    /// As the policy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::New => "new",
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
    pub(super) const fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }
}

/// What holds for certificates that were found on the host and that no profile owns.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Inventory")]
pub(super) struct InventoryTable {
    /// The `id` of the renewal policy whose thresholds, severities and channels their alerts have; the defaults of one
    /// when left out. They are not renewed.
    pub renewal_policy: Option<String>,
}

/// How much of the ledger may be anchored nowhere off this host before that is an alarm; no alarm for what is left out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Ledger")]
pub(super) struct LedgerTable {
    /// How old the oldest record without an anchor may be, `1m` to `365d`.
    pub max_unanchored: Option<Span>,
    /// How many records without an anchor there may be.
    #[schemars(range(min = 1))]
    pub max_unanchored_records: Option<u64>,
}

/// Whether a request has to say why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// It has to.
    Required,
    /// It may.
    #[default]
    Optional,
}

/// Fixed subject attributes of a profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Subject")]
pub(super) struct SubjectTable {
    /// C: two capital letters (ISO 3166).
    pub country: Option<String>,
    /// ST, at most 128 characters.
    pub state: Option<String>,
    /// L, at most 128 characters.
    pub locality: Option<String>,
    /// O, at most 64 characters.
    pub organization: Option<String>,
    /// OU, at most 64 characters.
    pub organizational_unit: Option<String>,
}

impl SubjectTable {
    /// What is set, in the order of the enumeration.
    pub fn into_attributes(self) -> Vec<(SubjectAttribute, String)> {
        [
            (SubjectAttribute::Country, self.country),
            (SubjectAttribute::State, self.state),
            (SubjectAttribute::Locality, self.locality),
            (SubjectAttribute::Organization, self.organization),
            (SubjectAttribute::OrganizationalUnit, self.organizational_unit),
        ]
        .into_iter()
        .filter_map(|(attribute, value)| Some((attribute, value?)))
        .collect()
    }
}

/// Where the daemon writes a certificate's chain.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Deliver")]
pub(super) struct DeliverTable {
    /// An absolute path with `{certificate}`, which stands for the certificate's id.
    pub path: String,
    /// `user` or `user:group`; the daemon's own when left out.
    pub owner: Option<String>,
    /// Octal permission bits, writable by the owner alone; `0644` when left out.
    #[serde(default = "readable")]
    pub mode: String,
    /// Where a key that the daemon made is written, mode 0600, as `path`; `path` with the extension `.key` when left out.
    pub key_path: Option<String>,
}

fn readable() -> String {
    "0644".to_owned()
}

/// When a certificate is renewed, and who is told of its expiry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RenewalPolicy")]
pub(super) struct RenewalPolicyTable {
    /// `rp-…`
    pub id: String,
    /// Days before expiry at which renewal begins.
    #[serde(default = "window")]
    #[schemars(range(min = 1, max = 365))]
    pub renewal_window_days: i64,
    /// Whether the daemon asks for the renewal by itself.
    #[serde(default = "yes")]
    pub auto_renew: bool,
    /// How often a failed renewal is tried again.
    #[serde(default = "retries")]
    #[schemars(range(min = 0, max = 10))]
    pub max_retries: i64,
    /// Seconds between tries.
    #[serde(default = "interval")]
    #[schemars(range(min = 60, max = 86400))]
    pub retry_interval_seconds: i64,
    /// Days before expiry at which an alert goes out, each 0 to 365.
    #[serde(default = "thresholds")]
    pub alert_thresholds_days: Vec<i64>,
    /// A threshold's severity. One that is not named takes the nearest stricter neighbour's.
    #[serde(default = "severities")]
    pub alert_severity_map: BTreeMap<String, Severity>,
    /// The channels of each severity: e-mail for one that is left out, none for an empty list.
    #[serde(default)]
    #[schemars(with = "AlertChannels")]
    pub alert_channels: ChannelNames,
    /// The `id` of a calendar: informational alerts wait until it is open; warnings and critical ones never do.
    pub informational_calendar: Option<String>,
}

const fn window() -> i64 {
    30
}

const fn yes() -> bool {
    true
}

const fn retries() -> i64 {
    3
}

const fn interval() -> i64 {
    300
}

fn thresholds() -> Vec<i64> {
    vec![30, 14, 7, 0]
}

fn severities() -> BTreeMap<String, Severity> {
    let map = [
        ("30", Severity::Informational),
        ("14", Severity::Warning),
        ("7", Severity::Warning),
        ("0", Severity::Critical),
    ];
    map.into_iter().map(|(days, severity)| (days.to_owned(), severity)).collect()
}

/// How urgent an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Informational,
    /// Somebody should act this week.
    Warning,
    /// Somebody has to act now.
    Critical,
}

/// The closed list of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
pub enum Channel {
    /// SMTP.
    Email,
    /// Slack.
    Slack,
    /// Microsoft Teams.
    Teams,
    /// PagerDuty.
    PagerDuty,
    /// OpsGenie.
    OpsGenie,
    /// A signed HTTP request.
    Webhook,
    /// The journal.
    Syslog,
    /// A local program.
    Command,
    /// The terminals of logged-in approvers.
    Wall,
}

/// [`AlertChannels`] as it is written: what a name means is judged by [`renewal`](super::renewal), which knows whether
/// the document is a stored one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelNames {
    pub informational: Option<Vec<String>>,
    pub warning: Option<Vec<String>>,
    pub critical: Option<Vec<String>>,
}

/// The channels of each severity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertChannels {
    /// Of informational alerts; e-mail when left out.
    pub informational: Option<Vec<Channel>>,
    /// Of warnings; e-mail when left out.
    pub warning: Option<Vec<Channel>>,
    /// Of critical alerts; e-mail when left out.
    pub critical: Option<Vec<Channel>>,
}

/// Who signs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Issuer")]
pub(super) struct IssuerTable {
    /// Lower-case letters, digits, `.`, `_` and `-`; at most 64.
    pub id: String,
    /// The embedded authority or a program.
    #[serde(rename = "type")]
    pub kind: IssuerType,
    /// `exec`: the program by its absolute path, and its arguments.
    pub command: Option<Vec<String>>,
    /// `exec`: how long the program may take, `1s` to `10m`; `60s` when left out.
    pub timeout: Option<Span>,
    /// `local-ca`: how the list of what was revoked is published.
    pub crl: Option<CrlTable>,
}

/// How the list of what was revoked is published.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Crl")]
pub(super) struct CrlTable {
    /// Where clients find it: an http or https URL of at most 1024 octets, which stands in each certificate.
    pub url: Option<String>,
    /// An absolute path where it is written in DER, besides the state directory.
    pub path: Option<String>,
    /// From one list to the moment by which the next one is there, `1h` to `90d`; `7d` when left out.
    pub lifetime: Option<Span>,
}

/// The kinds of issuer that this version has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum IssuerType {
    /// The embedded authority.
    LocalCa,
    /// A program.
    Exec,
}

/// [`MessageChannels`] as it is written: see [`ChannelNames`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessagesTable {
    pub asked: Option<Vec<String>>,
    pub told: Option<Vec<String>>,
    pub alarmed: Option<Vec<String>>,
}

/// On which channels people are told of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageChannels {
    /// Those who can decide, of what waits for them; e-mail where it is configured when left out, nobody for an empty
    /// list.
    pub asked: Option<Vec<Channel>>,
    /// Those who asked, of what came of it; the same.
    pub told: Option<Vec<Channel>>,
    /// Admins, and whoever has `alarm.receive`, of what they have to look at; the same.
    pub alarmed: Option<Vec<Channel>>,
}

/// Who is told of certificates, besides those whom a message is for. The first table that matches is taken.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Recipients")]
pub(super) struct RecipientsTable {
    /// Only certificates of these: `person:NAME`, `group:NAME` or `user:ACCOUNT`; all when left out.
    pub owner: Option<String>,
    /// Only certificates under these profiles; all when left out. One of both is set.
    pub profiles: Option<Vec<String>>,
    /// A team of the configuration: `[notify.team.NAME.slack]`.
    pub team: Option<String>,
    /// Addresses for e-mail, at most 32. One of both is set.
    pub mail: Option<Vec<String>>,
}
