//! Everybody whom a policy names, as the humans that they are, and what each of them may do at one moment.

use std::collections::HashMap;

use countersign_shared::time::Timestamp;

use super::places::Fits;
use crate::identity::directory::Account;
use crate::policy::authority::synthetic;
use crate::policy::powers::{Power, Powers};
use crate::policy::subject::AccountName;
use crate::policy::{ANYBODY, Person, Policy, Profile, Terms};

/// One account, as far as the policy tells: surely in no unix group, and possibly in every one that it names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Known {
    sure: Power,
    possible: Power,
}

/// A person with all accounts, or an account that is nobody's.
pub(super) struct Human {
    /// As the policy names them; safe to show.
    pub name: String,
    /// True for a person: an account alone may be a second one of somebody else.
    pub is_person: bool,
    /// Their kind's position.
    pub kind: usize,
}

/// Humans who can do the same.
struct Kind {
    accounts: Vec<Known>,
    people: u32,
}

/// What somebody can do towards some terms, for sure and at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub fits: Fits,
    pub fits_at_most: Fits,
    pub asks: bool,
    pub asks_at_most: bool,
}

/// See the module.
pub(super) struct Crowd<'a> {
    pub humans: Vec<Human>,
    kinds: Vec<Kind>,
    /// Somebody whom the policy does not name, in every unix group that it names.
    stranger: Power,
    powers: Powers<'a>,
    positions: HashMap<&'a str, usize>,
    by_account: HashMap<AccountName, usize>,
}

/// Terms with what somebody has to have for each of their steps.
pub(super) struct Wanted {
    /// The profile's position; none for changes of the policy.
    profile: Option<usize>,
    /// For each step its group; none where anybody with the right to decide will do.
    groups: Vec<Option<usize>>,
    /// Whose members fill every place, once the request is escalated.
    escalated: Vec<usize>,
}

impl<'a> Crowd<'a> {
    /// Everybody at `now`: what has ended by then is not given.
    pub fn of(policy: &'a Policy, profiles: &[&'a Profile], now: Timestamp) -> Self {
        let powers = Powers::of(policy, profiles, |grant| grant.until.is_none_or(|until| now < until));
        let everywhere = powers.of_every_unix_group();
        let person = |person: &Person| Human { name: person.name.clone(), is_person: true, kind: 0 };
        let mut humans: Vec<Human> = policy.people.iter().map(person).collect();
        let mut accounts: Vec<Vec<Known>> = vec![Vec::new(); humans.len()];
        let mut by_account = HashMap::new();
        for name in policy.known_accounts() {
            let sure = powers.of_account(&synthetic(Some(&name), Vec::new()));
            let mut possible = sure;
            possible |= everywhere;
            let account = Known { sure, possible };
            let at = policy.owners.get(&name).copied().unwrap_or_else(|| {
                humans.push(Human { name: name.to_string(), is_person: false, kind: 0 });
                accounts.push(Vec::new());
                humans.len() - 1
            });
            accounts[at].push(account);
            by_account.insert(name, at);
        }
        let mut kinds: Vec<Kind> = Vec::new();
        let mut known: HashMap<Vec<Known>, usize> = HashMap::new();
        for (human, accounts) in humans.iter_mut().zip(accounts) {
            human.kind = *known.entry(accounts).or_insert_with_key(|accounts| {
                kinds.push(Kind { accounts: accounts.clone(), people: 0 });
                kinds.len() - 1
            });
            kinds[human.kind].people += 1;
        }
        let positions = profiles.iter().enumerate().map(|(at, profile)| (profile.id(), at)).collect();
        Self { humans, kinds, stranger: everywhere, powers, positions, by_account }
    }

    /// What the terms of a profile want; `None` names changes of the policy.
    pub fn wanted(&self, profile: Option<&str>, terms: &Terms, escalation: &[String]) -> Wanted {
        let group = |name: &str| (name != ANYBODY).then(|| self.powers.position_of(name));
        Wanted {
            profile: profile.and_then(|id| self.positions.get(id).copied()),
            groups: terms.groups().map(group).collect(),
            escalated: escalation.iter().map(|group| self.powers.position_of(group)).collect(),
        }
    }

    /// What humans of each kind can do, and how many there are.
    pub fn parts(&self, wanted: &Wanted) -> Vec<(Part, u32)> {
        self.kinds.iter().map(|kind| (kind.part(wanted), kind.people)).collect()
    }

    /// Whether a role lets a human decide anywhere, or on another policy.
    pub fn may_decide_somewhere(&self, human: &Human) -> bool {
        let kind = self.kinds.get(human.kind);
        kind.is_some_and(|kind| kind.accounts.iter().any(|account| account.sure.may_decide_somewhere()))
    }

    /// What somebody whom the policy does not name can do, at most.
    pub fn stranger(&self, wanted: &Wanted) -> Part {
        let (fits_at_most, asks_at_most) = (wanted.fits(&self.stranger), wanted.asks(&self.stranger));
        Part { fits_at_most, asks_at_most, ..Part::default() }
    }

    /// Which human an account is, where the policy names it or its person.
    pub fn human(&self, policy: &Policy, account: &Account) -> Option<usize> {
        if let Some(person) = policy.person_of(account) {
            return policy.people.iter().position(|known| known.name == person);
        }
        let by_name = account.name.clone().map(AccountName::Name);
        let names = by_name.into_iter().chain([AccountName::Uid(account.uid)]);
        names.into_iter().find_map(|name| self.by_account.get(&name).copied())
    }
}

impl Kind {
    /// An account counts by itself: the role of one and the group of another are not added up.
    fn part(&self, wanted: &Wanted) -> Part {
        self.accounts.iter().fold(Part::default(), |part, account| Part {
            fits: part.fits | wanted.fits(&account.sure),
            fits_at_most: part.fits_at_most | wanted.fits(&account.possible),
            asks: part.asks || wanted.asks(&account.sure),
            asks_at_most: part.asks_at_most || wanted.asks(&account.possible),
        })
    }
}

impl Wanted {
    fn fits(&self, power: &Power) -> Fits {
        let all = (1 << self.groups.len()) - 1;
        if power.is_admin() {
            return all;
        }
        let any_operator = match self.profile {
            Some(profile) if power.may_decide(profile) => true,
            Some(_) => return 0,
            None => power.agrees(),
        };
        if any_operator && self.escalated.iter().any(|group| power.is_in(*group)) {
            return all;
        }
        let fits = |group: &Option<usize>| group.map_or(any_operator, |group| power.is_in(group));
        self.groups.iter().enumerate().filter(|(_, group)| fits(group)).fold(0, |fits, (at, _)| fits | 1 << at)
    }

    /// Whoever may submit under the profile, or propose another policy.
    fn asks(&self, power: &Power) -> bool {
        self.profile.map_or(power.proposes(), |profile| power.submits.has(profile))
    }
}
