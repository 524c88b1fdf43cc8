//! Who can decide on a request at this moment. Found by asking the gate about everybody whom the policy may mean, so
//! that nobody is asked whose vote would be refused.

use std::collections::BTreeSet;

use super::House;
use super::people::People;
use crate::gate::Delegated;
use crate::gate::judge::{may_approve, may_decide};
use crate::gate::two_person::Party;
use crate::identity::directory::Account;
use crate::policy::{AccountName, Permission, Permissions};
use crate::service::actor::account_name;
use crate::service::decide::Matter;
use crate::service::delegations::{Held, MAX_HELD};
use crate::store::rows::delegations;
use crate::store::transaction::Failure;

/// Accounts that are looked up for one message, at most. Whoever comes after them is among the unlisted.
const MAX_LOOK_UPS: usize = 512;

/// Those who could approve it now.
pub fn of(house: House<'_>, matter: &Matter<'_>) -> Result<People, Failure> {
    let mut people = People::default();
    let mut accounts = Accounts::default();
    for name in meant(house, matter)? {
        accounts.look_up(house, &name);
    }
    if counts(house, matter, &in_every_unix_group(house, None)) {
        for group in house.policy.unix_groups() {
            accounts.look_up_listed(house, group);
        }
    }
    for account in &accounts.found {
        if could_approve(house, matter, account)? {
            people.add_account(house.policy, account);
        }
    }
    if accounts.unlisted {
        people.and_unlisted();
    }
    Ok(people)
}

/// Those whom a right of their own lets be told of alarms at this moment: admins, and others where a role says so.
pub fn alarmed(house: House<'_>) -> People {
    let is_told =
        |account: &Account| Permissions::of(house.policy, account, house.now).allows(Permission::ReceiveAlarms);
    let mut accounts = Accounts::default();
    for name in house.policy.known_accounts() {
        if is_told(&in_every_unix_group(house, Some(&name))) {
            accounts.look_up(house, &name);
        }
    }
    for group in house.policy.unix_groups() {
        if is_told(&Account { unix_groups: vec![group.to_owned()], ..in_every_unix_group(house, None) }) {
            accounts.look_up_listed(house, group);
        }
    }
    let mut people = People::default();
    for account in accounts.found.iter().filter(|account| is_told(account)) {
        people.add_account(house.policy, account);
    }
    if accounts.unlisted {
        people.and_unlisted();
    }
    people
}

/// The accounts that the document may mean, by their own right or by one that was handed over.
fn meant(house: House<'_>, matter: &Matter<'_>) -> Result<BTreeSet<AccountName>, Failure> {
    let mut meant = house.policy.known_accounts();
    meant.retain(|name| counts(house, matter, &in_every_unix_group(house, Some(name))));
    for row in delegations::open(house.connection, house.tick)? {
        if row.covers(&matter.request.profile_id) {
            let holder = house.policy.people().iter().find(|person| person.name == row.to());
            meant.extend(holder.into_iter().flat_map(|person| person.accounts.iter().cloned()));
        }
    }
    Ok(meant)
}

fn counts(house: House<'_>, matter: &Matter<'_>, account: &Account) -> bool {
    !matter.counts_for(house.policy, account, house.now).is_empty()
}

/// The most that an account can be by the document: nobody is looked up who could not be meant in any case.
fn in_every_unix_group(house: House<'_>, name: Option<&AccountName>) -> Account {
    let unix_groups = house.policy.unix_groups().map(str::to_owned).collect();
    let (uid, name) = match name {
        Some(AccountName::Uid(uid)) => (*uid, None),
        Some(AccountName::Name(name)) => (u32::MAX, Some(name.clone())),
        None => (u32::MAX, None),
    };
    Account { uid, name, unix_groups }
}

fn could_approve(house: House<'_>, matter: &Matter<'_>, account: &Account) -> Result<bool, Failure> {
    let person = house.policy.person_of(account).map(str::to_owned);
    let party = Party {
        account: account_name(account),
        uid: account.uid,
        // They would decide from a session of their own.
        login_uid: Some(account.uid),
        login_account: account.name.clone(),
        person: person.clone(),
        login_person: person,
    };
    // A name service that does not answer leaves the name alone to tell people apart by.
    let asked_or_voted = std::iter::once(&matter.requester).chain(matter.cast.iter().map(|cast| &cast.by));
    if asked_or_voted.into_iter().any(|other| other.account == party.account) {
        return Ok(false);
    }
    let held = held(house, party.person.as_deref())?;
    let says = matter.says(house.connection, house.policy, (account, &held), house.now, house.tick)?;
    let case = matter.case(&party, &says, &[], house.tick);
    Ok(may_decide(&case).and_then(|()| may_approve(&case)).is_ok())
}

/// The says that a person holds from others, as far as their givers are who they were.
fn held(house: House<'_>, person: Option<&str>) -> Result<Vec<Held>, Failure> {
    let Some(person) = person else { return Ok(Vec::new()) };
    if !delegations::any_open_to(house.connection, person, house.tick)? {
        return Ok(Vec::new());
    }
    let delegated = Delegated::to(house.connection, person, house.tick, MAX_HELD)?;
    let held = delegated.into_iter().filter_map(|delegated| {
        let giver = house.directory.account(delegated.by.uid, house.policy.needs_unix_groups()).ok()?;
        let same = account_name(&giver) == delegated.by.account;
        let held = same.then(|| Held::new(house.policy, delegated, giver, house.now, house.tick))?;
        held.is_still_theirs(house.policy).then_some(held)
    });
    Ok(held.collect())
}

/// Accounts as the name service knows them now.
#[derive(Default)]
struct Accounts {
    seen: BTreeSet<AccountName>,
    found: Vec<Account>,
    unlisted: bool,
}

impl Accounts {
    /// Those whom a unix group lists. One that lists nobody may have members all the same.
    fn look_up_listed(&mut self, house: House<'_>, group: &str) {
        match house.directory.listed_in(group) {
            Ok(names) if !names.is_empty() => {
                names.into_iter().for_each(|name| self.look_up(house, &AccountName::Name(name)));
            }
            Ok(_) => self.unlisted = true,
            Err(error) => self.unanswered(&error),
        }
    }

    /// An account that does not exist can do nothing. One about which the name service does not answer is taken as the
    /// document has it: a message too many is better than none.
    fn look_up(&mut self, house: House<'_>, name: &AccountName) {
        if !self.seen.insert(name.clone()) {
            return;
        }
        if self.found.len() >= MAX_LOOK_UPS {
            self.unlisted = true;
            return;
        }
        let uid = match name {
            AccountName::Uid(uid) => Ok(Some(*uid)),
            AccountName::Name(name) => house.directory.uid_of(name),
        };
        let groups = house.policy.needs_unix_groups();
        let account = uid.and_then(|uid| uid.map(|uid| house.directory.account(uid, groups)).transpose());
        match account {
            Ok(Some(account)) if self.found.iter().any(|known| known.uid == account.uid) => {}
            Ok(Some(account)) => self.found.push(account),
            Ok(None) => {}
            Err(error) => {
                self.unanswered(&error);
                let written = in_every_unix_group(house, Some(name));
                self.found.push(Account { unix_groups: Vec::new(), ..written });
            }
        }
    }

    fn unanswered(&mut self, error: &std::io::Error) {
        tracing::warn!("the name service did not say who is to be told: {error}");
        self.unlisted = true;
    }
}

#[cfg(test)]
#[path = "deciders_tests.rs"]
mod tests;
