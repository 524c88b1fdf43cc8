//! Who somebody is by a policy document alone, and which groups and roles are theirs. What only the host's name service knew is
//! not known here.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::time::Timestamp;

use super::document::{Grant, Group, Person, Role};

/// Whether something holds, as far as a document says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It holds.
    Yes,
    /// Only the host knew: it takes who was in a unix group then.
    HostAlone,
    /// It does not.
    No,
}

impl Held {
    /// One of the two is enough.
    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => Self::Yes,
            Self::No => other(),
            Self::HostAlone if other() == Self::Yes => Self::Yes,
            Self::HostAlone => Self::HostAlone,
        }
    }
}

/// An account as a record has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    /// Its name as records have it, without the mark of a demonstration.
    name: &'a str,
    uid: i64,
}

impl<'a> Account<'a> {
    /// The account of an actor.
    pub(super) fn new(actor: &'a str, uid: i64) -> Self {
        Self { name: actor.trim_end_matches(" (DEMO)"), uid }
    }
}

/// What a role lets somebody say, as a policy lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say<'a> {
    /// `request.approve`: decide under a profile.
    Decide(&'a str),
    /// `policy.approve`: agree to another policy where change control asks no group.
    AgreeToPolicy,
    /// `quorum.every_group`: count as a member of every group. An admin's alone.
    EveryGroup,
}

impl Say<'_> {
    /// Whether a role by this name has it, where the document's own roles are these.
    fn is_given_by(self, role: &str, own: &BTreeMap<String, BTreeSet<String>>) -> bool {
        match (role, self) {
            ("admin", _) | ("operator", Self::Decide(_) | Self::AgreeToPolicy) => true,
            ("operator" | "requester" | "auditor", _) | (_, Self::EveryGroup) => false,
            (_, Self::Decide(_)) => own.get(role).is_some_and(|given| given.contains("request.approve")),
            (_, Self::AgreeToPolicy) => own.get(role).is_some_and(|given| given.contains("policy.approve")),
        }
    }

    /// Whether a grant that is for some profiles reaches it.
    fn is_within(self, profiles: &[String]) -> bool {
        matches!(self, Self::Decide(profile) if profiles.iter().any(|id| id == profile))
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Standing {
    /// The person of each account, `NAME` or `uid:N`.
    owners: BTreeMap<String, String>,
    /// Every group with all that it contains at any depth; no member is a group.
    groups: BTreeMap<String, BTreeSet<String>>,
    /// The permissions of each role of the document's own.
    roles: BTreeMap<String, BTreeSet<String>>,
    grants: Vec<(Grant, Option<Timestamp>)>,
}

/// The most members that are looked at in all groups together: what a policy that took force can have.
const MAX_LOOKS: usize = 65_536;

impl Standing {
    /// Of the tables of a document; an error where it is more than a policy can be.
    pub(super) fn of(people: &[Person], groups: &[Group], roles: &[Role], grants: Vec<Grant>) -> Result<Self, String> {
        let accounts = |person: &Person| {
            let name = person.name.clone();
            person.accounts.clone().into_iter().map(move |account| (account, name.clone())).collect::<Vec<_>>()
        };
        let owners = people.iter().flat_map(accounts).collect();
        let direct: BTreeMap<&str, &[String]> =
            groups.iter().map(|group| (group.name.as_str(), group.members.as_slice())).collect();
        let mut looks = MAX_LOOKS;
        let mut all = BTreeMap::new();
        for group in groups {
            all.insert(
                group.name.clone(),
                flatten(&group.name, &direct, &mut looks).ok_or("too many members of groups")?,
            );
        }
        let dated = grants.into_iter().map(|grant| match grant.until {
            None => Ok((grant, None)),
            Some(until) => match until.to_string().parse::<Timestamp>() {
                Ok(until) => Ok((grant, Some(until))),
                Err(_) => Err("`until` is no date-time with an offset".to_owned()),
            },
        });
        let roles = roles.iter().map(|role| (role.name.clone(), role.permissions.iter().cloned().collect())).collect();
        Ok(Self { owners, groups: all, roles, grants: dated.collect::<Result<_, String>>()? })
    }

    /// The person of an account; none where it has none, or where its name is one person's and its number another's.
    pub(super) fn person_of(&self, account: &Account<'_>) -> Option<&str> {
        match self.claims(account) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => one.or(other),
        }
    }

    fn claims(&self, account: &Account<'_>) -> (Option<&str>, Option<&str>) {
        if account.uid == 0 {
            return (None, None);
        }
        let of = |name: &str| self.owners.get(name).map(String::as_str);
        let by_name = if account.name.starts_with("uid:") { None } else { of(account.name) };
        (by_name, of(&format!("uid:{}", account.uid)))
    }

    fn names(&self, account: &Account<'_>) -> Vec<String> {
        if account.uid == 0 {
            return Vec::new();
        }
        let mut names = vec![format!("uid:{}", account.uid), format!("user:{}", account.name)];
        names.extend(self.person_of(account).map(|person| format!("person:{person}")));
        names
    }

    /// True where a member as it is written is this account, or has it.
    pub(super) fn is(&self, member: &str, account: &Account<'_>) -> Held {
        match member.split_once(':') {
            Some(("group", group)) => self.in_group(group, account),
            Some(("unixgroup", _)) if account.uid != 0 => Held::HostAlone,
            _ if self.names(account).iter().any(|name| name == member) => Held::Yes,
            _ => Held::No,
        }
    }

    /// Whether an account is in a group of the policy.
    pub(super) fn in_group(&self, group: &str, account: &Account<'_>) -> Held {
        let Some(members) = self.groups.get(group) else { return Held::No };
        if self.names(account).iter().any(|name| members.contains(name)) {
            return Held::Yes;
        }
        let by_host = account.uid != 0 && members.iter().any(|member| member.starts_with("unixgroup:"));
        if by_host { Held::HostAlone } else { Held::No }
    }

    /// Whether an account has a say at a time, by any role.
    pub(super) fn has(&self, say: Say<'_>, account: &Account<'_>, at: Timestamp) -> Held {
        if matches!(self.claims(account), (Some(one), Some(other)) if one != other) {
            return Held::No;
        }
        let gives = |grant: &Grant| {
            say.is_given_by(&grant.role, &self.roles)
                && grant.profiles.as_ref().is_none_or(|profiles| say.is_within(profiles))
        };
        let mine = self.grants.iter().filter(|(grant, until)| gives(grant) && until.is_none_or(|until| at < until));
        mine.fold(Held::No, |held, (grant, _)| held.or(|| self.is(&grant.to, account)))
    }
}

/// All that a group contains; a work list, since how deep groups nest is the document's choice.
fn flatten(group: &str, direct: &BTreeMap<&str, &[String]>, looks: &mut usize) -> Option<BTreeSet<String>> {
    let (mut members, mut seen, mut open) = (BTreeSet::new(), BTreeSet::from([group]), vec![group]);
    while let Some(name) = open.pop() {
        let inside: &[String] = direct.get(name).copied().unwrap_or_default();
        *looks = looks.checked_sub(inside.len())?;
        for member in inside {
            match member.strip_prefix("group:") {
                None => {
                    members.insert(member.clone());
                }
                Some(inner) if seen.insert(inner) => open.push(inner),
                Some(_) => {}
            }
        }
    }
    Some(members)
}
