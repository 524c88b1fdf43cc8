//! Which way a difference goes. Where none of these rules knows, it is laxer.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::content::KeyAlgorithm;
use countersign_shared::time::Timestamp;

use super::super::authority::{RoleGrant, synthetic};
use super::super::parts::Grant;
use super::super::profile::Rules;
use super::super::quorum::{QuorumOrder, QuorumStep, Route};
use super::super::subject::{AccountName, Member};
use super::super::{ChangeControl, Policy, Profile};
use super::{Change, Effect};

impl Effect {
    const fn opposite(self) -> Self {
        match self {
            Self::Stricter => Self::Laxer,
            Self::Neutral => Self::Neutral,
            Self::Laxer => Self::Stricter,
        }
    }
}

/// `growing` where the new value is greater, its opposite where it is less.
fn grows<T: Ord>(old: &T, new: &T, growing: Effect) -> Effect {
    match new.cmp(old) {
        std::cmp::Ordering::Less => growing.opposite(),
        std::cmp::Ordering::Equal => Effect::Neutral,
        std::cmp::Ordering::Greater => growing,
    }
}

/// What is there lets more through: new or another is laxer, gone is stricter.
const fn presence(change: &Change<'_>) -> Effect {
    if change.after.is_none() { Effect::Stricter } else { Effect::Laxer }
}

pub(super) fn person(old: &Policy, new: &Policy, change: &Change<'_>) -> Effect {
    match change.key {
        "name" | "email" => Effect::Neutral,
        "accounts" => change.element.parse().map_or(Effect::Laxer, |account| account_moved(old, new, change, &account)),
        _ => presence(change),
    }
}

/// Folding an account that is nobody's into a person takes a voter away, unless the account gains something by it.
/// An account that leaves a person, or goes over to another, may be a voter more; one of a person whose certificates
/// have a route changes what is asked for them.
fn account_moved(old: &Policy, new: &Policy, change: &Change<'_>, account: &AccountName) -> Effect {
    let moved = old.owners.contains_key(account) && new.owners.contains_key(account);
    let person = Member::Person(change.id.to_owned());
    match (moved || is_routed(old, &person) || is_routed(new, &person), change.after) {
        (true, _) => Effect::Laxer,
        (false, Some(_)) if gains(old, new, account) => Effect::Laxer,
        (false, Some(_)) => {
            let person = new.people.iter().find(|person| person.name == change.id);
            let folded = person.is_some_and(|person| person.accounts.len() > 1);
            if folded { Effect::Stricter } else { Effect::Neutral }
        }
        (false, None) => {
            let somebody = synthetic(Some(account), new.unix_groups.iter().cloned().collect());
            if new.roles(&somebody, Timestamp::EPOCH).is_empty() { Effect::Stricter } else { Effect::Laxer }
        }
    }
}

/// Whether an account has a permission or is in a group under the new policy that it had or was not under the old one,
/// by what the documents alone say.
fn gains(old: &Policy, new: &Policy, account: &AccountName) -> bool {
    let account = synthetic(Some(account), Vec::new());
    let had = old.roles(&account, Timestamp::EPOCH);
    let covers = |earlier: &RoleGrant, grant: &RoleGrant, permission| {
        earlier.role.permissions().has(permission) && !wider(earlier.profiles.as_ref(), grant.profiles.as_ref())
    };
    let covered = |grant: &RoleGrant| {
        let mut given = grant.role.permissions().iter();
        given.all(|permission| had.iter().any(|earlier| covers(earlier, grant, permission)))
    };
    let names: Vec<&str> = new.groups.keys().map(String::as_str).collect();
    let was_in: BTreeSet<String> = old.groups_of(names.iter().copied(), &account).into_iter().collect();
    let more_roles = new.roles(&account, Timestamp::EPOCH).iter().any(|grant| !covered(grant));
    more_roles || new.groups_of(names.into_iter(), &account).iter().any(|group| !was_in.contains(group))
}

/// Whether the second list of profiles has one that the first has not; no list is all.
fn wider(old: Option<&Vec<String>>, new: Option<&Vec<String>>) -> bool {
    match (old, new) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => new.iter().any(|id| !old.contains(id)),
    }
}

pub(super) fn group(old: &Policy, new: &Policy, change: &Change<'_>) -> Effect {
    let group = Member::Group(change.id.to_owned());
    if is_routed(old, &group) || is_routed(new, &group) { Effect::Laxer } else { presence(change) }
}

/// Whether certificates of a person or group fall under a route, by themselves or by way of a group. Whoever comes to
/// or leaves such an owner is under another quorum from then on, which may be the easier one.
fn is_routed(policy: &Policy, owner: &Member) -> bool {
    let routes = policy.profiles().iter().flat_map(|profile| &profile.rules().routes);
    let mut open: Vec<&Member> = routes.map(|route| &route.owner).collect();
    let mut seen = BTreeSet::new();
    while let Some(member) = open.pop() {
        if member == owner {
            return true;
        }
        if let Member::Group(name) = member
            && seen.insert(name)
        {
            open.extend(policy.written_groups.get(name).into_iter().flatten());
        }
    }
    false
}

/// A permission more lets those through who have the role; whether anybody has it stands in the grants.
pub(super) fn role(change: &Change<'_>) -> Effect {
    presence(change)
}

pub(super) fn grant(old: &BTreeMap<String, Grant>, new: &BTreeMap<String, Grant>, change: &Change<'_>) -> Effect {
    let (Some(old), Some(new)) = (old.get(change.id), new.get(change.id)) else {
        return presence(change);
    };
    match change.key {
        "profiles" if wider(old.profiles.as_ref(), new.profiles.as_ref()) => Effect::Laxer,
        "profiles" => Effect::Stricter,
        // No end is later than any.
        "until" => grows(&(old.until.is_none(), old.until), &(new.until.is_none(), new.until), Effect::Laxer),
        _ => Effect::Laxer,
    }
}

pub(super) fn profile(old: &Policy, new: &Policy, change: &Change<'_>) -> Effect {
    let rules = |policy: &'_ Policy| policy.profile(change.id).map(Profile::rules).cloned();
    match (rules(old), rules(new)) {
        (Some(old), Some(new)) => rule(&old, &new, change),
        _ => presence(change),
    }
}

fn rule(old: &Rules, new: &Rules, change: &Change<'_>) -> Effect {
    use Effect::{Laxer, Neutral, Stricter};
    match change.key {
        "name" => Neutral,
        "requires_approval" => grows(&old.requires_approval, &new.requires_approval, Stricter),
        "quorum" => steps(&old.quorum, &new.quorum),
        "quorum_order" => order(old.quorum_order, new.quorum_order),
        "reject_threshold" => grows(&old.reject_threshold, &new.reject_threshold, Laxer),
        "extra_for_scheduler" => grows(&old.extra_for_scheduler, &new.extra_for_scheduler, Stricter),
        "route" => route(old, new, change.element),
        "carry_out_within" => grows(&old.carry_out_within(), &new.carry_out_within(), Laxer),
        "auto_approve_after" => match (old.auto_approve_after, new.auto_approve_after) {
            (Some(old), Some(new)) => grows(&old, &new, Stricter),
            _ => presence(change),
        },
        "allow_delegation" => grows(&old.allow_delegation, &new.allow_delegation, Laxer),
        "keys" => match (rsa(old), rsa(new)) {
            (Some(old), Some(new)) if change.element == "rsa" => grows(&old, &new, Stricter),
            _ => presence(change),
        },
        // An empty list is every use.
        "extended_key_usage" if old.extended_key_usage.is_empty() => Stricter,
        "extended_key_usage" if new.extended_key_usage.is_empty() => Laxer,
        "max_validity" => grows(&old.max_validity, &new.max_validity, Laxer),
        "justification" if change.after == Some("required") => Stricter,
        "ticket_pattern" => match (&old.ticket_pattern, &new.ticket_pattern) {
            (None, Some(_)) => Stricter,
            _ => Laxer,
        },
        "approval_timeout" => match (old.approval_timeout, new.approval_timeout) {
            (Some(old), Some(new)) => grows(&old, &new, Laxer),
            // The daemon's setting, which the policy does not know, is on one of the sides.
            _ => Laxer,
        },
        "allow_wildcards" => grows(&old.allow_wildcards, &new.allow_wildcards, Laxer),
        "allow_ca" => grows(&old.allow_ca, &new.allow_ca, Laxer),
        "allow_ip" => grows(&old.allow_ip, &new.allow_ip, Laxer),
        "decision_signature" => grows(&old.decision_signature, &new.decision_signature, Stricter),
        "require_login_session" => grows(&old.require_login_session, &new.require_login_session, Stricter),
        "names" | "escalate" | "extended_key_usage" | "renewal_policy" | "subject" | "deliver" => presence(change),
        // environment, issuer and calendar among them: neither side is within the other.
        _ => Laxer,
    }
}

fn rsa(rules: &Rules) -> Option<u32> {
    rules.keys.iter().find_map(|key| match key {
        KeyAlgorithm::Rsa(bits) => Some(*bits),
        KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::Ed25519 => None,
    })
}

/// Stricter where each old step is still there with at least as many people. Without a step any operator of the
/// profile agrees, so that any step is stricter.
fn steps(old: &[QuorumStep], new: &[QuorumStep]) -> Effect {
    let need = |steps: &[QuorumStep], group: &str| steps.iter().find(|step| step.group == group).map(|step| step.need);
    let kept = old.iter().all(|step| need(new, &step.group).is_some_and(|now| now >= step.need));
    let same = old.len() == new.len() && old.iter().all(|step| need(new, &step.group) == Some(step.need));
    match (same, kept) {
        (true, _) => Effect::Neutral,
        (false, true) => Effect::Stricter,
        (false, false) => Effect::Laxer,
    }
}

fn order(old: QuorumOrder, new: QuorumOrder) -> Effect {
    grows(&(old == QuorumOrder::Ordered), &(new == QuorumOrder::Ordered), Effect::Stricter)
}

/// A route is weighed against what its owner's certificates fell under before. Beside other routes, which may have
/// the same owner, that is not known.
fn route(old: &Rules, new: &Rules, owner: &str) -> Effect {
    let find = |rules: &'_ Rules| rules.routes.iter().find(|route| route.owner.to_string() == owner).cloned();
    let base = |rules: &Rules| (rules.quorum.clone(), rules.quorum_order);
    let of = |route: Route| (route.quorum, route.quorum_order);
    let alone = |rules: &Rules| rules.routes.iter().all(|route| route.owner.to_string() == owner);
    let (before, after) = match (find(old), find(new)) {
        (Some(old), Some(new)) => (of(old), of(new)),
        (None, Some(route)) if alone(new) && alone(old) => (base(old), of(route)),
        (Some(route), None) if alone(new) && alone(old) => (of(route), base(new)),
        _ => return Effect::Laxer,
    };
    match (steps(&before.0, &after.0), order(before.1, after.1)) {
        (Effect::Neutral, other) | (other, Effect::Neutral) => other,
        (one, other) if one == other => one,
        _ => Effect::Laxer,
    }
}

pub(super) fn renewal_policy(old: &Policy, new: &Policy, change: &Change<'_>) -> Effect {
    let (Some(old), Some(new)) = (old.renewal_policy(change.id), new.renewal_policy(change.id)) else {
        // It does something through the profiles that name it.
        return Effect::Neutral;
    };
    match change.key {
        // An unattended profile gives what the daemon asks for, and when.
        "auto_renew" => grows(&old.auto_renew, &new.auto_renew, Effect::Laxer),
        "renewal_window_days" => grows(&old.renewal_window_days, &new.renewal_window_days, Effect::Laxer),
        _ => Effect::Neutral,
    }
}

pub(super) fn issuer(change: &Change<'_>) -> Effect {
    match change.key {
        "timeout" if !change.whole => Effect::Neutral,
        _ => presence(change),
    }
}

/// A calendar does something through the profiles that name it; which way other hours go depends on the moment.
pub(super) const fn calendar(change: &Change<'_>) -> Effect {
    if change.whole { Effect::Neutral } else { Effect::Laxer }
}

pub(super) fn change_control(old: &ChangeControl, new: &ChangeControl, change: &Change<'_>) -> Effect {
    match change.key {
        // The members of a group need not be admins: neither is within the other.
        "quorum" if old.quorum.is_empty() || new.quorum.is_empty() => Effect::Laxer,
        "quorum" => steps(&old.quorum, &new.quorum),
        "quorum_order" => order(old.quorum_order, new.quorum_order),
        "reject_threshold" => grows(&old.reject_threshold, &new.reject_threshold, Effect::Laxer),
        "approval_timeout" => grows(&old.approval_timeout, &new.approval_timeout, Effect::Laxer),
        "decision_signature" => grows(&old.decision_signature, &new.decision_signature, Effect::Stricter),
        _ => Effect::Laxer,
    }
}
