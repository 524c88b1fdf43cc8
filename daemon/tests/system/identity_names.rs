//! Accounts that change between the request and the decision: deleted, given to somebody else, moved between groups.
//! The daemon sees users and groups of the test's own.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::Outcome;
use countersign_shared::protocol::method::{DaemonWhoami, RequestApprove};
use countersign_shared::protocol::{NoParams, RequestSummary};

use crate::support::{ALICE, BOB, CAROL, Caller, Host, can_be_people, on, policy, policy_with};

const APPROVERS: &str = "approvers";

/// People by the names of their accounts, and approvers by a group of the host.
fn by_name(need: u32) -> String {
    policy_with(need, "", "")
        .replace(&format!("\"uid:{ALICE}\""), "\"alice\"")
        .replace(&format!("\"uid:{BOB}\""), "\"bob\"")
        .replace(&format!("\"uid:{CAROL}\""), "\"carol\"")
        .replace("\"person:bob\"", "\"unixgroup:approvers\"")
}

fn host(need: u32) -> Host {
    let mut host = Host::prepared(&by_name(need));
    host.names(&[("alice", ALICE), ("bob", BOB), ("carol", CAROL)], &[(APPROVERS, 7001, "bob")]);
    host.start();
    host
}

fn refused(caller: &mut Caller, request: &RequestSummary, kind: ErrorKind, rule: &str) {
    let error = caller.refused::<RequestApprove>(&on(request), kind);
    assert_eq!(error.data.rule.as_deref(), Some(rule), "{error:?}");
}

#[test]
fn a_deleted_user_decides_nothing_and_what_it_asked_for_is_still_its_own() {
    if !can_be_people() {
        return;
    }
    let mut host = host(1);
    let (of_alice, of_bob) =
        (host.user(ALICE).request(&["web1.corp.example"]), host.user(BOB).request(&["web2.corp.example"]));
    host.names(&[("alice", ALICE), ("carol", CAROL)], &[(APPROVERS, 7001, "bob")]);
    let mut bob = host.user(BOB);
    assert_eq!(bob.call::<DaemonWhoami>(&NoParams {}).account, format!("uid:{BOB}"));
    refused(&mut bob, &of_alice, ErrorKind::Forbidden, "no_role");
    // The nameless rest of the account that asked is not told apart from it: whoever it is now has no role anyway, and
    // where the policy gives it one it still is the requester.
    host.user(ALICE).approve(&of_bob);
    host.user(CAROL).approve(&of_alice);
    for request in [of_alice, of_bob] {
        assert_eq!(host.user(CAROL).wait(&request.id).outcome, Outcome::Issued);
    }
}

#[test]
fn a_uid_that_was_given_to_somebody_else_is_a_new_person() {
    if !can_be_people() {
        return;
    }
    let mut host = host(1);
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    // Her number is a newcomer's now, who is an approver; she has another.
    const MOVED: u32 = 62_050;
    let groups = [(APPROVERS, 7001, "bob,newcomer")];
    host.names(&[("newcomer", ALICE), ("alice", MOVED), ("bob", BOB), ("carol", CAROL)], &groups);
    let mut newcomer = host.user(ALICE);
    let whoami = newcomer.call::<DaemonWhoami>(&NoParams {});
    assert_eq!((whoami.account.as_str(), whoami.person), ("newcomer", None));
    let mut moved = host.user(MOVED);
    assert_eq!(moved.call::<DaemonWhoami>(&NoParams {}).person.as_deref(), Some("alice"));
    refused(&mut moved, &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
    newcomer.approve(&request);
    assert_eq!(moved.wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn a_uid_that_was_given_to_somebody_else_votes_for_nobody_twice() {
    if !can_be_people() {
        return;
    }
    let mut host = host(2);
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    host.user(BOB).approve(&request);
    // bob's number is a stranger's: without the group, that is nobody; his own vote stays.
    host.names(&[("alice", ALICE), ("stranger", BOB), ("carol", CAROL)], &[(APPROVERS, 7001, "bob")]);
    refused(&mut host.user(BOB), &request, ErrorKind::Forbidden, "no_role");
    // bob has another number: he is bob, and has voted.
    const MOVED: u32 = 62_051;
    host.names(&[("alice", ALICE), ("bob", MOVED), ("carol", CAROL)], &[(APPROVERS, 7001, "bob")]);
    refused(&mut host.user(MOVED), &request, ErrorKind::AlreadyDecided, "one_vote");
    host.user(CAROL).approve(&request);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn a_group_is_looked_at_for_each_decision_and_a_vote_outlives_it() {
    if !can_be_people() {
        return;
    }
    let mut host = host(2);
    let users = [("alice", ALICE), ("bob", BOB), ("carol", CAROL)];
    let (first, second) =
        (host.user(ALICE).request(&["web1.corp.example"]), host.user(ALICE).request(&["web2.corp.example"]));
    // On one connection: what it was when it began is of no account.
    let mut bob = host.user(BOB);
    bob.approve(&first);
    host.names(&users, &[(APPROVERS, 7001, "")]);
    refused(&mut bob, &second, ErrorKind::Forbidden, "no_role");
    host.user(CAROL).approve(&first);
    assert_eq!(host.user(ALICE).wait(&first.id).outcome, Outcome::Issued);
    host.names(&users, &[(APPROVERS, 7001, "bob")]);
    bob.approve(&second);
    // A group that the policy does not name, by the same people, is none.
    host.names(&users, &[("others", 7001, "bob")]);
    let third = host.user(ALICE).request(&["web3.corp.example"]);
    refused(&mut bob, &third, ErrorKind::Forbidden, "no_role");
}

/// A policy that names accounts by their numbers says of each number whose it is, whatever name it has: the runbook
/// forbids to give such a number to somebody else.
#[test]
fn a_number_that_the_policy_names_stays_that_persons_whatever_becomes_of_its_name() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    let others = [("bob", BOB), ("carol", CAROL)];
    host.names(&[&[("alice", ALICE)][..], &others].concat(), &[]);
    host.start();
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let mut alice = host.user(ALICE);
    host.names(&others, &[]);
    refused(&mut alice, &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
    refused(&mut host.user(ALICE), &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
    host.names(&[&[("newcomer", ALICE)][..], &others].concat(), &[]);
    refused(&mut alice, &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
    host.user(BOB).approve(&request);
}
