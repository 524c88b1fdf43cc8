//! Ways around it that are no single rule's: names taken before anybody else, policies there and back, many calls at
//! once.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::method::{
    DelegationGrant, PolicyPropose, RequestAmend, RequestApprove, RequestDecide, RequestGet, RequestReject,
    RequestWithdraw,
};
use countersign_shared::protocol::{
    AmendParams, DecideItem, DecideManyParams, DelegateParams, Outcome, ProposeParams, RequestIdParams, RequestSummary,
};
use countersign_shared::time::Span;

use crate::support::{
    ALICE, BOB, CAROL, Caller, Host, MALLORY, amending, can_be_people, ending, on, policy, policy_with, until,
};

/// Carol is the one admin; anybody of the group agrees to changes of the policy.
const BY_THE_GROUP: &str = "[change_control]\nquorum = [{ group = \"pki\", need = 1 }]\n";

fn settled(caller: &mut Caller, request: &RequestSummary) -> RequestState {
    caller.call::<RequestGet>(&RequestIdParams { id: request.id.clone() }).request.state
}

/// Proposed by carol, approved by bob, and in force.
fn changed(host: &Host, document: &str) {
    let params = ProposeParams { document: document.to_owned(), reason: "as agreed".into(), base_sha256: None };
    let proposed = host.user(CAROL).call::<PolicyPropose>(&params).request;
    host.user(BOB).approve(&proposed);
}

#[test]
fn whoever_asked_for_a_name_first_and_was_given_nothing_renews_nothing_by_waiting() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy_with(1, "auto_approve_after = \"1h\"\napproval_timeout = \"30d\"", ""));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let taken = bob.request(&["shop.corp.example"]);
    bob.call::<RequestWithdraw>(&ending(&taken, None));
    let first = alice.request(&["shop.corp.example"]);
    host.user(CAROL).approve(&first);
    assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
    // On a key of bob's own, which nobody has looked at.
    let second = host.user(BOB).request(&["shop.corp.example"]);
    host.pass(Span::from_secs(2 * 3600));
    let refusal = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused' AND actor = 'system-scheduler'
                   AND details ->> '$.rule' = 'auto_approve_after'";
    until("time has done what it does", || {
        host.value::<i64>(refusal) == 1 || settled(&mut host.user(ALICE), &second) != RequestState::Pending
    });
    assert_eq!(settled(&mut host.user(ALICE), &second), RequestState::Pending);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 1);
}

#[test]
fn a_quorum_that_another_policy_has_completed_can_be_completed() {
    if !can_be_people() {
        return;
    }
    let one = policy_with(1, "", BY_THE_GROUP);
    let host = Host::serving(&one);
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    changed(&host, &policy_with(2, "", BY_THE_GROUP));
    let voted = host.user(BOB).call::<RequestApprove>(&on(&request));
    assert_eq!((voted.state, voted.votes.given, voted.votes.needed), (RequestState::Pending, 1, 2));
    changed(&host, &format!("{one}# and back\n"));
    let done = host.user(CAROL).call::<RequestApprove>(&on(&request));
    assert_eq!(done.state, RequestState::Approved, "{done:?}");
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn rejections_that_are_enough_under_the_policy_in_force_are_not_overtaken_by_a_late_approval() {
    if !can_be_people() {
        return;
    }
    let many = "reject_threshold = 2";
    let host = Host::serving(&policy_with(1, many, BY_THE_GROUP));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    assert_eq!(host.user(BOB).call::<RequestReject>(&on(&request)).state, RequestState::Pending);
    changed(&host, &policy_with(1, "", BY_THE_GROUP));
    let error = host.user(CAROL).refused::<RequestApprove>(&on(&request), ErrorKind::Conflict);
    assert_eq!(error.data.rule.as_deref(), Some("rejected_enough"), "{error:?}");
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
}

#[test]
fn an_amendment_is_no_way_to_keep_people_who_are_not_asked_any_more() {
    if !can_be_people() {
        return;
    }
    let leads = "[[group]]\nname = \"leads\"\nmembers = [\"person:carol\"]\n";
    let base = policy_with(1, "", &format!("{leads}{BY_THE_GROUP}"));
    let host = Host::serving(&base);
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    changed(
        &host,
        &base.replacen("quorum = [{ group = \"pki\", need = 1 }]", "quorum = [{ group = \"leads\", need = 1 }]", 1),
    );
    let more = AmendParams {
        csr: Some(crate::support::csr(&["web1.corp.example", "evil.corp.example"])),
        ..amending(&request)
    };
    let error = host.user(ALICE).refused::<RequestAmend>(&more, ErrorKind::Conflict);
    assert!(error.message.contains("asks other people (leads:1)"), "{error:?}");
    // As it was asked for it stands, under what it was made under.
    assert_eq!(host.user(BOB).call::<RequestApprove>(&on(&request)).state, RequestState::Approved);
}

#[test]
fn a_stranger_who_asks_everything_at_once_fills_no_ledger() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let digest = countersign_shared::digest::Digest::of(&[b"never seen"]);
    let items = (0..100)
        .map(|at| DecideItem { id: format!("ar-{at:014}").parse().unwrap(), digest, signature: None })
        .collect();
    let params = DecideManyParams { verdict: Verdict::Approve, items, note: None };
    let mut callers: Vec<Caller> = (0..6).map(|_| host.user(MALLORY)).collect();
    for _ in 0..20 {
        for caller in &mut callers {
            caller.send::<RequestDecide>(&params).unwrap();
        }
    }
    for _ in 0..20 {
        for caller in &mut callers {
            let _ = caller.answer::<RequestDecide>().unwrap();
        }
    }
    let refused = host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'approval_refused'");
    // A minute's worth, and what has come back meanwhile; 12,000 were asked for.
    assert!((60..=200).contains(&refused), "{refused} records of one stranger");
}

#[test]
fn says_are_handed_over_in_the_measure_of_everything_else() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut bob = host.user(BOB);
    let params = DelegateParams { to: "carol".into(), duration: Span::from_secs(7200), profiles: None, reason: None };
    let mut kinds = Vec::new();
    for _ in 0..25 {
        for _ in 0..100 {
            bob.send::<DelegationGrant>(&params).unwrap();
        }
        let answers = (0..100).filter_map(|_| bob.answer::<DelegationGrant>().unwrap().err());
        kinds.extend(answers.map(|error| error.data.kind));
    }
    // Few hold at a time, which is a conflict; asking without end is too much.
    assert!(
        kinds.contains(&ErrorKind::Conflict) && kinds.last() == Some(&ErrorKind::RateLimited),
        "{:?}",
        kinds.last()
    );
}
