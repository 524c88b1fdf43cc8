//! Checks of profiles.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use countersign_shared::content::{KeyAlgorithm, SubjectAttribute};
use countersign_shared::text::is_deceiving;
use countersign_shared::time::Span;

use super::agreement;
use super::check::{Declared, Surroundings};
use super::document::{DeliverTable, ProfileTable, RenewKey};
use super::parts::{Issuer, IssuerKind};
use super::profile::{Delivery, Profile, Rules, TicketPattern};
use super::read::Entry;
use super::report::{Place, Report};
use super::subject::{AccountName, IDENTIFIER_SHAPE, is_identifier};

pub(super) const HOUR: Span = Span::from_secs(3600);
const DAY: u64 = 86_400;
/// The longest validity of an end entity: what public authorities last allowed, and ample for a private one.
const LONGEST_LEAF: Span = Span::from_secs(825 * DAY);
/// The longest validity where certification authorities are signed.
const LONGEST_CA: Span = Span::from_secs(3650 * DAY);
pub(super) const LONGEST_TIMEOUT: Span = Span::from_secs(365 * DAY);
pub(super) const SECOND: Span = Span::from_secs(1);
const MAX_NAMES: usize = 256;

/// The profiles. One with a mistake is left out; the mistake is in `report`. The unix groups that they name are added
/// to `unix_groups`.
pub(super) fn profiles(
    entries: &[Entry<ProfileTable>],
    around: &Surroundings<'_>,
    unix_groups: &mut BTreeSet<String>,
    report: &mut Report,
) -> Vec<Profile> {
    let mut profiles = Vec::with_capacity(entries.len());
    for Entry { value: table, place } in entries {
        check_words(table, place, report);
        check_names(table, place, report);
        check_key_rules(table, place, report);
        let declared = around.declared;
        check_references(table, around.issuers, declared, place, report);
        agreement::check_profile(table, place, report);
        let quorum = agreement::quorum(table, declared, place, report);
        let routes = agreement::routes(table, declared, unix_groups, place, report);
        let escalations = agreement::escalations(table, declared, place, report);
        let calendar = agreement::calendar(table, around.calendars, declared, place, report);
        let ticket_pattern = table.ticket_pattern.as_deref().and_then(|raw| ticket_pattern(raw, place, report));
        let deliver = table.deliver.as_ref().and_then(|table| delivery(table, place, report));
        check_renew_key(table, deliver.as_ref(), place, report);
        let table = table.clone();
        let usages: BTreeSet<_> = table.extended_key_usage.into_iter().collect();
        let rules = Rules {
            id: table.id,
            name: table.name,
            environment: table.environment,
            names: table.names,
            requires_approval: table.requires_approval,
            quorum,
            issuer: table.issuer,
            keys: table.keys,
            extended_key_usage: usages.into_iter().collect(),
            max_validity: table.max_validity,
            justification: table.justification,
            ticket_pattern,
            approval_timeout: table.approval_timeout,
            renewal_policy: table.renewal_policy,
            renew_key: table.renew_key,
            allow_wildcards: table.allow_wildcards,
            allow_ca: table.allow_ca,
            allow_ip: table.allow_ip,
            subject: table.subject.into_attributes(),
            require_login_session: table.require_login_session,
            deliver,
            quorum_order: table.quorum_order,
            reject_threshold: table.reject_threshold,
            extra_for_scheduler: table.extra_for_scheduler,
            routes,
            carry_out_within: table.carry_out_within,
            escalations,
            calendar,
            auto_approve_after: table.auto_approve_after,
            allow_delegation: table.allow_delegation,
            decision_signature: table.decision_signature,
        };
        match Profile::new(rules) {
            Ok(profile) => profiles.push(profile),
            Err(why) => report.error(place, "", format!("no canonical form: {why}")),
        }
    }
    profiles
}

fn check_words(table: &ProfileTable, place: &Place, report: &mut Report) {
    check_id(&table.id, "p-", place, report);
    if !is_plain(&table.name, 128) {
        report.error(place, "name", "1 to 128 characters, none of them invisible");
    }
    if !is_identifier(&table.environment) {
        report.error(place, "environment", IDENTIFIER_SHAPE);
    }
    let country = |value: &str| value.len() == 2 && value.bytes().all(|b| b.is_ascii_uppercase());
    for (attribute, value) in table.subject.clone().into_attributes() {
        let fits = match attribute {
            SubjectAttribute::Country => country(&value),
            // The upper bounds of RFC 5280, appendix A.1.
            SubjectAttribute::State | SubjectAttribute::Locality => is_plain(&value, 128),
            SubjectAttribute::Organization | SubjectAttribute::OrganizationalUnit => is_plain(&value, 64),
        };
        if !fits {
            let what = "two capital letters for a country, else 1 to 64 characters (128 for state and locality)";
            report.error(place, "subject", format!("{attribute}: {what}, none of them invisible"));
        }
    }
}

fn check_names(table: &ProfileTable, place: &Place, report: &mut Report) {
    if table.names.is_empty() || table.names.len() > MAX_NAMES {
        return report.error(place, "names", format!("1 to {MAX_NAMES} patterns"));
    }
    for (i, pattern) in table.names.iter().enumerate() {
        if table.names[..i].contains(pattern) {
            report.error(place, "names", format!("`{pattern}` is there twice"));
        }
        if pattern.is_top_level() {
            report.warning(place, "names", format!("`{pattern}` covers a whole top-level domain"));
        }
        if pattern.is_network() && !table.allow_ip {
            report.warning(place, "names", format!("`{pattern}` has no effect without allow_ip = true"));
        }
    }
}

fn check_key_rules(table: &ProfileTable, place: &Place, report: &mut Report) {
    if table.keys.is_empty() {
        report.error(place, "keys", "at least one kind of key: rsa-2048, ecdsa-p256, ecdsa-p384, ed25519");
    }
    let kind = |key: &KeyAlgorithm| std::mem::discriminant(key);
    for (i, key) in table.keys.iter().enumerate() {
        if table.keys[..i].iter().any(|earlier| kind(earlier) == kind(key)) {
            report.error(place, "keys", format!("`{key}`: each kind once, with its smallest size"));
        }
    }
    if table.extended_key_usage.is_empty() && !table.allow_ca {
        report.error(place, "extended_key_usage", "an empty list would allow every use: name at least one");
    }
    let longest = if table.allow_ca { LONGEST_CA } else { LONGEST_LEAF };
    check_span(table.max_validity, HOUR, longest, "max_validity", place, report);
    if !table.max_validity.millis().is_multiple_of(1000) {
        report.error(place, "max_validity", "whole seconds: a certificate has no finer times");
    }
    if let Some(timeout) = table.approval_timeout {
        check_span(timeout, SECOND, LONGEST_TIMEOUT, "approval_timeout", place, report);
    }
}

fn check_references(table: &ProfileTable, issuers: &[Issuer], declared: &Declared, place: &Place, report: &mut Report) {
    if !declared.has("issuer", &table.issuer) {
        report.error(place, "issuer", format!("there is no [[issuer]] `{}`", table.issuer));
    }
    let local = issuers.iter().any(|issuer| issuer.id == table.issuer && issuer.kind == IssuerKind::LocalCa);
    if table.allow_ca && local {
        report.error(
            place,
            "allow_ca",
            "a local-ca issuer signs no authorities: its own certificate has a path length of 0",
        );
    }
    if let Some(id) = table.renewal_policy.as_ref().filter(|id| !declared.has("renewal_policy", id)) {
        report.error(place, "renewal_policy", format!("there is no [[renewal_policy]] `{id}`"));
    }
}

/// Whether the daemon can make keys under it, and somebody gets them.
fn check_renew_key(table: &ProfileTable, deliver: Option<&Delivery>, place: &Place, report: &mut Report) {
    let mut wrong = |what: &str| report.error(place, "renew_key", what);
    if table.renew_key == RenewKey::Same {
        if table.deliver.as_ref().is_some_and(|deliver| deliver.key_path.is_some()) {
            report.warning(place, "deliver", "key_path has no effect without renew_key = \"new\"");
        }
        return;
    }
    if table.deliver.is_none() {
        wrong("\"new\" needs `deliver`: a key that the daemon makes is given to nobody else");
    }
    if deliver.is_some_and(|deliver| deliver.key_place() == deliver.path) {
        wrong("\"new\": the key would take the place of the chain; name another one as deliver.key_path");
    }
    if table.keys.iter().any(|key| matches!(key, KeyAlgorithm::Rsa(_))) {
        wrong("\"new\": the daemon makes no RSA keys; allow elliptic curves alone, or renew with the same key");
    }
    if table.allow_ca {
        wrong("\"new\": the daemon makes no keys of certification authorities");
    }
}

fn ticket_pattern(raw: &str, place: &Place, report: &mut Report) -> Option<TicketPattern> {
    if !(raw.starts_with('^') && raw.ends_with('$')) {
        report.warning(place, "ticket_pattern", "without ^ and $ a ticket matches that has the pattern anywhere in it");
    }
    TicketPattern::new(raw).map_err(|why| report.error(place, "ticket_pattern", why)).ok()
}

/// The placeholder keeps two certificates of a profile from one file.
const PLACEHOLDER: &str = "{certificate}";

fn delivery(table: &DeliverTable, place: &Place, report: &mut Report) -> Option<Delivery> {
    for (key, path) in [("path", Some(&table.path)), ("key_path", table.key_path.as_ref())] {
        if path.is_some_and(|path| !is_place(path)) {
            report.error(
                place,
                "deliver",
                format!("{key} is absolute, without `..`, with {PLACEHOLDER} once and no other braces"),
            );
        }
    }
    let mut owner = table.owner.iter().flat_map(|owner| owner.splitn(2, ':'));
    // Root may own a file that it alone changes; it is only as a decider that root is nobody.
    if owner.any(|name| name != "root" && !matches!(name.parse(), Ok(AccountName::Name(_)))) {
        report.error(place, "deliver", "owner is user or user:group");
    }
    let octal = (3..=4).contains(&table.mode.len()) && table.mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = u32::from_str_radix(&table.mode, 8).ok();
    let Some(mode) = mode.filter(|mode| octal && mode & !0o755 == 0 && mode & 0o400 != 0) else {
        report.error(place, "deliver", "mode is octal, readable by its owner and writable by nobody else: 0644");
        return None;
    };
    let key_path = table.key_path.clone();
    Some(Delivery { path: table.path.clone(), owner: table.owner.clone(), mode, key_path })
}

/// An absolute path, as it is written, of one certificate.
fn is_place(path: &str) -> bool {
    let rest = path.replacen(PLACEHOLDER, "", 1);
    let plain = Path::new(path).components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let literal = !path.contains("//") && !path.contains("/./") && !path.ends_with('/');
    let one = rest.len() + PLACEHOLDER.len() == path.len() && !rest.contains(['{', '}']);
    path.starts_with('/') && plain && literal && one && is_plain(path, 1024)
}

/// Reports an id that is not the prefix and a name.
pub(super) fn check_id(id: &str, prefix: &str, place: &Place, report: &mut Report) {
    if !id.strip_prefix(prefix).is_some_and(is_identifier) {
        report.error(place, "id", format!("an id is {prefix} and a name; {IDENTIFIER_SHAPE}"));
    }
}

/// Reports a span outside `low` to `high`, both included.
pub(super) fn check_span(span: Span, low: Span, high: Span, key: &str, place: &Place, report: &mut Report) {
    if span < low || span > high {
        report.error(place, key, format!("{span} is not within {low} to {high}"));
    }
}

fn is_plain(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(is_deceiving)
}
