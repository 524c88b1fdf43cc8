//! Whether different people fill every place that the terms ask for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::lifecycle::Verdict;

use crate::policy::Terms;

/// One person's say, as the quorum counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ballot {
    /// The human: the person of the policy, or `uid:N`.
    pub voter: String,
    /// Whose say it is, where that was handed over: the giver, named in the same way.
    pub giver: Option<String>,
    /// Yes or no.
    pub verdict: Verdict,
    /// The groups whose places it can fill.
    pub counts_for: Vec<String>,
}

/// How the places are filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// For each step of the terms, who fills its places.
    pub filled: Vec<Vec<String>>,
    /// Different people who rejected.
    pub rejections: u32,
    places: u32,
}

impl Tally {
    /// Counts ballots. However many a human gave, and by whatever say, a human fills one place; and a say that was
    /// handed over fills one, whoever uses it.
    pub fn of(terms: &Terms, ballots: &[Ballot]) -> Self {
        let rejecting = ballots.iter().filter(|ballot| ballot.verdict == Verdict::Reject);
        let rejections: BTreeSet<&str> = rejecting.map(|ballot| ballot.voter.as_str()).collect();
        let mut spent = BTreeSet::new();
        let mut approving = Vec::new();
        for ballot in ballots.iter().filter(|ballot| ballot.verdict == Verdict::Approve) {
            let names: BTreeSet<&str> =
                [Some(ballot.voter.as_str()), ballot.giver.as_deref()].into_iter().flatten().collect();
            if names.is_disjoint(&spent) {
                spent.extend(names);
                approving.push(ballot);
            }
        }
        let filled = assign(terms, &approving);
        let rejections = u32::try_from(rejections.len()).unwrap_or(u32::MAX);
        Self { filled, rejections, places: terms.places() }
    }

    /// Places that are filled.
    pub fn given(&self) -> u32 {
        self.filled.iter().map(|step| u32::try_from(step.len()).unwrap_or(u32::MAX)).sum()
    }

    /// True where every place is filled.
    pub fn is_complete(&self) -> bool {
        self.given() >= self.places
    }

    /// Which steps are asked now: those with places left; of an ordered quorum the first of them alone.
    pub fn open(&self, terms: &Terms) -> Vec<bool> {
        let mut asked = true;
        let open = terms.steps.iter().zip(&self.filled).map(|(step, filled)| {
            let has_room = filled.len() < step.need as usize;
            let open = asked && has_room;
            asked &= !(terms.ordered && has_room);
            open
        });
        open.collect()
    }
}

/// The largest number of ballots that can each have a place of their own (a maximum bipartite matching by augmenting
/// paths): an approver who is in two groups is counted where it helps, and once.
fn assign(terms: &Terms, ballots: &[&Ballot]) -> Vec<Vec<String>> {
    let places: Vec<usize> =
        terms.steps.iter().enumerate().flat_map(|(at, step)| std::iter::repeat_n(at, step.need as usize)).collect();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    for ballot in 0..ballots.len() {
        let mut tried = BTreeSet::new();
        place(ballot, ballots, terms, &places, &mut taken, &mut tried);
    }
    let mut filled = vec![Vec::new(); terms.steps.len()];
    for (place, ballot) in taken {
        if let (Some(step), Some(ballot)) = (places.get(place).and_then(|at| filled.get_mut(*at)), ballots.get(ballot))
        {
            step.push(ballot.voter.clone());
        }
    }
    filled
}

/// Finds a place for a ballot, moving others to places that suit them as well. Bounded: the places of a quorum are
/// few, and each is tried once.
fn place(
    ballot: usize,
    ballots: &[&Ballot],
    terms: &Terms,
    places: &[usize],
    taken: &mut BTreeMap<usize, usize>,
    tried: &mut BTreeSet<usize>,
) -> bool {
    for (at, step) in places.iter().enumerate() {
        let suits = ballots
            .get(ballot)
            .is_some_and(|ballot| terms.steps.get(*step).is_some_and(|step| ballot.counts_for.contains(&step.group)));
        if !suits || !tried.insert(at) {
            continue;
        }
        let free = match taken.get(&at).copied() {
            None => true,
            Some(other) => place(other, ballots, terms, places, taken, tried),
        };
        if free {
            taken.insert(at, ballot);
            return true;
        }
    }
    false
}

#[cfg(test)]
#[path = "quorum_tests.rs"]
mod tests;
