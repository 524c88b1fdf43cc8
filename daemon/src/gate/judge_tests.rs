use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::lifecycle::RequestKind;
use countersign_shared::protocol::PersonRef;
use proptest::prelude::*;

use super::*;
use crate::policy::Policy;
use crate::store::rows::requests::{Login, Work};

fn seen() -> Digest {
    Digest::of(&[b"seen"])
}

fn person(name: &str, uid: u32) -> Party {
    Party {
        account: name.into(),
        uid,
        login_uid: None,
        login_account: None,
        person: Some(name.into()),
        login_person: None,
    }
}

fn terms(steps: &str) -> Terms {
    Terms { steps: steps.split(' ').map(|step| step.parse().unwrap()).collect(), ordered: false, reject_threshold: 1 }
}

fn say(groups: &str) -> Say {
    Say { counts_for: groups.split(' ').map(str::to_owned).collect(), given: None }
}

fn by(giver: Party, groups: &str) -> Say {
    let given = Given { delegation: DelegationId::fresh(1, 1), by: giver };
    Say { given: Some(given), ..say(groups) }
}

fn vote(name: &str, uid: u32, groups: &str) -> Cast {
    Cast {
        by: person(name, uid),
        giver: None,
        verdict: Verdict::Approve,
        counts_for: groups.split(' ').map(str::to_owned).collect(),
        seq: 1,
    }
}

/// Everything that a case is made of, to change one thing at a time.
struct Scene {
    request: RequestRow,
    requester: Party,
    says: Vec<Say>,
    needs_login: bool,
    terms: Terms,
    cast: Vec<Cast>,
    policy: Policy,
    tick: i64,
    digest: Digest,
    verdict: Verdict,
}

impl Scene {
    fn new() -> Self {
        let work = Work { certificate_id: CertificateId::fresh(1, 1), job_id: JobId::fresh(1, 1), submission_id: 1 };
        let request = RequestRow {
            id: RequestId::fresh(1, 1),
            kind: RequestKind::CertIssuance,
            state: RequestState::Pending,
            work: Some(work),
            version: 1,
            digest: seen(),
            profile_id: "p-web".into(),
            requester: PersonRef { account: "alice".into(), person: Some("alice".into()), uid: 1 },
            requester_login: Login::default(),
            requested_seq: 0,
            votes_needed: 1,
            created_tick: 0,
            deadline_tick: 1000,
            decided_at: None,
            decided_by: None,
        };
        Self {
            request,
            requester: person("alice", 1),
            says: vec![say("pki")],
            needs_login: false,
            terms: terms("pki:1"),
            cast: Vec::new(),
            policy: Policy::parse("version = 1\n").unwrap().0,
            tick: 10,
            digest: seen(),
            verdict: Verdict::Approve,
        }
    }

    fn judge(&self, decider: &Party) -> Result<Judgement, ApiError> {
        let case = Case {
            request: &self.request,
            requester: &self.requester,
            decider,
            says: &self.says,
            needs_login: self.needs_login,
            terms: &self.terms,
            cast: &self.cast,
            known: &Known::by(&self.policy, None),
            others: &["carol".to_owned()],
            tick: self.tick,
        };
        judge(&case, self.verdict, &self.digest)
    }
}

/// What becomes of a decision by `decider`, after a change to the scene.
fn outcome(
    decider: Party,
    change: impl FnOnce(&mut Scene),
) -> Result<(RequestEvent, u32), (ErrorKind, Option<&'static str>)> {
    let mut scene = Scene::new();
    change(&mut scene);
    match scene.judge(&decider) {
        Ok(judgement) => Ok((judgement.event(), judgement.votes().given)),
        Err(error) => Err((error.kind, error.rule)),
    }
}

fn bob() -> Party {
    person("bob", 2)
}

#[test]
fn each_rule_by_itself() {
    assert_eq!(outcome(bob(), |_| {}), Ok((RequestEvent::QuorumReached, 1)));
    assert_eq!(outcome(bob(), |s| s.terms = terms("pki:2")), Ok((RequestEvent::Vote, 1)));
    let second = outcome(bob(), |s| {
        s.terms = terms("pki:2");
        s.cast.push(vote("carol", 3, "pki"));
    });
    assert_eq!(second, Ok((RequestEvent::QuorumReached, 2)));

    let tpi = ErrorKind::TwoPersonIntegrity;
    assert_eq!(outcome(person("alice", 1), |_| {}), Err((tpi, Some("requester_decides"))));
    assert_eq!(outcome(person("root", 0), |_| {}), Err((tpi, Some("root_decides_nothing"))));
    let borrowed = Party { login_uid: Some(9), ..bob() };
    assert_eq!(outcome(borrowed, |_| {}), Err((tpi, Some("login_mismatch"))));
    let forbidden = ErrorKind::Forbidden;
    assert_eq!(outcome(bob(), |s| s.says.clear()), Err((forbidden, Some("no_vote"))));
    assert_eq!(outcome(bob(), |s| s.needs_login = true), Err((forbidden, Some("login_required"))));
    let stale = Err((ErrorKind::StaleContent, Some("stale_content")));
    assert_eq!(outcome(bob(), |s| s.digest = Digest::of(&[b"other"])), stale);
    let twice = outcome(bob(), |s| {
        s.terms = terms("pki:2");
        s.cast.push(vote("bob", 2, "pki"));
    });
    assert_eq!(twice, Err((ErrorKind::AlreadyDecided, Some("one_vote"))));
    assert_eq!(outcome(bob(), |s| s.tick = 1000), Err((ErrorKind::AlreadyDecided, None)));
    for &state in RequestState::ALL.iter().filter(|state| **state != RequestState::Pending) {
        let ended = outcome(bob(), |s| s.request.state = state);
        assert_eq!(ended, Err((ErrorKind::AlreadyDecided, None)), "{state}");
    }
}

#[test]
fn who_somebody_is_comes_before_what_has_become_of_the_request() {
    let ended = |s: &mut Scene| s.request.state = RequestState::Approved;
    let requester = outcome(person("alice", 1), ended);
    assert_eq!(requester, Err((ErrorKind::TwoPersonIntegrity, Some("requester_decides"))));
    let nobody = outcome(person("mallory", 5), |s| {
        s.says.clear();
        ended(s);
    });
    assert_eq!(nobody, Err((ErrorKind::Forbidden, Some("no_vote"))));
}

#[test]
fn an_approval_has_to_fill_a_place_that_is_asked_for() {
    let not_asked = Err((ErrorKind::Forbidden, Some("not_asked")));
    let full = |s: &mut Scene| {
        s.terms = terms("pki:1 sec:1");
        s.cast.push(vote("carol", 3, "pki"));
    };
    assert_eq!(outcome(bob(), full), not_asked);
    // In both groups, carol makes room by standing for the other.
    let movable = outcome(bob(), |s| {
        s.terms = terms("pki:1 sec:1");
        s.cast.push(vote("carol", 3, "pki sec"));
    });
    assert_eq!(movable, Ok((RequestEvent::QuorumReached, 2)));
    let too_early = outcome(bob(), |s| {
        s.terms = Terms { ordered: true, ..terms("sec:1 pki:1") };
    });
    assert_eq!(too_early, not_asked);
    let in_turn = outcome(bob(), |s| {
        s.terms = Terms { ordered: true, ..terms("sec:1 pki:1") };
        s.cast.push(vote("carol", 3, "sec"));
    });
    assert_eq!(in_turn, Ok((RequestEvent::QuorumReached, 2)));
    // In an order, a vote counts for the step that was asked when it was given, and for no later one.
    let mut scene = Scene::new();
    scene.terms = Terms { ordered: true, ..terms("sec:1 pki:1") };
    scene.says = vec![say("sec pki")];
    assert_eq!(scene.judge(&bob()).unwrap().say().counts_for, ["sec"]);
}

#[test]
fn a_rejection_ends_it_at_the_threshold_and_needs_no_free_place() {
    let objects = |s: &mut Scene| s.verdict = Verdict::Reject;
    assert_eq!(outcome(bob(), objects), Ok((RequestEvent::Reject, 0)));
    let no = |name: &str, uid| Cast { verdict: Verdict::Reject, ..vote(name, uid, "pki") };
    let first_of_two = outcome(bob(), |s| {
        objects(s);
        s.terms.reject_threshold = 2;
    });
    assert_eq!(first_of_two, Ok((RequestEvent::Vote, 0)));
    let second_of_two = outcome(bob(), |s| {
        objects(s);
        s.terms.reject_threshold = 2;
        s.cast.push(no("carol", 3));
    });
    assert_eq!(second_of_two, Ok((RequestEvent::Reject, 0)));
    let place_is_filled = outcome(bob(), |s| {
        objects(s);
        s.terms = terms("pki:1 sec:1");
        s.cast.push(vote("carol", 3, "pki"));
    });
    assert_eq!(place_is_filled, Ok((RequestEvent::Reject, 1)));
}

#[test]
fn what_a_policy_held_up_or_let_through_meanwhile_is_judged_by_what_holds_now() {
    // One vote under terms that asked for two; now one is enough, and nobody is left to be asked for.
    let complete = outcome(bob(), |s| s.cast.push(vote("carol", 3, "pki")));
    assert_eq!(complete, Ok((RequestEvent::QuorumReached, 1)));
    let enough = outcome(bob(), |s| {
        s.terms = terms("pki:2");
        s.cast.push(Cast { verdict: Verdict::Reject, ..vote("carol", 3, "pki") });
    });
    assert_eq!(enough, Err((ErrorKind::Conflict, Some("rejected_enough"))));
    let ends = outcome(bob(), |s| {
        s.verdict = Verdict::Reject;
        s.terms.reject_threshold = 2;
        s.cast.push(Cast { verdict: Verdict::Reject, ..vote("carol", 3, "pki") });
    });
    assert_eq!(ends, Ok((RequestEvent::Reject, 0)));
}

#[test]
fn a_say_that_was_handed_over_is_used_once_and_never_for_its_owners_request() {
    let (carol, erin) = (|| person("carol", 3), || person("erin", 6));
    let hers = |s: &mut Scene| s.says = vec![by(carol(), "pki")];
    assert_eq!(outcome(erin(), hers), Ok((RequestEvent::QuorumReached, 1)));
    let tpi = Err((ErrorKind::TwoPersonIntegrity, Some("requester_decides")));
    assert_eq!(outcome(erin(), |s| s.says = vec![by(person("alice", 1), "pki")]), tpi);
    let once = Err((ErrorKind::AlreadyDecided, Some("one_vote")));
    let owner_voted = outcome(erin(), |s| {
        hers(s);
        s.terms = terms("pki:2");
        s.cast.push(vote("carol", 3, "pki"));
    });
    assert_eq!(owner_voted, once);
    let others_say = Cast { giver: Some(carol()), ..vote("frank", 7, "pki") };
    let used_by_another = outcome(erin(), |s| {
        hers(s);
        s.terms = terms("pki:2");
        s.cast.push(others_say.clone());
    });
    assert_eq!(used_by_another, once);
    let owner_after_use = outcome(carol(), |s| {
        s.terms = terms("pki:2");
        s.cast.push(others_say.clone());
    });
    assert_eq!(owner_after_use, once);
    // One's own say comes first, and the other is kept.
    let mut scene = Scene::new();
    scene.says = vec![say("pki"), by(carol(), "pki")];
    assert_eq!(scene.judge(&erin()).unwrap().say().given, None);
    // Where one's own fills no place, the one that was handed over is used.
    scene.terms = terms("pki:1 sec:1");
    scene.cast = vec![vote("dave", 8, "pki")];
    scene.says = vec![say("pki"), by(carol(), "sec")];
    let judged = scene.judge(&erin()).unwrap();
    assert_eq!(
        (judged.event(), judged.say().counts_for.as_slice()),
        (RequestEvent::QuorumReached, &["sec".to_owned()][..])
    );
}

#[test]
fn accounts_that_have_become_one_persons_are_one_voter() {
    let folded = "version = 1\n[[person]]\nname = \"bob\"\naccounts = [\"bob\", \"bob-adm\"]\n";
    let mut scene = Scene::new();
    scene.policy = Policy::parse(folded).unwrap().0;
    scene.terms = terms("pki:3");
    scene.cast = vec![Cast { by: Party { person: None, ..person("bob-adm", 9) }, ..vote("bob-adm", 9, "pki") }];
    let refused = scene.judge(&bob()).unwrap_err();
    assert_eq!((refused.kind, refused.rule), (ErrorKind::AlreadyDecided, Some("one_vote")));
    scene.cast.push(vote("bob", 2, "pki"));
    assert_eq!(scene.judge(&person("carol", 3)).unwrap().votes().given, 2, "bob and bob-adm fill one place");
}

proptest! {
    /// However votes arrive, a quorum is so many different people, none of them the requester.
    #[test]
    fn a_quorum_is_so_many_different_people(needed in 1u32..5, order in prop::collection::vec(1u32..8, 0..30)) {
        let mut scene = Scene::new();
        scene.requester = person("p1", 1);
        scene.terms = terms(&format!("pki:{needed}"));
        for uid in order {
            let name = format!("p{uid}");
            let judged = scene.judge(&person(&name, uid));
            let fresh = uid != 1 && scene.cast.iter().all(|vote| vote.by.uid != uid);
            prop_assert_eq!(judged.is_ok(), fresh);
            let Ok(judgement) = judged else { continue };
            scene.cast.push(vote(&name, uid, "pki"));
            let people = u32::try_from(scene.cast.len()).unwrap();
            prop_assert_eq!(judgement.votes().given, people);
            prop_assert_eq!(judgement.event() == RequestEvent::QuorumReached, people >= needed);
            if judgement.event() == RequestEvent::QuorumReached {
                break;
            }
        }
    }
}
