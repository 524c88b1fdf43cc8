//! People, groups and grants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_proof::sshsig::PublicKey;
use countersign_shared::text::{Untrusted, is_deceiving};
use countersign_shared::time::Timestamp;

use super::check::Declared;
use super::document::{GrantTable, GroupTable, PersonTable};
use super::parts::{Grant, Person};
use super::read::Entry;
use super::report::{Place, Report};
use super::roles::{self, Role};
use super::subject::{AccountName, IDENTIFIER_SHAPE, Member, is_identifier};

/// The most members of a group, those of its groups included.
const MAX_MEMBERS: usize = 2048;
/// The most members that are looked at in all groups together: one is looked at again in each group that it is in
/// by way of another.
const MAX_LOOKS: usize = 65_536;
/// The most accounts or keys of one person.
const MAX_OF_A_PERSON: usize = 32;

/// The people, and whose each account is.
pub(super) fn people(
    entries: &[Entry<PersonTable>],
    report: &mut Report,
) -> (Vec<Person>, BTreeMap<AccountName, usize>) {
    let mut people: Vec<Person> = Vec::with_capacity(entries.len());
    let mut owners: BTreeMap<AccountName, usize> = BTreeMap::new();
    let mut holders: BTreeMap<String, String> = BTreeMap::new();
    for Entry { value: table, place } in entries {
        check_person(table, place, report);
        one_holder_each(table, &mut holders, place, report);
        let mut accounts = Vec::with_capacity(table.accounts.len());
        for raw in &table.accounts {
            let account: AccountName = match raw.parse() {
                Ok(account) => account,
                Err(why) => {
                    report.error(place, "accounts", format!("`{raw}`: {why}"));
                    continue;
                }
            };
            match owners.insert(account.clone(), people.len()) {
                None => accounts.push(account),
                Some(owner) if owner == people.len() => {
                    report.error(place, "accounts", format!("`{raw}` is there twice"));
                }
                Some(owner) => {
                    let other = people.get(owner).map_or("another person", |person| &person.name);
                    report.error(
                        place,
                        "accounts",
                        format!("`{raw}` is an account of {other} already: one account is one human"),
                    );
                }
            }
        }
        let table = table.clone();
        people.push(Person { name: table.name, accounts, email: table.email, keys: table.keys });
    }
    (people, owners)
}

fn check_person(table: &PersonTable, place: &Place, report: &mut Report) {
    if !is_identifier(&table.name) {
        report.error(place, "name", IDENTIFIER_SHAPE);
    }
    if table.accounts.is_empty() {
        report.warning(place, "accounts", "a person without an account can do nothing");
    }
    if table.accounts.len() > MAX_OF_A_PERSON || table.keys.len() > MAX_OF_A_PERSON {
        report.error(place, "accounts", format!("a person has at most {MAX_OF_A_PERSON} accounts and as many keys"));
    }
    if table.email.as_ref().is_some_and(|email| !is_mailbox(email)) {
        report.error(place, "email", "expected one address: alice@corp.example");
    }
    for key in &table.keys {
        let (kind, rest) = key.split_once(' ').unwrap_or_default();
        let shape = kind.contains('-') && rest.starts_with("AAAA");
        if !shape || key.len() > 2048 || key.chars().any(is_deceiving) {
            report.error(place, "keys", "a key is one line of authorized_keys: a type, base 64 and a comment");
        } else if let Err(why) = PublicKey::parse(key) {
            report.warning(place, "keys", format!("no decision can be signed with {kind}: {why}"));
        }
    }
}

/// A key that two people have would let one of them sign for the other.
fn one_holder_each(table: &PersonTable, holders: &mut BTreeMap<String, String>, place: &Place, report: &mut Report) {
    for key in &table.keys {
        let key: Vec<&str> = key.splitn(3, ' ').take(2).collect();
        match holders.insert(key.join(" "), table.name.clone()) {
            Some(holder) if holder == table.name => report.error(place, "keys", "a key is there twice"),
            Some(holder) => {
                let holder = Untrusted::new(holder);
                report.error(place, "keys", format!("a key is one of {} already: one key is one human", holder.safe()));
            }
            None => {}
        }
    }
}

/// True for one address, without a display name.
pub(super) fn is_mailbox(email: &str) -> bool {
    let (local, domain) = email.split_once('@').unwrap_or_default();
    !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && email.len() <= 254
        && !email.chars().any(|c| c == ' ' || c == ',' || c == '<' || c == '>' || is_deceiving(c))
}

/// Each group with its members.
pub(super) type Groups = BTreeMap<String, BTreeSet<Member>>;

/// Every group with all that it contains at any depth, and with what stands in it.
pub(super) fn groups(
    entries: &[Entry<GroupTable>],
    declared: &Declared,
    unix_groups: &mut BTreeSet<String>,
    report: &mut Report,
) -> (Groups, Groups) {
    let mut direct: BTreeMap<&str, Vec<Member>> = BTreeMap::new();
    for Entry { value: table, place } in entries {
        if !is_identifier(&table.name) {
            report.error(place, "name", IDENTIFIER_SHAPE);
        }
        if table.members.is_empty() {
            report.warning(place, "members", "the group is empty");
        }
        if table.members.len() > MAX_MEMBERS {
            let what = format!("{} members; at most {MAX_MEMBERS} are allowed", table.members.len());
            report.error(place, "members", what);
        }
        let mut members = Vec::with_capacity(table.members.len().min(MAX_MEMBERS));
        for raw in table.members.iter().take(MAX_MEMBERS) {
            members.extend(member(raw, place, "members", declared, unix_groups, report));
        }
        direct.insert(&table.name, members);
    }
    let mut looks = MAX_LOOKS;
    let flat = |entry: &Entry<GroupTable>| {
        let name = entry.value.name.clone();
        let members = flatten(&name, &direct, &mut looks).unwrap_or_else(|why| {
            report.error(&entry.place, "members", why);
            BTreeSet::new()
        });
        (name, members)
    };
    let all = entries.iter().map(flat).collect();
    let written = direct.into_iter().map(|(name, members)| (name.to_owned(), members.into_iter().collect())).collect();
    (all, written)
}

/// A work list, not recursion: how deep groups nest is the document's choice.
fn flatten(group: &str, direct: &BTreeMap<&str, Vec<Member>>, looks: &mut usize) -> Result<BTreeSet<Member>, String> {
    let mut members = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![group];
    while let Some(name) = open.pop() {
        let inside = direct.get(name).map_or(&[][..], Vec::as_slice);
        *looks = looks.checked_sub(inside.len()).ok_or_else(|| {
            format!("the groups hold more than {MAX_LOOKS} members, counted again in each group around theirs")
        })?;
        for member in inside {
            match member {
                Member::Group(inner) if inner == group => {
                    return Err(format!("the group contains itself, through {name}"));
                }
                Member::Group(inner) => {
                    if seen.insert(inner) {
                        open.push(inner);
                    }
                }
                other => {
                    members.insert(other.clone());
                }
            }
        }
        if members.len() > MAX_MEMBERS {
            return Err(format!("more than {MAX_MEMBERS} members, those of its groups included"));
        }
    }
    Ok(members)
}

/// The grants of these roles.
pub(super) fn grants(
    entries: &[Entry<GrantTable>],
    roles: &[Arc<Role>],
    declared: &Declared,
    unix_groups: &mut BTreeSet<String>,
    report: &mut Report,
) -> Vec<Grant> {
    let mut grants = Vec::with_capacity(entries.len());
    for Entry { value: table, place } in entries {
        let role = roles::granted(&table.role, roles, (place, declared), report);
        let to = member(&table.to, place, "to", declared, unix_groups, report);
        check_scope(table, role.as_deref(), place, declared, report);
        let until = table.until.map(|until| until.to_string().parse::<Timestamp>());
        if matches!(until, Some(Err(_))) {
            report.error(place, "until", "expected a date-time with an offset: 2027-01-01T00:00:00Z");
        }
        if let (Some(role), Some(to), Ok(until)) = (role, to, until.transpose()) {
            grants.push(Grant { role, to, profiles: table.profiles.clone(), until });
        }
    }
    grants
}

fn check_scope(table: &GrantTable, role: Option<&Role>, place: &Place, declared: &Declared, report: &mut Report) {
    let Some(profiles) = &table.profiles else {
        return;
    };
    if let Some(why) = role.and_then(Role::is_for_everything) {
        report.error(place, "profiles", why);
    }
    if profiles.is_empty() {
        report.error(place, "profiles", "an empty list grants nothing: name profiles, or leave the key out for all");
    }
    for id in profiles.iter().filter(|id| !declared.has("profile", id)) {
        report.error(place, "profiles", format!("there is no [[profile]] `{id}`"));
    }
}

fn member(
    raw: &str,
    place: &Place,
    key: &str,
    declared: &Declared,
    unix_groups: &mut BTreeSet<String>,
    report: &mut Report,
) -> Option<Member> {
    let member: Member = match raw.parse() {
        Ok(member) => member,
        Err(why) => {
            report.error(place, key, format!("`{raw}`: {why}"));
            return None;
        }
    };
    if let Member::UnixGroup(name) = &member {
        unix_groups.insert(name.clone());
    }
    declared.resolves(&member, place, key, report).then_some(member)
}
