use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::id::{CertificateId, JobId, RequestId};
use countersign_shared::lifecycle::{RequestEvent, RequestKind, RequestState, Verdict};
use countersign_shared::protocol::{Decision, PersonRef};
use countersign_shared::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::store::rows::requests::Login;

fn seen() -> Digest {
    Digest::of(&[b"seen"])
}

fn person(name: &str, uid: u32) -> Party {
    Party { account: name.into(), uid, login_uid: None, person: Some(name.into()), login_person: None }
}

fn request(needed: u32) -> RequestRow {
    RequestRow {
        id: RequestId::fresh(1, 1),
        kind: RequestKind::CertIssuance,
        state: RequestState::Pending,
        certificate_id: CertificateId::fresh(1, 1),
        job_id: JobId::fresh(1, 1),
        submission_id: 1,
        version: 1,
        digest: seen(),
        profile_id: "p-web".into(),
        requester: PersonRef { account: "alice".into(), person: Some("alice".into()), uid: 1 },
        requester_login: Login::default(),
        requested_seq: 0,
        votes_needed: needed,
        created_tick: 0,
        deadline_tick: 1000,
        decided_at: None,
        decided_by: None,
    }
}

fn vote(name: &str, uid: u32) -> DecisionRow {
    let by = PersonRef { account: name.into(), person: Some(name.into()), uid };
    let note = "".into();
    let at = Timestamp::EPOCH;
    let verdict = Verdict::Approve;
    DecisionRow {
        decision: Decision { by, verdict, note, version: 1, digest: seen(), at, seq: 1 },
        voter: name.into(),
        login_uid: None,
    }
}

/// What becomes of a decision by `decider`, after a change to the case.
fn outcome(
    decider: Party,
    change: impl FnOnce(&mut RequestRow, &mut Vec<DecisionRow>, &mut bool, &mut bool, &mut i64, &mut Digest),
) -> Result<(RequestEvent, u32), (ErrorKind, Option<&'static str>)> {
    let (mut request, mut votes) = (request(1), Vec::new());
    let (mut has_vote, mut needs_login, mut tick, mut digest) = (true, false, 10, seen());
    change(&mut request, &mut votes, &mut has_vote, &mut needs_login, &mut tick, &mut digest);
    let requester = person("alice", 1);
    let others = ["carol".to_owned()];
    let case = Case {
        request: &request,
        requester: &requester,
        decider: &decider,
        has_vote,
        needs_login,
        votes: &votes,
        others: &others,
        tick,
    };
    match judge(&case, Verdict::Approve, &digest) {
        Ok(judgement) => Ok((judgement.event, judgement.votes.given)),
        Err(error) => Err((error.kind, error.rule)),
    }
}

#[test]
fn each_rule_by_itself() {
    let bob = || person("bob", 2);
    assert_eq!(outcome(bob(), |_, _, _, _, _, _| {}), Ok((RequestEvent::QuorumReached, 1)));
    assert_eq!(outcome(bob(), |r, _, _, _, _, _| r.votes_needed = 2), Ok((RequestEvent::Vote, 1)));
    let second = outcome(bob(), |r, votes, _, _, _, _| {
        r.votes_needed = 2;
        votes.push(vote("carol", 3));
    });
    assert_eq!(second, Ok((RequestEvent::QuorumReached, 2)));

    let tpi = ErrorKind::TwoPersonIntegrity;
    assert_eq!(outcome(person("alice", 1), |_, _, _, _, _, _| {}), Err((tpi, Some("requester_decides"))));
    assert_eq!(outcome(person("root", 0), |_, _, _, _, _, _| {}), Err((tpi, Some("root_decides_nothing"))));
    let borrowed = Party { login_uid: Some(9), ..bob() };
    assert_eq!(outcome(borrowed, |_, _, _, _, _, _| {}), Err((tpi, Some("login_mismatch"))));
    let forbidden = ErrorKind::Forbidden;
    assert_eq!(outcome(bob(), |_, _, has_vote, _, _, _| *has_vote = false), Err((forbidden, Some("no_vote"))));
    assert_eq!(outcome(bob(), |_, _, _, login, _, _| *login = true), Err((forbidden, Some("login_required"))));
    let stale = Err((ErrorKind::StaleContent, Some("stale_content")));
    assert_eq!(outcome(bob(), |_, _, _, _, _, digest| *digest = Digest::of(&[b"other"])), stale);
    let twice = Err((ErrorKind::AlreadyDecided, Some("one_vote")));
    assert_eq!(
        outcome(bob(), |r, votes, _, _, _, _| {
            r.votes_needed = 2;
            votes.push(vote("bob", 2));
        }),
        twice
    );
    assert_eq!(outcome(bob(), |_, _, _, _, tick, _| *tick = 1000), Err((ErrorKind::AlreadyDecided, None)));
    for &state in RequestState::ALL.iter().filter(|state| **state != RequestState::Pending) {
        assert_eq!(
            outcome(bob(), |r, _, _, _, _, _| r.state = state),
            Err((ErrorKind::AlreadyDecided, None)),
            "{state}"
        );
    }
}

#[test]
fn who_somebody_is_comes_before_what_has_become_of_the_request() {
    let ended = |r: &mut RequestRow| r.state = RequestState::Approved;
    let requester = outcome(person("alice", 1), |r, _, _, _, _, _| ended(r));
    assert_eq!(requester, Err((ErrorKind::TwoPersonIntegrity, Some("requester_decides"))));
    let nobody = outcome(person("mallory", 5), |r, _, has_vote, _, _, _| {
        *has_vote = false;
        ended(r);
    });
    assert_eq!(nobody, Err((ErrorKind::Forbidden, Some("no_vote"))));
}

proptest! {
    /// However votes arrive, a quorum is so many different people, none of them the requester.
    #[test]
    fn a_quorum_is_so_many_different_people(needed in 1u32..5, order in prop::collection::vec(1u32..8, 0..30)) {
        let requester = person("p1", 1);
        let mut request = request(needed);
        request.requester = PersonRef { account: "p1".into(), person: Some("p1".into()), uid: 1 };
        let mut votes: Vec<DecisionRow> = Vec::new();
        for uid in order {
            let decider = person(&format!("p{uid}"), uid);
            let case = Case {
                request: &request,
                requester: &requester,
                decider: &decider,
                has_vote: true,
                needs_login: false,
                votes: &votes,
                others: &[],
                tick: 1,
            };
            let judged = judge(&case, Verdict::Approve, &seen());
            let fresh = uid != 1 && votes.iter().all(|vote| vote.decision.by.uid != uid);
            prop_assert_eq!(judged.is_ok(), fresh);
            let Ok(judgement) = judged else { continue };
            votes.push(vote(&format!("p{uid}"), uid));
            let people = u32::try_from(votes.len()).unwrap();
            prop_assert_eq!(judgement.votes.given, people);
            prop_assert_eq!(judgement.event == RequestEvent::QuorumReached, people >= needed);
            if judgement.event == RequestEvent::QuorumReached {
                break;
            }
        }
    }
}
