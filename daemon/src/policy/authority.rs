//! Who is who, and who may do what. Everything is denied that no grant gives; what a role gives stands in
//! [`roles`](super::roles).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use countersign_shared::time::Timestamp;

use super::permission::Permission;
use super::powers::Powers;
use super::profile::Profile;
use super::roles::Role;
use super::subject::{AccountName, Member};
use super::{Policy, parts::Grant};
use crate::identity::directory::Account;

/// A role that somebody has now. Shown as `operator (p-web, p-api)`, without a list where it has no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// The role.
    pub role: Arc<Role>,
    /// Only for these profiles, sorted; all where there is no list.
    pub profiles: Option<Vec<String>>,
}

impl RoleGrant {
    pub(super) fn gives(&self, permission: Permission<'_>) -> bool {
        self.role.gives(self.profiles.as_deref(), permission)
    }
}

impl fmt::Display for RoleGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.profiles {
            Some(ids) => write!(f, "{} ({})", self.role, ids.join(", ")),
            None => write!(f, "{}", self.role),
        }
    }
}

/// What an account may do at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    roles: Vec<RoleGrant>,
}

impl Permissions {
    /// Nothing at all.
    pub const fn none() -> Self {
        Self { roles: Vec::new() }
    }

    /// What `account` may do under `policy` at `now`.
    pub fn of(policy: &Policy, account: &Account, now: Timestamp) -> Self {
        Self { roles: policy.roles(account, now) }
    }

    /// The roles that they come from.
    pub fn roles(&self) -> &[RoleGrant] {
        &self.roles
    }

    /// True where one of them counts as a member of every group, as admins do.
    pub fn is_admin(&self) -> bool {
        self.allows(Permission::EveryGroup)
    }

    /// True where a role gives the permission.
    pub fn allows(&self, permission: Permission<'_>) -> bool {
        self.roles.iter().any(|grant| grant.gives(permission))
    }

    /// What the roles give together, in the order of the documentation: `request.approve (p-api, p-web)`, without a list
    /// where it has no limit.
    pub fn in_words(&self) -> Vec<String> {
        let words = |permission: Permission<'_>| {
            let name = permission.as_str();
            if self.allows(permission) {
                return Some(name.to_owned());
            }
            let narrowed = self.roles.iter().filter(|grant| grant.role.permissions().has(permission));
            let ids = narrowed.filter_map(|grant| grant.profiles.as_ref()).flatten();
            let ids: BTreeSet<&str> = ids.map(String::as_str).filter(|id| self.allows(permission.about(id))).collect();
            let ids: Vec<&str> = ids.into_iter().collect();
            (!ids.is_empty()).then(|| format!("{name} ({})", ids.join(", ")))
        };
        Permission::ALL.into_iter().filter_map(words).collect()
    }
}

impl Policy {
    /// The person that an account belongs to. Root belongs to nobody, and an account that two people claim (one
    /// by its name, one by its number) to neither: see [`Policy::conflicting_people`].
    pub fn person_of(&self, account: &Account) -> Option<&str> {
        match self.claims(account) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => one.or(other).map(|index| self.people[index].name.as_str()),
        }
    }

    /// The two people who claim one account, by its name and by its number. Such an account has no role.
    pub fn conflicting_people(&self, account: &Account) -> Option<(&str, &str)> {
        match self.claims(account) {
            (Some(one), Some(other)) if one != other => Some((&self.people[one].name, &self.people[other].name)),
            _ => None,
        }
    }

    /// Whether an account is in a group of the policy, at any depth. A group that is not there has no members.
    pub fn in_group(&self, group: &str, account: &Account) -> bool {
        self.group_has(group, &self.names_of(account))
    }

    /// The roles of an account at `now`, each once with the scope of all its grants. A grant ends at its `until`;
    /// root and an account that two people claim have none.
    pub fn roles(&self, account: &Account, now: Timestamp) -> Vec<RoleGrant> {
        self.roles_where(account, |grant| grant.until.is_none_or(|until| now < until))
    }

    /// Those of the named groups that an account is in, each once, in the order given. An admin counts as a member
    /// of every group: ask [`Policy::is_admin`] besides.
    pub fn groups_of<'a>(&self, groups: impl Iterator<Item = &'a str>, account: &Account) -> Vec<String> {
        let names = self.names_of(account);
        let mut seen = BTreeSet::new();
        groups.filter(|group| seen.insert(*group) && self.group_has(group, &names)).map(str::to_owned).collect()
    }

    /// Whether an account is an admin at `now`.
    pub fn is_admin(&self, account: &Account, now: Timestamp) -> bool {
        Permissions::of(self, account, now).is_admin()
    }

    /// Whether the policy's word covers an account: `person:alice`, `group:pki`.
    pub fn is_member(&self, member: &Member, account: &Account) -> bool {
        let names = self.names_of(account);
        match member {
            Member::Group(group) => self.group_has(group, &names),
            other => names.contains(other),
        }
    }

    /// Whether a vote of this account can count under a profile: the right to decide, and where the profile has
    /// quorum steps also membership in a group of one of them, of a route's, or of an escalation; an admin is in every
    /// group. Which place it fills, and whether the escalation has come, is for the request's terms.
    pub fn counts_for(&self, profile: &Profile, account: &Account, now: Timestamp) -> bool {
        roles_count(&self.roles(account, now), profile, |group| self.in_group(group, account))
    }

    /// Who could decide under a profile at `now` besides the requester's person, in the policy's words: people,
    /// accounts, and `members of the unix group …`; sorted. Whoever is in no step's group is left out, also where an
    /// escalation would ask them.
    pub fn deciders(&self, profile: &Profile, requester: &Account, now: Timestamp) -> Vec<String> {
        let own = self.person_of(requester);
        let powers = Powers::of(self, &[profile], |grant| grant.until.is_none_or(|until| now < until));
        let counts = |account: &Account| powers.counts(&powers.of_account(account)).has(0);
        let mut named = BTreeSet::new();
        for name in self.known_accounts() {
            let account = synthetic(Some(&name), Vec::new());
            let person = self.person_of(&account);
            let same = name.is(requester) || (own.is_some() && person == own);
            if !same && counts(&account) {
                named.insert(person.map_or_else(|| name.to_string(), str::to_owned));
            }
        }
        let by_group = self.unix_groups.iter().filter(|group| counts(&synthetic(None, vec![(*group).clone()])));
        let by_group = by_group.map(|group| format!("members of the unix group {group}"));
        named.into_iter().chain(by_group).collect()
    }

    fn roles_where(&self, account: &Account, holds: impl Fn(&Grant) -> bool) -> Vec<RoleGrant> {
        if account.uid == 0 || self.conflicting_people(account).is_some() {
            return Vec::new();
        }
        let names = self.names_of(account);
        let mut groups: BTreeMap<&str, bool> = BTreeMap::new();
        let mine = self.grants.iter().filter(|grant| {
            let reached = match &grant.to {
                Member::Group(group) => *groups.entry(group).or_insert_with(|| self.group_has(group, &names)),
                other => names.contains(other),
            };
            reached && holds(grant)
        });
        let mut scopes: BTreeMap<&Arc<Role>, Option<BTreeSet<&String>>> = BTreeMap::new();
        for grant in mine {
            let scope = scopes.entry(&grant.role).or_insert_with(|| Some(BTreeSet::new()));
            match (&grant.profiles, scope.as_mut()) {
                (Some(more), Some(some)) => some.extend(more),
                (Some(_), None) => {}
                (None, _) => *scope = None,
            }
        }
        let sorted = |ids: BTreeSet<&String>| ids.into_iter().cloned().collect();
        scopes.into_iter().map(|(role, scope)| RoleGrant { role: role.clone(), profiles: scope.map(sorted) }).collect()
    }

    /// Every account that the document names.
    pub fn known_accounts(&self) -> BTreeSet<AccountName> {
        let members = self.groups.values().flatten().chain(self.grants.iter().map(|grant| &grant.to));
        let singled_out = members.filter_map(|member| match member {
            Member::User(name) => Some(AccountName::Name(name.clone())),
            Member::Uid(uid) => Some(AccountName::Uid(*uid)),
            Member::Person(_) | Member::UnixGroup(_) | Member::Group(_) => None,
        });
        self.owners.keys().cloned().chain(singled_out).collect()
    }

    fn claims(&self, account: &Account) -> (Option<usize>, Option<usize>) {
        if account.uid == 0 {
            return (None, None);
        }
        let by_name = account.name.clone().and_then(|name| self.owners.get(&AccountName::Name(name)));
        (by_name.copied(), self.owners.get(&AccountName::Uid(account.uid)).copied())
    }

    /// Every way in which the policy can name an account, groups of the policy apart; none for root.
    pub(super) fn names_of(&self, account: &Account) -> Vec<Member> {
        if account.uid == 0 {
            return Vec::new();
        }
        let person = self.person_of(account).map(|person| Member::Person(person.to_owned()));
        let user = account.name.clone().map(Member::User);
        let unix_groups = account.unix_groups.iter().filter(|group| self.unix_groups.contains(*group));
        let unix_groups = unix_groups.map(|group| Member::UnixGroup(group.clone()));
        [Some(Member::Uid(account.uid)), user, person].into_iter().flatten().chain(unix_groups).collect()
    }

    fn group_has(&self, group: &str, names: &[Member]) -> bool {
        self.groups.get(group).is_some_and(|members| names.iter().any(|name| members.contains(name)))
    }
}

/// The rule of [`Policy::counts_for`] over roles and membership of groups.
fn roles_count(roles: &[RoleGrant], profile: &Profile, in_group: impl FnMut(&str) -> bool) -> bool {
    let gives = |permission| roles.iter().any(|grant| grant.gives(permission));
    if gives(Permission::EveryGroup) {
        return true;
    }
    let decides = gives(Permission::Decide(profile.id()));
    let rules = profile.rules();
    decides && (rules.quorum.is_empty() || rules.step_groups().chain(rules.escalation_groups()).any(in_group))
}

/// An account as far as the document alone tells. Its uid, where the document has none, is the kernel's word for
/// "no user", which no document can name.
pub(super) fn synthetic(name: Option<&AccountName>, unix_groups: Vec<String>) -> Account {
    match name {
        Some(AccountName::Uid(uid)) => Account { uid: *uid, name: None, unix_groups },
        Some(AccountName::Name(name)) => Account { uid: u32::MAX, name: Some(name.clone()), unix_groups },
        None => Account { uid: u32::MAX, name: None, unix_groups },
    }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
