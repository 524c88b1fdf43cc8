//! The end of a say that was handed over: taken back, over, worth nothing any more, or forged.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    DelegationList, DelegationRevoke, PolicyPropose, RequestApprove, RequestList,
};
use countersign_shared::protocol::{
    DelegationIdParams, ListDelegationsParams, ListRequestsParams, Outcome, ProposeParams,
};
use countersign_shared::time::{Span, Timestamp};

use crate::delegation::{BOB_ADM, ERIN, FRANK, delegating, hand, more, refused};
use crate::support::{ALICE, BOB, CAROL, Host, can_be_people, on, policy_with, skipped, until};

/// Hours of the time line.
fn hours(count: u64) -> Span {
    Span::from_secs(3600 * count)
}

#[test]
fn its_giver_and_admins_take_it_back_and_nobody_else() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&delegating(2, ""));
    let (mut bob, mut erin) = (host.user(BOB), host.user(ERIN));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    for (by, ended_by) in [(BOB, "62002"), (BOB_ADM, "62009"), (CAROL, "62003")] {
        let given = hand(&mut bob, "erin");
        let id = DelegationIdParams { id: given.id.clone() };
        let error = erin.refused::<DelegationRevoke>(&id, ErrorKind::Forbidden);
        assert_eq!(error.data.rule.as_deref(), Some("not_the_giver"));
        host.user(FRANK).refused::<DelegationRevoke>(&id, ErrorKind::NotFound);
        host.user(ALICE).refused::<DelegationRevoke>(&id, ErrorKind::NotFound);
        host.user(0).refused::<DelegationRevoke>(&id, ErrorKind::TwoPersonIntegrity);
        assert_eq!(erin.call::<RequestList>(&ListRequestsParams::default()).requests.len(), 1);
        let ended = host.user(by).call::<DelegationRevoke>(&id);
        assert!(!ended.active && ended.ended_by.unwrap().contains(ended_by) && ended.ended_at.is_some());
        refused(&mut erin, &request, ErrorKind::Forbidden, "no_role");
        erin.refused::<RequestList>(&ListRequestsParams::default(), ErrorKind::Forbidden);
        host.user(by).refused::<DelegationRevoke>(&id, ErrorKind::AlreadyDecided);
        let records = host.user(CAROL).records(&given.id);
        let last = records.iter().find(|record| record.action.as_str() == "delegation_ended").unwrap();
        assert_eq!((&last.details["why"], &last.details["uid"]), (&"revoked".into(), &by.into()));
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM delegations WHERE ended_at IS NULL"), 0);
}

#[test]
fn a_vote_stays_when_the_say_has_gone_back() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&delegating(2, ""));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let given = hand(&mut host.user(BOB), "erin");
    host.user(ERIN).approve(&request);
    host.user(BOB).call::<DelegationRevoke>(&DelegationIdParams { id: given.id });
    host.stop();
    host.start();
    refused(&mut host.user(BOB), &request, ErrorKind::AlreadyDecided, "one_vote");
    host.user(CAROL).approve(&request);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
    assert!(!host.oneself().status().read_only);
}

#[test]
fn its_time_is_over_once_and_the_reaper_says_so() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&delegating(1, ""));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let given = hand(&mut host.user(BOB), "erin");
    host.pass(hours(7));
    assert_eq!(host.user(ERIN).call::<RequestList>(&ListRequestsParams::default()).requests.len(), 1);
    host.pass(hours(2));
    refused(&mut host.user(ERIN), &request, ErrorKind::Forbidden, "no_role");
    let ended = "SELECT count(*) FROM audit_events WHERE action = 'delegation_ended' AND actor = 'system-reaper'
                 AND actor_type = 'System' AND details ->> '$.why' = 'expired'";
    until("its end is on record", || host.value::<i64>(ended) == 1);
    let all = host.user(BOB).call::<DelegationList>(&ListDelegationsParams::default()).delegations;
    assert_eq!((all[0].active, all[0].ended_by.as_deref()), (false, Some("system-reaper")));
    let active = ListDelegationsParams { active: true, ..Default::default() };
    assert_eq!(host.user(BOB).call::<DelegationList>(&active).delegations, []);
    let id = DelegationIdParams { id: given.id };
    host.user(BOB).refused::<DelegationRevoke>(&id, ErrorKind::AlreadyDecided);
    host.stop();
    host.start();
    assert_eq!(host.value::<i64>(ended), 1);
    assert!(!host.oneself().status().read_only);
}

#[test]
fn it_is_worth_what_its_giver_may_do_now() {
    if !can_be_people() {
        return;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = Timestamp::from_unix_millis(i64::try_from(now.as_millis()).unwrap() + 8_000).unwrap();
    let operators = format!(
        "role = \"operator\"\nto = \"person:carol\"\n[[grant]]\nrole = \"operator\"\nto = \"person:bob\"\nuntil = {until}\n"
    );
    let policy = policy_with(2, "", &more()).replace("role = \"operator\"\nto = \"group:pki\"\n", &operators);
    let host = Host::serving(&policy);
    let (mut alice, mut erin) = (host.user(ALICE), host.user(ERIN));
    let (first, second) = (alice.request(&["web1.corp.example"]), alice.request(&["web2.corp.example"]));
    hand(&mut host.user(BOB), "erin");
    erin.approve(&first);
    crate::support::until("bob's role ends", || {
        let attempt = erin.attempt::<RequestList>(&ListRequestsParams::default()).unwrap();
        attempt.is_err_and(|error| error.data.rule.as_deref() == Some("no_role"))
    });
    refused(&mut erin, &second, ErrorKind::Forbidden, "no_role");
    let grants = ListDelegationsParams { active: true, ..Default::default() };
    assert_eq!(erin.call::<DelegationList>(&grants).delegations.len(), 1, "it holds, and is worth nothing");
    // The vote that was given while he had his role stays.
    host.user(CAROL).approve(&first);
    assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
}

/// A change of the policy is decided by one's own say alone; and once it is in force, it decides what a say is worth.
#[test]
fn a_policy_is_changed_by_nobodys_say_and_takes_one_away() {
    const BOB_IS_ADMIN: &str = "[[grant]]\nrole = \"admin\"\nto = \"person:bob\"\n";
    const FRANK_IS_ADMIN: &str = "[[grant]]\nrole = \"admin\"\nto = \"person:frank\"\n";
    if !can_be_people() {
        return;
    }
    let admins = format!("{BOB_IS_ADMIN}{FRANK_IS_ADMIN}[[grant]]\n");
    let with_bob = delegating(1, "").replacen("[[grant]]\n", &admins, 1);
    let without = with_bob.replace(BOB_IS_ADMIN, "").replace("\"person:alice\", \"person:bob\",", "\"person:alice\",");
    let host = Host::serving(&with_bob);
    let (mut bob, mut erin) = (host.user(BOB), host.user(ERIN));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    hand(&mut bob, "erin");
    assert_eq!(erin.call::<RequestList>(&ListRequestsParams::default()).requests.len(), 1);
    let params = ProposeParams { document: without, reason: "bob leaves".into(), base_sha256: None };
    let proposal = host.user(CAROL).call::<PolicyPropose>(&params).request;
    refused(&mut erin, &proposal, ErrorKind::Forbidden, "no_vote");
    assert_eq!(erin.call::<RequestList>(&ListRequestsParams::default()).requests.len(), 1);
    bob.approve(&proposal);
    refused(&mut erin, &request, ErrorKind::Forbidden, "no_role");
    erin.refused::<RequestList>(&ListRequestsParams::default(), ErrorKind::Forbidden);
    host.user(CAROL).approve(&request);
}

/// The row says where to look: what it is worth stands in the ledger, also while nobody has verified anything yet.
#[test]
fn a_row_that_was_changed_is_worth_nothing_and_is_found() {
    if !can_be_people() {
        return;
    }
    for change in [
        "UPDATE delegations SET to_person = 'frank'",
        "UPDATE delegations SET ended_at = NULL, ended_by = NULL, ended_seq = NULL",
        "UPDATE delegations SET ended_at = NULL, ended_by = NULL, ended_seq = NULL, to_person = 'frank',
             giver_uid = 62003, giver_person = 'carol', until_tick = until_tick + 1000000000",
        "UPDATE delegations SET profiles = '[\"p-web\"]'",
        "UPDATE delegations SET ended_seq = 0",
        "UPDATE delegations SET ended_by = 'system-reaper'",
        "UPDATE delegations SET until_at = '2027-01-01T00:00:00Z'",
    ] {
        let mut host = Host::serving(&delegating(1, ""));
        let request = host.user(ALICE).request(&["web1.corp.example"]);
        let given = hand(&mut host.user(BOB), "erin");
        host.user(BOB).call::<DelegationRevoke>(&DelegationIdParams { id: given.id });
        host.tamper(change);
        for uid in [ERIN, FRANK] {
            let error = host.user(uid).refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
            assert_eq!(error.data.rule.as_deref(), Some("no_role"), "{change}: {error:?}");
        }
        host.stop();
        host.start();
        let damage = host.oneself().status().damage.unwrap_or_else(|| panic!("{change}: not found"));
        assert!(damage.rule == "state" && damage.text.contains("delegation"), "{change}: {damage:?}");
        host.user(BOB).refused::<RequestApprove>(&on(&request), ErrorKind::ReadOnly);
    }
}

/// The gate holds each vote against the grant that it names, before it makes its proof.
#[test]
fn a_vote_whose_grant_was_forged_issues_nothing() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&delegating(2, ""));
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let given = hand(&mut host.user(BOB), "erin");
    host.user(ERIN).approve(&request);
    host.tamper(&format!(
        "UPDATE audit_events SET record = CAST(replace(CAST(record AS TEXT), '\"to\":\"erin\"', '\"to\":\"frank\"') AS BLOB)
         WHERE seq = {}",
        given.seq
    ));
    host.user(CAROL).approve(&request);
    until("the gate finds it", || host.oneself().status().read_only);
    let damage = host.oneself().status().damage.unwrap();
    assert!(damage.rule == "gate" && damage.text.contains("nobody had handed over"), "{damage:?}");
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
}

/// What the giver's account is worth is for the name service to say, at each use.
#[test]
fn a_giver_who_left_the_group_or_the_host_has_nothing_to_hand_over() {
    if !can_be_people() {
        return;
    }
    let policy = delegating(1, "")
        .replace(&format!("\"uid:{BOB}\""), "\"bob\"")
        .replace("\"person:bob\"", "\"unixgroup:approvers\"");
    let mut host = Host::prepared(&policy);
    let groups = |of| [("approvers", 7001, of)];
    host.names(&[("bob", BOB)], &groups("bob"));
    host.start();
    if host.log().contains("unshare") {
        return skipped("no mount namespace of one's own");
    }
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let given = hand(&mut host.user(BOB), "erin");
    assert_eq!(given.by.account, "bob");
    let sees = |host: &Host| host.user(ERIN).attempt::<RequestList>(&ListRequestsParams::default()).unwrap().is_ok();
    assert!(sees(&host));
    for (users, of) in [
        (vec![("bob", BOB)], ""),
        (vec![], "bob"),
        (vec![("newcomer", BOB)], "newcomer"),
        (vec![("newcomer", BOB), ("bob", 62_099)], "bob,newcomer"),
    ] {
        host.names(&users, &groups(of));
        assert!(!sees(&host), "{users:?} {of}");
        refused(&mut host.user(ERIN), &request, ErrorKind::Forbidden, "no_role");
    }
    host.names(&[("bob", BOB)], &groups("bob"));
    host.user(ERIN).approve(&request);
}
