//! Amendments where another policy is in force than the one that a request was made under.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{RequestAmend, RequestApprove, RequestGet};
use countersign_shared::protocol::{AmendParams, Outcome, RequestIdParams, RequestSummary};

use crate::policy_change::{BY_THE_GROUP, changed};
use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, Host, amending, can_be_people, on, policy, policy_with};

/// Whoever else is in the group agrees to another policy.
fn controlled(policy: &str) -> String {
    format!("{policy}{BY_THE_GROUP}")
}

/// A request that was made under one policy, another one having taken force since.
fn moved_on(made_under: &str, now: &str) -> (Host, RequestSummary) {
    let host = Host::serving(&controlled(made_under));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    changed(&host, &controlled(now));
    (host, request)
}

fn reason(request: &RequestSummary) -> AmendParams {
    AmendParams { reason: Some("better said".into()), ..amending(request) }
}

#[test]
fn an_amendment_asks_for_what_is_stricter_and_never_for_less_than_before() {
    if !can_be_people() {
        return;
    }
    for (made_under, now, needed) in [(2, 1, 2), (1, 2, 2)] {
        let (host, request) = moved_on(&policy_with(made_under, "", ""), &policy_with(now, "", ""));
        let amended = host.user(ALICE).call::<RequestAmend>(&reason(&request));
        let quorum: Vec<_> = amended.differences.iter().filter(|said| said.field == "quorum").collect();
        assert_eq!(quorum.len(), usize::from(needed != made_under), "{:?}", amended.differences);
        let (mut bob, mut carol) = (host.user(BOB), host.user(CAROL));
        let detail = bob.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
        assert_eq!((detail.votes.needed, detail.terms.tightened), (needed, false), "{made_under} {now}");
        assert_eq!(bob.call::<RequestApprove>(&on(&amended.request)).state, RequestState::Pending);
        assert_eq!(carol.call::<RequestApprove>(&on(&amended.request)).state, RequestState::Approved);
        assert_eq!(bob.wait(&request.id).outcome, Outcome::Issued);
    }
}

#[test]
fn an_amendment_is_made_under_the_rules_in_force() {
    if !can_be_people() {
        return;
    }
    let shorter = policy().replacen("max_validity = \"90d\"", "max_validity = \"7d\"", 1);
    let (host, request) = moved_on(&policy(), &shorter);
    let mut alice = host.user(ALICE);
    let error = alice.refused::<RequestAmend>(&reason(&request), ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("profile.validity"), "what it had is too long now: {error:?}");
    let week = Some(countersign_shared::time::Span::from_secs(7 * 86_400));
    let amended = alice.call::<RequestAmend>(&AmendParams { valid_for: week, ..reason(&request) }).request;
    host.user(BOB).approve(&amended);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn whoever_amended_it_is_no_second_person_later() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&controlled(&policy()));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let amended = host.user(ALICE_ADM).call::<RequestAmend>(&reason(&request)).request;
    // alice's second account is somebody else's from now on, who may decide.
    let split = policy()
        .replacen(&format!("\"uid:{ALICE}\", \"uid:{ALICE_ADM}\""), &format!("\"uid:{ALICE}\""), 1)
        .replacen("[[group]]", &format!("[[person]]\nname = \"eve\"\naccounts = [\"uid:{ALICE_ADM}\"]\n[[group]]"), 1)
        .replacen("\"person:bob\", ", "\"person:bob\", \"person:eve\", ", 1);
    changed(&host, &controlled(&split));
    let error = host.user(ALICE_ADM).refused::<RequestApprove>(&on(&amended), ErrorKind::TwoPersonIntegrity);
    assert_eq!(error.data.rule.as_deref(), Some("requester_decides"), "{error:?}");
    // Of what is asked for from now on eve is somebody else.
    let next = host.user(ALICE).request(&["web2.corp.example"]);
    host.user(ALICE_ADM).approve(&next);
    assert_eq!(host.user(BOB).wait(&next.id).outcome, Outcome::Issued);
    host.user(BOB).approve(&amended);
    assert_eq!(host.user(BOB).wait(&request.id).outcome, Outcome::Issued);
}
