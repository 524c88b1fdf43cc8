//! Random histories of one request at the level of the judgement: humans with two accounts each, of which a registry
//! that changes meanwhile knows none, one or both; sessions of others; says that were handed over; amendments; and an
//! oracle that tries every assignment of humans to places.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use countersign_shared::digest::Digest;
use countersign_shared::id::{CertificateId, DelegationId, JobId, RequestId};
use countersign_shared::lifecycle::{RequestEvent, RequestKind, RequestState, Verdict};
use countersign_shared::protocol::PersonRef;
use proptest::prelude::*;

use super::evidence::Cast;
use super::judge::{Case, Given, Judgement, Say, judge};
use super::roll::Known;
use super::two_person::Party;
use crate::policy::{Asked, Policy, Terms};
use crate::store::rows::requests::{Login, RequestRow, Work};

const HUMANS: u32 = 5;
const GROUPS: [&str; 2] = ["pki", "sec"];

/// How many accounts of each human a policy knows: 0, 1 or 2.
type Registry = [u8; HUMANS as usize];

/// One account of one human.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    human: u32,
    second: bool,
}

impl Account {
    fn uid(self) -> u32 {
        10 + 2 * self.human + u32::from(self.second)
    }

    fn name(self) -> String {
        format!("h{}-{}", self.human, u8::from(self.second))
    }

    /// The person as a registry knows the account.
    fn person(self, registry: &Registry) -> Option<String> {
        (registry[self.human as usize] > u8::from(self.second)).then(|| format!("h{}", self.human))
    }

    fn party(self, login: Option<Account>, registry: &Registry) -> Party {
        Party {
            account: self.name(),
            uid: self.uid(),
            login_uid: login.map(Account::uid),
            login_account: login.map(Account::name),
            person: self.person(registry),
            login_person: login.and_then(|login| login.person(registry)),
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Vote { by: Account, login: Option<Account>, groups: u8, giver: Option<(Account, u8)>, yes: bool, stale: bool },
    Amend,
    Policy(Registry),
}

#[derive(Clone, Debug)]
struct History {
    requester: (Account, Option<Account>),
    first: Registry,
    steps: Vec<(usize, u32)>,
    ordered: bool,
    reject_threshold: u32,
    acts: Vec<Act>,
}

/// A human by all the names that some policy that counts, or a record, gives to an account.
#[derive(Clone, Debug)]
struct Names(BTreeSet<String>);

impl Names {
    fn of(account: Account, registries: &[&Registry]) -> Self {
        let people = registries.iter().filter_map(|registry| account.person(registry));
        Self(people.chain([format!("uid:{}", account.uid())]).collect())
    }
}

/// What was accepted as a vote.
struct Accepted {
    by: Account,
    giver: Option<Account>,
    counts_for: Vec<String>,
    at: Registry,
}

fn policy(registry: &Registry) -> Arc<Policy> {
    static KNOWN: Mutex<BTreeMap<Registry, Arc<Policy>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    Arc::clone(known.entry(*registry).or_insert_with(|| Arc::new(parsed(registry))))
}

fn parsed(registry: &Registry) -> Policy {
    let mut document = "version = 1\n".to_owned();
    for (human, known) in registry.iter().enumerate().filter(|(_, known)| **known > 0) {
        let accounts: Vec<String> = (0..*known).map(|k| format!("\"h{human}-{k}\"")).collect();
        document.push_str(&format!("[[person]]\nname = \"h{human}\"\naccounts = [{}]\n", accounts.join(", ")));
    }
    Policy::parse(&document).unwrap().0
}

fn groups(mask: u8) -> Vec<String> {
    GROUPS.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1).map(|(_, group)| (*group).to_owned()).collect()
}

fn digest(version: u32) -> Digest {
    Digest::of(&[&version.to_be_bytes()])
}

fn request(history: &History, version: u32) -> RequestRow {
    let (by, login) = history.requester;
    RequestRow {
        id: RequestId::fresh(1, 1),
        kind: RequestKind::CertIssuance,
        state: RequestState::Pending,
        work: Some(Work { certificate_id: CertificateId::fresh(1, 1), job_id: JobId::fresh(1, 1), submission_id: 1 }),
        version,
        digest: digest(version),
        profile_id: "p-web".into(),
        requester: PersonRef { account: by.name(), person: by.person(&history.first), uid: by.uid() },
        requester_login: Login { uid: login.map(Account::uid), ..Login::default() },
        requested_seq: 0,
        votes_needed: 1,
        created_tick: 0,
        deadline_tick: 1000,
        decided_at: None,
        decided_by: None,
    }
}

/// Lets a history happen; how it ended, or what is wrong with how it ended. Humans are told apart by the policy that
/// the request was made under as well, unless `forgetful`.
fn run(history: &History, forgetful: bool) -> Result<Option<RequestEvent>, String> {
    let steps = history.steps.iter().map(|(group, need)| Asked { group: GROUPS[*group].to_owned(), need: *need });
    let terms = Terms { steps: steps.collect(), ordered: history.ordered, reject_threshold: history.reject_threshold };
    let then = policy(&history.first);
    let requester = history.requester.0.party(history.requester.1, &history.first);
    let (mut registry, mut version) = (history.first, 1);
    let (mut cast, mut accepted): (Vec<Cast>, Vec<Accepted>) = (Vec::new(), Vec::new());
    for act in &history.acts {
        let Act::Vote { by, login, groups: mask, giver, yes, stale } = act else {
            match act {
                Act::Policy(next) => registry = *next,
                _ => {
                    version += 1;
                    cast.clear();
                    accepted.clear();
                }
            }
            continue;
        };
        let now = policy(&registry);
        let known = Known::by(&now, (!forgetful).then(|| Arc::clone(&then)));
        let given = giver.map(|(giver, mask)| Say {
            counts_for: groups(mask),
            given: Some(Given { delegation: DelegationId::fresh(1, 1), by: giver.party(None, &registry) }),
        });
        let own = Say { counts_for: groups(*mask), given: None };
        let says: Vec<Say> = [own].into_iter().chain(given).filter(|say| !say.counts_for.is_empty()).collect();
        let row = request(history, version);
        let (decider, verdict) = (by.party(*login, &registry), if *yes { Verdict::Approve } else { Verdict::Reject });
        let case = Case {
            request: &row,
            requester: &requester,
            decider: &decider,
            says: &says,
            needs_login: false,
            terms: &terms,
            cast: &cast,
            known: &known,
            others: &[],
            tick: 1,
        };
        let named = digest(if *stale { version + 1 } else { version });
        let Ok(judgement) = judge(&case, verdict, &named) else { continue };
        if *stale {
            return Err("a vote on other content was accepted".to_owned());
        }
        take(&judgement, &decider, verdict, &mut cast);
        let giver = judgement.say().given.as_ref().and_then(|_| giver.map(|(giver, _)| giver));
        let counts_for = if *yes { judgement.say().counts_for.clone() } else { Vec::new() };
        accepted.push(Accepted { by: *by, giver, counts_for, at: registry });
        is_right(history, &accepted, &registry, *login)?;
        match judgement.event() {
            RequestEvent::QuorumReached if !filled(history, &accepted, &registry, &terms) => {
                return Err("the quorum is reached, and humans do not fill its places".to_owned());
            }
            RequestEvent::Vote => {}
            ended => return Ok(Some(ended)),
        }
    }
    Ok(None)
}

/// What the record of a vote keeps.
fn take(judgement: &Judgement, decider: &Party, verdict: Verdict, cast: &mut Vec<Cast>) {
    let say = judgement.say();
    cast.push(Cast {
        by: decider.clone(),
        giver: say.given.as_ref().map(|given| given.by.clone()),
        verdict,
        counts_for: say.counts_for.clone(),
        seq: cast.len() as u64,
    });
}

/// All names of each human: of the requester's first, then of each vote and of the say that it used.
fn everybody(history: &History, accepted: &[Accepted], now: &Registry) -> (Vec<Names>, Vec<Names>) {
    let (by, login) = history.requester;
    let behind = [Some(by), login].into_iter().flatten().map(|account| Names::of(account, &[&history.first, now]));
    let voters = accepted.iter().flat_map(|vote| {
        let humans = std::iter::once(vote.by).chain(vote.giver);
        humans.map(|account| Names::of(account, &[&history.first, now, &vote.at]))
    });
    (behind.collect(), voters.collect())
}

/// The last vote is one of somebody in their own session, who is not behind the request and whose say is fresh.
fn is_right(history: &History, accepted: &[Accepted], now: &Registry, login: Option<Account>) -> Result<(), String> {
    let Some(last) = accepted.last() else { return Ok(()) };
    let folded = |login: Account| login.person(now).is_some() && login.person(now) == last.by.person(now);
    if login.is_some_and(|login| login != last.by && !folded(login)) {
        return Err("a vote of a session that somebody else logged in to was accepted".to_owned());
    }
    let (behind, voters) = everybody(history, accepted, now);
    let fresh = voters.len() - 1 - usize::from(last.giver.is_some());
    // A say of one's own that came back by a fold of two accounts is one's own.
    for names in voters.iter().skip(fresh) {
        let shares = |other: &&Names| !other.0.is_disjoint(&names.0);
        if let Some(other) = behind.iter().find(shares) {
            return Err(format!("{names:?} is behind the request ({other:?})"));
        }
        if let Some(other) = voters.iter().take(fresh).find(shares) {
            return Err(format!("{names:?} is {other:?}, whose say was used"));
        }
    }
    Ok(())
}

/// Whether some choice of votes fills every place, with no name in two of them.
fn filled(history: &History, accepted: &[Accepted], now: &Registry, terms: &Terms) -> bool {
    let places: Vec<&str> =
        terms.steps.iter().flat_map(|step| std::iter::repeat_n(step.group.as_str(), step.need as usize)).collect();
    let names = |vote: &Accepted| {
        let humans = std::iter::once(vote.by).chain(vote.giver);
        humans.flat_map(|account| Names::of(account, &[&history.first, now, &vote.at]).0).collect()
    };
    let votes: Vec<(&Accepted, BTreeSet<String>)> = accepted.iter().map(|vote| (vote, names(vote))).collect();
    place(&places, &votes, &BTreeSet::new())
}

fn place(places: &[&str], votes: &[(&Accepted, BTreeSet<String>)], used: &BTreeSet<String>) -> bool {
    let Some((group, rest)) = places.split_first() else { return true };
    votes.iter().any(|(vote, names)| {
        let fits = vote.counts_for.iter().any(|own| own == group) && names.is_disjoint(used);
        fits && place(rest, votes, &used.union(names).cloned().collect())
    })
}

fn account() -> impl Strategy<Value = Account> {
    (0..HUMANS, any::<bool>()).prop_map(|(human, second)| Account { human, second })
}

fn registry() -> impl Strategy<Value = Registry> {
    prop::array::uniform5(0u8..3)
}

/// Mostly one's own session or none, now and then that of another account.
fn session() -> impl Strategy<Value = (Account, Option<Account>)> {
    (account(), prop_oneof![3 => Just(None), 2 => Just(Some(None)), 1 => account().prop_map(|by| Some(Some(by)))])
        .prop_map(|(by, login)| (by, login.map(|other| other.unwrap_or(by))))
}

fn act() -> impl Strategy<Value = Act> {
    let giver = prop::option::weighted(0.3, (account(), 1u8..4));
    let vote = (session(), 0u8..4, giver, prop::bool::weighted(0.85), prop::bool::weighted(0.05));
    prop_oneof![
        10 => vote.prop_map(|((by, login), groups, giver, yes, stale)| Act::Vote { by, login, groups, giver, yes, stale }),
        1 => Just(Act::Amend),
        2 => registry().prop_map(Act::Policy),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let steps = prop::collection::vec((0usize..GROUPS.len(), 1u32..3), 1..3);
    let acts = prop::collection::vec(act(), 0..14);
    (session(), registry(), steps, any::<bool>(), 1u32..3, acts).prop_map(
        |(requester, first, steps, ordered, reject_threshold, acts)| History {
            requester,
            first,
            steps,
            ordered,
            reject_threshold,
            acts,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever happens, no vote is accepted but of a human who is not behind the request and has not voted, and a
    /// quorum is reached only by humans who fill its places.
    #[test]
    fn every_quorum_is_one_of_different_humans(history in history()) {
        if let Err(wrong) = run(&history, false) {
            prop_assert!(false, "{wrong}");
        }
    }
}

const ALICE: Account = Account { human: 0, second: false };
const BOB: Account = Account { human: 1, second: false };
const CAROL: Account = Account { human: 2, second: false };

fn yes(by: Account) -> Act {
    Act::Vote { by, login: None, groups: 1, giver: None, yes: true, stale: false }
}

fn plain(acts: Vec<Act>) -> History {
    let (requester, steps) = ((ALICE, None), vec![(0, 2)]);
    History { requester, first: [2; 5], steps, ordered: false, reject_threshold: 1, acts }
}

#[test]
fn quorums_are_reached_in_these_histories_at_all() {
    let reached = plain(vec![yes(ALICE), yes(BOB), yes(BOB), Act::Policy([0; 5]), yes(BOB), yes(CAROL)]);
    assert_eq!(run(&reached, false), Ok(Some(RequestEvent::QuorumReached)));
    let amended = plain(vec![yes(BOB), Act::Amend, yes(CAROL)]);
    assert_eq!(run(&amended, false), Ok(None));
}

#[test]
fn the_oracle_sees_it_where_the_policy_in_force_alone_tells_humans_apart() {
    // The registry forgets everybody, and the requester's second account is nobody's any more.
    let history = plain(vec![Act::Policy([0; 5]), yes(Account { second: true, ..ALICE })]);
    assert_eq!(run(&history, false), Ok(None));
    assert!(run(&history, true).is_err());
}
