//! The quorum, counted from records alone. What counts is what was attested when a vote was given: who was one human then is
//! one here.

use std::collections::{BTreeMap, BTreeSet};

use super::bundle::Record;

/// One human, as a record names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Human {
    /// The account.
    pub account: String,
    /// The user id.
    pub uid: i64,
    /// The person of the policy.
    pub person: String,
    login_uid: Option<i64>,
    login_person: String,
}

impl Human {
    /// Who acted; none for the daemon itself.
    pub fn of(record: &Record) -> Option<Self> {
        Some(Self {
            account: record.member("actor").to_owned(),
            uid: record.number("uid")?,
            person: record.text("person").to_owned(),
            login_uid: record.number("login_uid"),
            login_person: record.text("login_person").to_owned(),
        })
    }

    /// Whose say a vote used, where it was handed over.
    pub fn giver(record: &Record) -> Option<Self> {
        record.detail("giver_account")?;
        Some(Self {
            account: record.text("giver_account").to_owned(),
            uid: record.number("giver_uid")?,
            person: record.text("giver_person").to_owned(),
            login_uid: None,
            login_person: String::new(),
        })
    }

    /// True where the two are one human.
    pub fn is(&self, other: &Self) -> bool {
        (self.uid == other.uid && self.account == other.account)
            || (!self.person.is_empty() && self.person == other.person)
    }

    /// True where one is logged in to the session of the other, or both are of one login.
    fn shares_a_login(&self, other: &Self) -> bool {
        let into = |session: &Self, owner: &Self| {
            session.login_uid == Some(owner.uid) || (!owner.person.is_empty() && session.login_person == owner.person)
        };
        into(self, other) || into(other, self) || (self.login_uid.is_some() && self.login_uid == other.login_uid)
    }

    /// Why the two may not be on both sides of a request; none where they are different people.
    pub fn same_as(&self, other: &Self) -> bool {
        self.is(other) || self.shares_a_login(other)
    }

    /// Why this session's decision is nobody's vote.
    pub fn is_nobody(&self) -> Option<&'static str> {
        if self.uid == 0 {
            return Some("root is nobody in particular");
        }
        let login = self.login_uid?;
        let own = login == self.uid || (!self.person.is_empty() && self.person == self.login_person);
        (!own).then_some("somebody else had logged in to its session")
    }

    /// As people are named: the person, or the account.
    pub fn name(&self) -> &str {
        if self.person.is_empty() { &self.account } else { &self.person }
    }
}

/// A vote.
#[derive(Clone, Debug)]
pub struct Vote {
    /// Its record.
    pub seq: u64,
    /// Who.
    pub by: Human,
    /// Whose say, where it was handed over.
    pub giver: Option<Human>,
    /// True for a yes.
    pub approves: bool,
    /// The groups whose places it can fill.
    pub counts_for: Vec<String>,
}

/// Who has to agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Each step: the group and how many.
    pub steps: Vec<(String, usize)>,
    /// Whether one is asked after the other.
    pub ordered: bool,
    /// People who have to reject.
    pub reject_threshold: usize,
}

impl Terms {
    /// Those that a record names; none where it names none, or none that can be read.
    pub fn of(record: &Record) -> Option<Self> {
        let reject_threshold = usize::try_from(record.number("reject_threshold")?).ok()?;
        let steps = record.list("quorum")?.into_iter().map(|step| {
            let (group, need) = step.rsplit_once(':')?;
            Some((group.to_owned(), need.parse().ok()?))
        });
        let steps = steps.collect::<Option<Vec<(String, usize)>>>()?;
        (!steps.is_empty()).then_some(Self { steps, ordered: record.flag("ordered"), reject_threshold })
    }

    /// All places together.
    pub fn places(&self) -> usize {
        self.steps.iter().map(|(_, need)| need).sum()
    }

    /// What to judge by where a request was made under these and `now` are those of the policy in force.
    pub fn or_stricter(&self, now: &Self) -> Self {
        let quorum = if now == self || now.asks_for_as_much_as(self) { now } else { self };
        let reject_threshold = self.reject_threshold.min(now.reject_threshold);
        Self { steps: quorum.steps.clone(), ordered: quorum.ordered, reject_threshold }
    }

    /// True where whoever satisfies these satisfies the others as well.
    pub fn asks_for_as_much_as(&self, other: &Self) -> bool {
        let by_group = |terms: &Self| {
            let mut needs = BTreeMap::<String, usize>::new();
            terms.steps.iter().for_each(|(group, need)| *needs.entry(group.clone()).or_default() += need);
            needs
        };
        let mine = by_group(self);
        let named = by_group(other)
            .iter()
            .filter(|(group, _)| *group != "*")
            .all(|(group, need)| mine.get(group).is_some_and(|have| have >= need));
        let keeps_order = || {
            let mut own = self.steps.iter();
            self.ordered && other.steps.iter().all(|(group, _)| own.any(|(mine, _)| mine == group))
        };
        named && self.places() >= other.places() && (!other.ordered || keeps_order())
    }
}

impl std::fmt::Display for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (group, need)) in self.steps.iter().enumerate() {
            write!(f, "{}{group}:{need}", if at == 0 { "" } else { " " })?;
        }
        let order = if self.ordered { "one after the other, " } else { "" };
        write!(f, " ({order}ended by {} rejections)", self.reject_threshold)
    }
}

/// How many places different people fill, and how many different people rejected.
pub fn tally(terms: &Terms, votes: &[Vote]) -> (usize, usize) {
    let mut counted: Vec<&Vote> = Vec::new();
    for vote in votes.iter().filter(|vote| vote.approves) {
        let humans = |vote: &Vote| std::iter::once(vote.by.clone()).chain(vote.giver.clone()).collect::<Vec<_>>();
        let spent = counted.iter().any(|other| humans(other).iter().any(|a| humans(vote).iter().any(|b| a.is(b))));
        if !spent {
            counted.push(vote);
        }
    }
    let places: Vec<&str> =
        terms.steps.iter().flat_map(|(group, need)| std::iter::repeat_n(group.as_str(), *need)).collect();
    let mut taken = BTreeMap::new();
    for at in 0..counted.len() {
        place(at, &counted, &places, &mut taken, &mut BTreeSet::new());
    }
    let mut rejecting: Vec<&Human> = Vec::new();
    for vote in votes.iter().filter(|vote| !vote.approves) {
        if !rejecting.iter().any(|other| other.is(&vote.by)) {
            rejecting.push(&vote.by);
        }
    }
    (taken.len(), rejecting.len())
}

/// A place for a vote, moving others to places that suit them as well (an augmenting path of a bipartite matching).
fn place(
    at: usize,
    votes: &[&Vote],
    places: &[&str],
    taken: &mut BTreeMap<usize, usize>,
    tried: &mut BTreeSet<usize>,
) -> bool {
    for (number, group) in places.iter().enumerate() {
        let suits = votes.get(at).is_some_and(|vote| vote.counts_for.iter().any(|own| own == group));
        if !suits || !tried.insert(number) {
            continue;
        }
        let free = match taken.get(&number).copied() {
            None => true,
            Some(other) => place(other, votes, places, taken, tried),
        };
        if free {
            taken.insert(number, at);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn human(account: &str, uid: i64, person: &str) -> Human {
        let login_person = String::new();
        Human { account: account.into(), uid, person: person.into(), login_uid: None, login_person }
    }

    fn vote(by: Human, counts_for: &[&str]) -> Vote {
        let counts_for = counts_for.iter().map(|group| (*group).to_owned()).collect();
        Vote { seq: 0, by, giver: None, approves: true, counts_for }
    }

    fn terms(steps: &[(&str, usize)]) -> Terms {
        let steps = steps.iter().map(|(group, need)| ((*group).to_owned(), *need)).collect();
        Terms { steps, ordered: false, reject_threshold: 1 }
    }

    #[test]
    fn one_human_fills_one_place_by_whatever_account() {
        let (bob, erin) = (human("bob", 2, "bob"), human("erin", 3, ""));
        let both = terms(&[("pki", 1), ("security", 1)]);
        let twice = [vote(bob.clone(), &["pki", "security"]), vote(human("bob-adm", 9, "bob"), &["security"])];
        assert_eq!(tally(&both, &twice).0, 1);
        // The first moves where the second can only stand in one place.
        let two = [vote(bob.clone(), &["pki", "security"]), vote(erin.clone(), &["pki"])];
        assert_eq!(tally(&both, &two).0, 2);
        assert_eq!(tally(&both, &[vote(erin.clone(), &["law"])]).0, 0);
        let mut handed = vote(human("frank", 4, ""), &["security"]);
        handed.giver = Some(bob.clone());
        assert_eq!(tally(&both, &[vote(bob, &["pki"]), handed]).0, 1, "a say that was handed over is used once");
    }

    #[test]
    fn terms_that_ask_for_less_do_not_stand_for_more() {
        let asked = terms(&[("pki", 2)]);
        for (other, enough) in [
            (terms(&[("pki", 2)]), true),
            (terms(&[("pki", 3)]), true),
            (terms(&[("pki", 1), ("law", 1)]), false),
            (terms(&[("pki", 1)]), false),
        ] {
            assert_eq!(other.asks_for_as_much_as(&asked), enough, "{other:?}");
        }
        let ordered = Terms { ordered: true, ..asked.clone() };
        assert!(!asked.asks_for_as_much_as(&ordered) && ordered.asks_for_as_much_as(&asked));
    }

    #[test]
    fn a_login_of_the_requester_is_the_requester() {
        let alice = human("alice", 1, "alice");
        let mut bob = human("bob", 2, "bob");
        assert!(!bob.same_as(&alice));
        bob.login_uid = Some(1);
        assert!(bob.same_as(&alice) && bob.is_nobody().is_some());
        assert!(human("root", 0, "").is_nobody().is_some());
    }
}
