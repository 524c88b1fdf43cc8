//! Who is who among those who bear on a request. One human may come under several accounts and names, and the policy
//! that connects them may change between two votes: whoever was one human under any of the policies that count is one.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_shared::error::ApiError;

use super::evidence::Cast;
use super::quorum::Ballot;
use super::two_person::{Party, different_people, names_agree};
use crate::policy::Policy;

/// The policies by which humans are told apart: the one in force, and the one that the request was made under.
pub struct Known<'p> {
    now: Option<&'p Policy>,
    then: Option<Arc<Policy>>,
}

impl<'p> Known<'p> {
    /// `then` is left out where it is the one in force.
    pub fn by(now: &'p Policy, then: Option<Arc<Policy>>) -> Self {
        Self { now: Some(now), then }
    }

    /// No policy: people are who the records say that they were.
    pub fn as_recorded() -> Self {
        Self { now: None, then: None }
    }

    /// Refuses where the two are one human, by what was attested or by any of the policies.
    pub fn different(&self, requester: &Party, decider: &Party, others: &[String]) -> Result<(), ApiError> {
        different_people(requester, decider, others)?;
        for policy in self.policies() {
            different_people(&requester.resolved(policy), &decider.resolved(policy), others)?;
        }
        Ok(())
    }

    /// Every vote as the quorum counts it: voters and givers by names that are the same for one human.
    pub fn ballots(&self, cast: &[Cast]) -> Vec<Ballot> {
        self.call(cast, &[]).0
    }

    /// The same, and the names of further people beside them.
    pub fn call(&self, cast: &[Cast], further: &[&Party]) -> (Vec<Ballot>, Vec<String>) {
        let mut parties: Vec<&Party> = Vec::with_capacity(cast.len() + further.len());
        for cast in cast {
            parties.push(&cast.by);
            parties.extend(&cast.giver);
        }
        parties.extend(further);
        let mut names = self.names(&parties).into_iter();
        let mut next = || names.next().unwrap_or_default();
        let ballots = cast.iter().map(|cast| Ballot {
            voter: next(),
            giver: cast.giver.as_ref().map(|_| next()),
            verdict: cast.verdict,
            counts_for: cast.counts_for.clone(),
        });
        (ballots.collect(), names.collect())
    }

    /// A name for each: that of the first who is the same human, directly or through others.
    fn names(&self, parties: &[&Party]) -> Vec<String> {
        let people: Vec<Vec<String>> = parties.iter().map(|party| self.people(party)).collect();
        let mut class: Vec<usize> = (0..parties.len()).collect();
        for (at, party) in parties.iter().enumerate() {
            for (before, other) in parties.iter().enumerate().take(at) {
                let same_account = party.uid == other.uid && names_agree(party, other);
                if same_account || people[at].iter().any(|name| people[before].contains(name)) {
                    let (keep, drop) = (class[before].min(class[at]), class[before].max(class[at]));
                    class.iter_mut().filter(|class| **class == drop).for_each(|class| *class = keep);
                }
            }
        }
        let mut called: BTreeMap<usize, String> = BTreeMap::new();
        for first in class.iter().copied() {
            let party = parties[first];
            let mut name = self.now.map_or_else(|| party.voter(), |policy| party.resolved(policy).voter());
            if called.iter().any(|(other, taken)| *other != first && *taken == name) {
                // The uid of two humans, one after the other.
                name = format!("{name} ({})", party.account);
            }
            called.insert(first, name);
        }
        class.iter().filter_map(|first| called.get(first).cloned()).collect()
    }

    /// Every person that the account is known to be.
    fn people(&self, party: &Party) -> Vec<String> {
        let views = self.policies().map(|policy| party.resolved(policy).person);
        views.chain(std::iter::once(party.person.clone())).flatten().collect()
    }

    fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.now.into_iter().chain(self.then.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use countersign_shared::lifecycle::Verdict;

    use super::*;

    fn party(account: &str, uid: u32, person: Option<&str>) -> Party {
        Party {
            account: account.into(),
            uid,
            login_uid: None,
            login_account: None,
            person: person.map(Into::into),
            login_person: None,
        }
    }

    fn vote(by: Party) -> Cast {
        Cast { by, giver: None, verdict: Verdict::Approve, counts_for: vec!["pki".into()], seq: 1 }
    }

    fn folding(accounts: &str) -> Policy {
        Policy::parse(&format!("version = 1\n[[person]]\nname = \"alice\"\naccounts = [{accounts}]\n")).unwrap().0
    }

    fn voters(known: &Known<'_>, cast: &[Cast]) -> usize {
        let ballots = known.ballots(cast);
        ballots.iter().map(|ballot| ballot.voter.clone()).collect::<std::collections::BTreeSet<_>>().len()
    }

    #[test]
    fn an_account_that_was_taken_out_of_its_person_does_not_vote_a_second_time() {
        let now = Policy::parse("version = 1\n").unwrap().0;
        let known = Known::by(&now, None);
        let twice = [vote(party("alice-adm", 6, Some("alice"))), vote(party("alice-adm", 6, None))];
        assert_eq!(voters(&known, &twice), 1);
        // Nor does the person by another account: alice-adm was hers, whatever it is now.
        let three = [twice[0].clone(), twice[1].clone(), vote(party("alice", 1, Some("alice")))];
        assert_eq!(voters(&known, &three), 1);
        let reused = [vote(party("alice-adm", 6, None)), vote(party("newcomer", 6, None))];
        assert_eq!(voters(&known, &reused), 2, "a uid that was given to somebody else is somebody else");
    }

    #[test]
    fn whoever_was_one_human_under_either_policy_is_one() {
        let (apart, folded) = (folding("\"alice\""), folding("\"alice\", \"alice-adm\""));
        let two = [vote(party("alice", 1, Some("alice"))), vote(party("alice-adm", 6, None))];
        assert_eq!(voters(&Known::by(&apart, None), &two), 2);
        assert_eq!(voters(&Known::by(&folded, None), &two), 1);
        let then = Known::by(&apart, Some(Arc::new(folded)));
        assert_eq!(voters(&then, &two), 1);
        let (requester, second) = (party("alice", 1, Some("alice")), party("alice-adm", 6, None));
        assert_eq!(then.different(&requester, &second, &[]).unwrap_err().rule, Some("requester_decides"));
        assert!(Known::by(&apart, None).different(&requester, &second, &[]).is_ok());
    }

    #[test]
    fn givers_and_further_people_are_named_like_voters() {
        let now = folding("\"alice\", \"alice-adm\"");
        let known = Known::by(&now, None);
        let handed = Cast { giver: Some(party("alice-adm", 6, None)), ..vote(party("erin", 7, None)) };
        let (ballots, names) = known.call(&[handed], &[&party("alice", 1, None), &party("bob", 2, None)]);
        assert_eq!(ballots[0].giver.as_ref(), Some(&names[0]));
        assert_ne!(ballots[0].voter, names[1]);
    }
}
