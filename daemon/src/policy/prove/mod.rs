//! What can be proved of a policy before anybody lives under it: for each profile, and for changes of the policy
//! itself, whether what somebody asks for could be approved at all, how many humans together get past it, and without
//! whom nothing goes. Nothing is claimed that depends on unix groups, whose members only the name service knows.

mod crowd;
mod duties;
mod findings;
mod places;

use std::collections::BTreeSet;

use countersign_shared::protocol::{Finding, FindingLevel};
use countersign_shared::time::Timestamp;

use self::crowd::{Crowd, Human, Part, Wanted};
use self::places::{Counted, Fits, Places};
use super::{Policy, Profile, Terms};
use crate::identity::directory::Account;

/// Findings that are kept of each level; those beyond are counted.
const MAX_OF_A_LEVEL: usize = 150;

/// Everything that is proved of a policy at `now`, errors first.
pub fn prove(policy: &Policy, now: Timestamp) -> Vec<Finding> {
    let prover = Prover::of(policy, now);
    let mut found = Vec::new();
    let changes = findings::change_control(&prover, &mut found);
    let needs: Vec<(&str, u32)> = policy
        .profiles()
        .iter()
        .filter_map(|profile| Some((profile.id(), findings::profile(&prover, profile, &mut found)?)))
        .collect();
    findings::by_way_of_the_policy(changes, &needs, &mut found);
    findings::identities(&prover, &mut found);
    duties::roles(policy, now, &mut found);
    kept(found)
}

/// Whether the places of some terms can be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Possible {
    /// By people whom the policy names.
    Yes,
    /// That depends on who is in unix groups.
    Unknown,
    /// Not by anybody.
    No,
}

/// A policy at one moment, to ask more than one question of.
pub struct Prover<'a> {
    policy: &'a Policy,
    crowd: Crowd<'a>,
}

/// A request that waits, to be looked at under another policy.
pub struct Waiting<'a> {
    /// The rules that it was made under.
    pub profile: &'a Profile,
    /// The terms that it would be judged by.
    pub terms: &'a Terms,
    /// Who asked.
    pub requester: &'a Account,
    /// Who has approved, and the groups that each counts for; these votes stand.
    pub approved: &'a [(Account, Vec<String>)],
}

impl<'a> Prover<'a> {
    /// Looks at everybody once.
    pub fn of(policy: &'a Policy, now: Timestamp) -> Self {
        let profiles: Vec<&Profile> = policy.profiles().iter().collect();
        Self { policy, crowd: Crowd::of(policy, &profiles, now) }
    }

    /// Whether a request could still be approved, whatever has been escalated.
    pub fn could_be_approved(&self, waiting: &Waiting<'_>) -> Possible {
        let escalation: Vec<String> = waiting.profile.rules().escalation_groups().map(str::to_owned).collect();
        let wanted = self.crowd.wanted(Some(waiting.profile.id()), waiting.terms, &escalation);
        // Whoever has voted has, and has no other say; the requester has none.
        let voters = waiting.approved.iter().map(|(voter, _)| voter);
        let gone = voters.chain([waiting.requester]).filter_map(|account| self.crowd.human(self.policy, account));
        let votes = waiting.approved.iter().map(|(_, counts_for)| {
            let counted = |group: &str| counts_for.iter().any(|counted| counted == group);
            waiting
                .terms
                .groups()
                .enumerate()
                .filter(|(_, group)| counted(group))
                .fold(0, |fits, (at, _)| fits | 1 << at)
        });
        self.survey(waiting.terms, &wanted, gone.collect(), votes.collect()).possible(Part::default())
    }

    /// The names of some.
    fn named(&self, which: impl Fn(&Human) -> bool) -> Vec<String> {
        self.crowd.humans.iter().filter(|human| which(human)).map(|human| human.name.clone()).collect()
    }

    /// Everybody without those who are `gone`, and `votes` that fit what they say.
    fn survey(&self, terms: &Terms, wanted: &Wanted, gone: BTreeSet<usize>, votes: Vec<Fits>) -> Survey {
        let (stranger, parts) = (self.crowd.stranger(wanted), self.crowd.parts(wanted));
        let count = |fits: fn(&Part) -> Fits, unbounded| {
            let mut places = Places::of(terms);
            parts.iter().for_each(|(part, people)| places.add(fits(part), *people));
            let gone = gone.iter().filter_map(|human| parts.get(self.crowd.humans.get(*human)?.kind));
            gone.for_each(|(part, _)| places.take(fits(part)));
            votes.iter().for_each(|fits| places.add(*fits, 1));
            places.counted(unbounded)
        };
        let sure = count(|part| part.fits, 0);
        let at_most = count(|part| part.fits_at_most, stranger.fits_at_most);
        Survey { parts: parts.into_iter().map(|(part, _)| part).collect(), stranger, sure, at_most }
    }
}

/// Everybody's part in some terms.
struct Survey {
    /// Of each kind of human.
    parts: Vec<Part>,
    stranger: Part,
    sure: Counted,
    at_most: Counted,
}

impl Survey {
    /// Whether what somebody asks for could be approved by others.
    fn possible(&self, requester: Part) -> Possible {
        if self.sure.can_be_filled(requester.fits) {
            return Possible::Yes;
        }
        if self.at_most.can_be_filled(requester.fits_at_most) { Possible::Unknown } else { Possible::No }
    }
}

/// At most so many of each level, errors first, and how many there are besides.
fn kept(mut found: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for level in [FindingLevel::Error, FindingLevel::Warning, FindingLevel::Note] {
        let of_level: Vec<Finding> = found.extract_if(.., |finding| finding.level == level).collect();
        let more = of_level.len().saturating_sub(MAX_OF_A_LEVEL);
        kept.extend(of_level.into_iter().take(MAX_OF_A_LEVEL));
        if more > 0 {
            let text = format!("and {more} more findings of this level");
            kept.push(Finding { level, rule: "more".into(), subject: String::new(), text });
        }
    }
    kept
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
