//! What each table of a policy says, as lines of text that can be laid beside those of another policy.

use std::collections::BTreeMap;

use countersign_shared::content::KeyAlgorithm;

use super::super::document::{Channel, RenewKey};
use super::super::parts::{Grant, IssuerKind};
use super::super::profile::{Justification, Profile, Rules, TicketPattern};
use super::super::quorum::{self, QuorumOrder, QuorumStep};
use super::super::rules::CARRY_OUT_WITHIN;
use super::super::{ChangeControl, Permission, Policy, RecipientRule, Role};

/// The tables of one name by their label.
pub(super) type Sheet = BTreeMap<String, Lines>;

/// One key, or one element of a list.
#[derive(Debug)]
pub(super) struct Line {
    /// The key's position among those of its table.
    pub position: usize,
    pub key: &'static str,
    /// What lines of both sides are matched by, within the key.
    pub element: String,
    pub text: String,
    /// True for what a key that is left out means.
    pub default: bool,
}

/// What one table says.
#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: Vec<Line>,
    keys: usize,
}

impl Lines {
    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    fn value(&mut self, key: &'static str, text: impl ToString) {
        self.each(key, [(String::new(), text.to_string())]);
    }

    fn value_or(&mut self, key: &'static str, text: impl ToString, default: bool) {
        self.value(key, text);
        if let Some(line) = self.lines.last_mut() {
            line.default = default;
        }
    }

    fn value_if(&mut self, key: &'static str, text: Option<impl ToString>) {
        self.each(key, text.map(|text| (String::new(), text.to_string())));
    }

    fn set<T: ToString>(&mut self, key: &'static str, elements: impl IntoIterator<Item = T>) {
        self.each(key, elements.into_iter().map(|element| (element.to_string(), element.to_string())));
    }

    /// Elements and their texts. A key takes its position whether or not it has any.
    fn each(&mut self, key: &'static str, elements: impl IntoIterator<Item = (String, String)>) {
        let position = self.keys;
        self.keys += 1;
        let line = |(element, text)| Line { position, key, element, text, default: false };
        self.lines.extend(elements.into_iter().map(line));
    }
}

pub(super) fn people(policy: &Policy) -> Sheet {
    let lines = |person: &super::super::Person| {
        let mut lines = Lines::default();
        lines.value("name", &person.name);
        lines.set("accounts", &person.accounts);
        lines.value_if("email", person.email.as_ref());
        lines.set("keys", &person.keys);
        (person.name.clone(), lines)
    };
    policy.people.iter().map(lines).collect()
}

pub(super) fn groups(policy: &Policy) -> Sheet {
    let lines = |(name, members): (&String, &std::collections::BTreeSet<_>)| {
        let mut lines = Lines::default();
        lines.value("name", name);
        lines.set("members", members);
        (name.clone(), lines)
    };
    policy.written_groups.iter().map(lines).collect()
}

/// Those of the document; the built-in ones are the same in every policy.
pub(super) fn roles(policy: &Policy) -> Sheet {
    let lines = |role: &Role| {
        let mut lines = Lines::default();
        lines.value("name", role.name());
        lines.set("permissions", role.permissions().iter().map(Permission::as_str));
        (role.name().to_owned(), lines)
    };
    policy.roles_of_document().map(lines).collect()
}

/// The grants by role and receiver, and a number where there are several of one kind.
pub(super) fn grants_by_label(policy: &Policy) -> BTreeMap<String, Grant> {
    let mut sorted: Vec<Grant> = policy.grants.clone();
    for grant in &mut sorted {
        if let Some(profiles) = &mut grant.profiles {
            profiles.sort_unstable();
            profiles.dedup();
        }
    }
    sorted.sort_by(|a, b| (&a.profiles, a.until).cmp(&(&b.profiles, b.until)));
    let mut labelled = BTreeMap::new();
    for grant in sorted {
        let label = format!("{} to {}", grant.role, grant.to);
        let several = (2..).map(|number| format!("{label} ({number})"));
        let free = std::iter::once(label.clone()).chain(several).find(|label| !labelled.contains_key(label));
        labelled.insert(free.unwrap_or(label), grant);
    }
    labelled
}

pub(super) fn grants(grants: &BTreeMap<String, Grant>) -> Sheet {
    let lines = |(label, grant): (&String, &Grant)| {
        let mut lines = Lines::default();
        lines.value("role", &grant.role);
        lines.value("to", &grant.to);
        lines.value_if("profiles", grant.profiles.as_ref().map(|profiles| profiles.join(", ")));
        lines.value_if("until", grant.until);
        (label.clone(), lines)
    };
    grants.iter().map(lines).collect()
}

/// `other` is the policy that this one is laid beside: the order of routes shows as far as both have them.
pub(super) fn profiles(policy: &Policy, other: &Policy) -> Sheet {
    let lines = |profile: &Profile| {
        let other = other.profile(profile.id()).map(Profile::rules);
        (profile.id().to_owned(), of_profile(profile.rules(), other))
    };
    policy.profiles().iter().map(lines).collect()
}

fn of_profile(rules: &Rules, other: Option<&Rules>) -> Lines {
    let mut lines = Lines::default();
    lines.value("id", &rules.id);
    lines.value("name", &rules.name);
    lines.value("environment", &rules.environment);
    lines.set("names", &rules.names);
    lines.value_or("requires_approval", rules.requires_approval, !rules.requires_approval);
    let nobody = if rules.requires_approval { "1 operator of the profile other than the requester" } else { "nobody" };
    steps(&mut lines, &rules.quorum, rules.quorum_order, nobody);
    lines.value_or("reject_threshold", rules.reject_threshold, rules.reject_threshold == 1);
    lines.value_or("extra_for_scheduler", rules.extra_for_scheduler, rules.extra_for_scheduler == 0);
    routes(&mut lines, rules, other);
    lines.value_or("carry_out_within", rules.carry_out_within(), rules.carry_out_within() == CARRY_OUT_WITHIN);
    let escalation = |escalation: &quorum::Escalation| {
        let mut groups = escalation.groups.clone();
        groups.sort_unstable();
        let text = format!("after {}: {}", escalation.after, groups.join(", "));
        (format!("{:020} {text}", escalation.after.millis()), text)
    };
    lines.each("escalate", rules.escalations.iter().map(escalation));
    lines.value_if("calendar", rules.calendar.as_ref().map(|calendar| &calendar.id));
    lines.value_if("auto_approve_after", rules.auto_approve_after);
    lines.value_or("allow_delegation", rules.allow_delegation, rules.allow_delegation);
    lines.value("issuer", &rules.issuer);
    lines.each("keys", rules.keys.iter().map(|key| (kind(key), key.to_string())));
    lines.set("extended_key_usage", rules.extended_key_usage.iter().map(|usage| usage.as_str()));
    lines.value("max_validity", rules.max_validity);
    let required = rules.justification == Justification::Required;
    lines.value_or("justification", if required { "required" } else { "optional" }, !required);
    lines.value_if("ticket_pattern", rules.ticket_pattern.as_ref().map(TicketPattern::as_str));
    lines.value_if("approval_timeout", rules.approval_timeout);
    lines.value_if("renewal_policy", rules.renewal_policy.as_ref());
    lines.value_or("renew_key", rules.renew_key.as_str(), rules.renew_key == RenewKey::Same);
    lines.value_or("allow_wildcards", rules.allow_wildcards, !rules.allow_wildcards);
    lines.value_or("allow_ca", rules.allow_ca, !rules.allow_ca);
    lines.value_or("allow_ip", rules.allow_ip, !rules.allow_ip);
    let attribute = |(attribute, value): &(_, String)| (format!("{attribute}"), format!("{attribute} = {value}"));
    lines.each("subject", rules.subject.iter().map(attribute));
    lines.value_or("require_login_session", rules.require_login_session, !rules.require_login_session);
    lines.value_if("decision_signature", rules.decision_signature);
    let delivery = rules.deliver.as_ref().map(|deliver| {
        let owner = deliver.owner.as_deref().unwrap_or("the daemon's own");
        let key = deliver.key_path.as_ref().map(|path| format!(", key {path}")).unwrap_or_default();
        format!("{}, owner {owner}, mode {:04o}{key}", deliver.path, deliver.mode)
    });
    lines.value_if("deliver", delivery);
    lines
}

/// The kind of a key: what a profile names once, with its smallest size.
fn kind(key: &KeyAlgorithm) -> String {
    match key {
        KeyAlgorithm::Rsa(_) => "rsa".to_owned(),
        curve => curve.to_string(),
    }
}

fn steps(lines: &mut Lines, steps: &[QuorumStep], order: QuorumOrder, without: &str) {
    let words = quorum::in_words(steps, QuorumOrder::Parallel);
    let ordered = order == QuorumOrder::Ordered && steps.len() > 1;
    let place = |number: usize| if ordered { format!(", step {}", number + 1) } else { String::new() };
    let step = |(number, (step, words)): (usize, (&QuorumStep, String))| {
        (step.group.clone(), format!("{words}{}", place(number)))
    };
    let without = steps.is_empty().then(|| (String::new(), without.to_owned()));
    lines.each("quorum", steps.iter().zip(words).enumerate().map(step).chain(without));
    lines.value_or("quorum_order", order.as_str(), order == QuorumOrder::Parallel);
}

fn routes(lines: &mut Lines, rules: &Rules, other: Option<&Rules>) {
    let theirs = other.map_or(&[][..], |other| &other.routes);
    let common = rules.routes.iter().filter(|route| theirs.iter().any(|their| their.owner == route.owner));
    let common: Vec<String> = common.map(|route| route.owner.to_string()).collect();
    let order = (common.len() > 1).then(|| (String::new(), format!("in the order {}", common.join(", "))));
    let route = |route: &quorum::Route| {
        let steps = quorum::in_words(&route.quorum, route.quorum_order).join(", ");
        (route.owner.to_string(), format!("{}: {steps} ({})", route.owner, route.quorum_order.as_str()))
    };
    lines.each("route", order.into_iter().chain(rules.routes.iter().map(route)));
}

pub(super) fn renewal_policies(policy: &Policy) -> Sheet {
    let lines = |renewal: &super::super::RenewalPolicy| {
        let mut lines = Lines::default();
        lines.value("id", &renewal.id);
        lines.value("renewal_window_days", renewal.renewal_window_days);
        lines.value("auto_renew", renewal.auto_renew);
        lines.value("max_retries", renewal.max_retries);
        lines.value("retry_interval_seconds", renewal.retry_interval_seconds);
        lines.set("alert_thresholds_days", &renewal.alert_thresholds_days);
        let severities = renewal.alert_severity_map.iter();
        let severities =
            severities.map(|(day, severity)| (format!("{day:03}"), format!("{day}: {}", severity.as_str())));
        lines.each("alert_severity_map", severities);
        let channels = &renewal.alert_channels;
        let named = [
            ("informational", &channels.informational),
            ("warning", &channels.warning),
            ("critical", &channels.critical),
        ];
        let text = |severity: &str, list: &[Channel]| {
            let unknown = renewal.unknown_channels.iter().filter(|(of, _)| of.as_str() == severity);
            let unknown = unknown.map(|(_, name)| format!("{} (unknown)", name.safe()));
            let names = list.iter().map(|channel| channel.as_str().to_owned()).chain(unknown).collect::<Vec<String>>();
            format!("{severity}: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
        };
        let named = named.into_iter().filter_map(|(severity, list)| Some((severity, list.as_ref()?)));
        lines.each("alert_channels", named.map(|(severity, list)| (severity.to_owned(), text(severity, list))));
        lines.value_if("informational_calendar", renewal.informational_calendar.as_ref().map(|calendar| &calendar.id));
        (renewal.id.clone(), lines)
    };
    policy.renewal_policies.iter().map(lines).collect()
}

pub(super) fn issuers(policy: &Policy) -> Sheet {
    let lines = |issuer: &super::super::Issuer| {
        let mut lines = Lines::default();
        lines.value("id", &issuer.id);
        let (kind, command, timeout) = match &issuer.kind {
            IssuerKind::LocalCa => ("local-ca", None, None),
            IssuerKind::Exec { command, timeout } => ("exec", Some(format!("{command:?}")), Some(*timeout)),
        };
        lines.value("type", kind);
        lines.value_if("command", command);
        lines.value_if("timeout", timeout);
        lines.value_if(
            "crl",
            issuer.crl.as_ref().map(|crl| {
                let named = [("url", &crl.url), ("path", &crl.path)];
                let named = named.into_iter().filter_map(|(key, value)| Some(format!("{key} {}, ", value.as_ref()?)));
                format!("{}lifetime {}", named.collect::<String>(), crl.lifetime)
            }),
        );
        (issuer.id.clone(), lines)
    };
    policy.issuers.iter().map(lines).collect()
}

pub(super) fn calendars(policy: &Policy) -> Sheet {
    let lines = |calendar: &super::super::Calendar| {
        let mut lines = Lines::default();
        lines.value("id", &calendar.id);
        let days = calendar.days.iter().map(|day| (format!("{}", *day as u8), day.as_str().to_owned()));
        lines.each("days", days);
        lines.value("from", calendar.from);
        lines.value("until", calendar.until);
        lines.value("timezone", calendar.timezone);
        lines.set("holidays", &calendar.holidays);
        (calendar.id.clone(), lines)
    };
    policy.calendars().iter().map(lines).collect()
}

/// One table without a label; it is always there, if only by its defaults.
pub(super) fn change_control(policy: &Policy) -> Sheet {
    let control = policy.change_control();
    let default = ChangeControl::default();
    let mut lines = Lines::default();
    steps(
        &mut lines,
        &control.quorum,
        control.quorum_order,
        "1 admin, or operator of all profiles, other than the proposer",
    );
    lines.value_or("reject_threshold", control.reject_threshold, control.reject_threshold == default.reject_threshold);
    lines.value_or("approval_timeout", control.approval_timeout, control.approval_timeout == default.approval_timeout);
    lines.value_if("decision_signature", control.decision_signature);
    Sheet::from([(String::new(), lines)])
}

/// One table without a label, as `change_control` is.
pub(super) fn inventory(policy: &Policy) -> Sheet {
    let mut lines = Lines::default();
    lines.value_if("renewal_policy", policy.found_plan());
    Sheet::from([(String::new(), lines)])
}

/// The same.
pub(super) fn ledger(policy: &Policy) -> Sheet {
    let rules = policy.ledger();
    let mut lines = Lines::default();
    lines.value_if("max_unanchored", rules.max_age);
    lines.value_if("max_unanchored_records", rules.max_records);
    Sheet::from([(String::new(), lines)])
}

/// One table without a label. What it leaves out depends on the host.
pub(super) fn messages(policy: &Policy) -> Sheet {
    let messages = policy.messages();
    let mut lines = Lines::default();
    for (key, list) in [("asked", &messages.asked), ("told", &messages.told), ("alarmed", &messages.alarmed)] {
        let text = |list: &Vec<Channel>| match list.as_slice() {
            [] => "nobody".to_owned(),
            list => list.iter().map(|channel| channel.as_str()).collect::<Vec<_>>().join(", "),
        };
        lines.value_if(key, list.as_ref().map(text));
    }
    Sheet::from([(String::new(), lines)])
}

/// By what they match. Their order shows as far as both policies have them: the first that matches is taken.
pub(super) fn recipients(policy: &Policy, other: &Policy) -> Sheet {
    let label = |rule: &RecipientRule| {
        let owner = rule.owner.as_ref().map_or_else(|| "any owner".to_owned(), ToString::to_string);
        let profiles = rule.profiles.as_ref().map(|profiles| format!(" under {}", profiles.join(", ")));
        format!("{owner}{}", profiles.unwrap_or_default())
    };
    let theirs: Vec<String> = other.recipients().iter().map(label).collect();
    let common: Vec<String> = policy.recipients().iter().map(label).filter(|label| theirs.contains(label)).collect();
    let lines = |rule: &RecipientRule| {
        let mut lines = Lines::default();
        lines.value_if("team", rule.team.as_ref());
        lines.set("mail", &rule.mail);
        (label(rule), lines)
    };
    let mut order = Lines::default();
    order.value_if("order", (common.len() > 1).then(|| common.join("; ")));
    policy.recipients().iter().map(lines).chain([(String::new(), order)]).collect()
}
