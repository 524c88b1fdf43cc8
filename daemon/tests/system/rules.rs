//! The rules that stop a decision: two-person integrity, content that moved on, and a quorum of several people.

use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{JobState, RequestState};
use countersign_shared::protocol::method::{RequestApprove, RequestGet, RequestReject, RequestSubmit};
use countersign_shared::protocol::{DecideParams, Outcome, RequestIdParams};

use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, Host, ask, can_be_people, on, policy, policy_with};

#[test]
fn whoever_asks_decides_on_neither_verb_by_none_of_their_accounts() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    let request = alice.request(&["web1.corp.example"]);
    for uid in [ALICE, ALICE_ADM] {
        let mut same = host.user(uid);
        for error in [
            same.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity),
            same.refused::<RequestReject>(&on(&request), ErrorKind::TwoPersonIntegrity),
        ] {
            assert!(error.message.contains("two-person integrity") && error.message.contains("alice"), "{error:?}");
            assert_eq!(error.data.rule.as_deref(), Some("requester_decides"));
            assert!(error.data.hint.contains("bob") && error.data.hint.contains("carol"), "{error:?}");
            assert!(!error.data.hint.contains("alice"), "{error:?}");
        }
        let you = same.call::<RequestGet>(&RequestIdParams { id: request.id.clone() }).you;
        assert_eq!((you.allowed, you.rule.as_deref()), (false, Some("requester_decides")), "{uid}");
    }
    // It holds the other way round: what the second account asked for, the first does not decide.
    let request = host.user(ALICE_ADM).request(&["web2.corp.example"]);
    alice.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 0);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM approval_requests WHERE state = 'pending'"), 2);
}

#[test]
fn a_decision_on_other_content_is_stale() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let mut bob = host.user(BOB);
    let params = DecideParams { digest: Digest::of(&[b"something else"]), ..on(&request) };
    for error in [
        bob.refused::<RequestApprove>(&params, ErrorKind::StaleContent),
        bob.refused::<RequestReject>(&params, ErrorKind::StaleContent),
    ] {
        assert_eq!(error.data.rule.as_deref(), Some("stale_content"));
        assert!(error.message.contains(&request.digest.to_string()), "{error:?}");
    }
    assert_eq!(host.value::<String>("SELECT state FROM approval_requests"), "pending");
    bob.approve(&request);
}

#[test]
fn two_of_three_people_have_to_agree_and_each_counts_once() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy_with(2, "", ""));
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let request = alice.request(&["web1.corp.example"]);
    let first = bob.call::<RequestApprove>(&on(&request));
    assert_eq!((first.state, first.job.unwrap().state), (RequestState::Pending, JobState::AwaitingApproval));
    assert_eq!((first.votes.given, first.votes.needed), (1, 2));
    let again = bob.refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided);
    assert_eq!(again.data.rule.as_deref(), Some("one_vote"));
    alice.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    assert_eq!(host.value::<String>("SELECT state FROM jobs"), "awaiting_approval");
    let second = carol.call::<RequestApprove>(&on(&request));
    assert_eq!((second.state, second.votes.given), (RequestState::Approved, 2));
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);

    // One rejection ends it, however many have approved.
    let request = alice.request(&["web2.corp.example"]);
    bob.approve(&request);
    let end = carol.call::<RequestReject>(&on(&request));
    assert_eq!((end.state, end.job.unwrap().state), (RequestState::Rejected, JobState::Cancelled));
}

#[test]
fn a_request_that_no_rule_allows_is_refused_with_the_rule_on_record() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    let mut without_reason = ask(&["web1.corp.example"]);
    without_reason.reason = None;
    let mut far = ask(&["web1.corp.example"]);
    far.valid_for = Some("365d".parse().unwrap());
    let mut elsewhere = ask(&["web1.corp.example"]);
    elsewhere.environment = Some("dev".into());
    let mut unknown = ask(&["web1.corp.example"]);
    unknown.profile = Some("p-none".into());
    let mut garbage = ask(&["web1.corp.example"]);
    garbage.csr = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n".into();
    for (what, params) in [
        ("no reason", without_reason),
        ("a year", far),
        ("another environment", elsewhere),
        ("no such profile", unknown),
        ("a foreign name", ask(&["www.example.org"])),
        ("two profiles", ask(&["web1.corp.example", "a.dev.test.example"])),
        ("a wildcard", ask(&["*.corp.example"])),
        ("garbage", garbage),
    ] {
        let error = alice.attempt::<RequestSubmit>(&params).unwrap().expect_err(what);
        assert!(!error.message.is_empty(), "{what}");
        if what != "garbage" {
            assert!(!error.data.hint.is_empty(), "{what}: {error:?}");
        }
    }
    for table in ["approval_requests", "jobs", "certificates", "submissions"] {
        assert_eq!(host.value::<i64>(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
}
