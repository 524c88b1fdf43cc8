//! A say that was handed over: who may, what it is worth, and what everybody sees of it.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::method::{
    DaemonWhoami, DelegationGrant, DelegationList, DemoActAs, RequestApprove, RequestDecide, RequestGet, RequestList,
    RequestReject,
};
use countersign_shared::protocol::{
    ActAsParams, DecideItem, DecideManyParams, DelegateParams, Delegation, ListDelegationsParams, ListRequestsParams,
    NoParams, Outcome, RequestDetail, RequestIdParams, RequestSummary,
};

use crate::support::{ALICE, BOB, CAROL, Caller, Host, MALLORY, account, can_be_people, on, policy_with, skipped};

/// A person without any role.
pub const ERIN: u32 = 62_007;
/// Another.
pub const FRANK: u32 = 62_008;
/// The second account of bob.
pub const BOB_ADM: u32 = 62_009;

/// People without a role, and a profile under which nobody hands anything over.
pub fn more() -> String {
    format!(
        r#"
[[person]]
name = "erin"
accounts = ["uid:{ERIN}"]
[[person]]
name = "frank"
accounts = ["uid:{FRANK}"]
[[profile]]
id = "p-own"
name = "Oneself"
environment = "production"
names = ["*.own.example"]
requires_approval = true
allow_delegation = false
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
"#
    )
}

/// The policy of these tests, with `need` people for `p-web`.
pub fn delegating(need: u32, p_web: &str) -> String {
    policy_with(need, p_web, &more()).replace(&format!("\"uid:{BOB}\"]"), &format!("\"uid:{BOB}\", \"uid:{BOB_ADM}\"]"))
}

/// A delegation to `to`, of eight hours.
pub fn to(to: &str, profiles: Option<&[&str]>) -> DelegateParams {
    DelegateParams {
        to: to.to_owned(),
        duration: "8h".parse().unwrap(),
        profiles: profiles.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()),
        reason: Some("on leave".into()),
    }
}

/// Hands over.
pub fn hand(caller: &mut Caller, whom: &str) -> Delegation {
    caller.call::<DelegationGrant>(&to(whom, None))
}

fn show(caller: &mut Caller, request: &RequestSummary) -> RequestDetail {
    caller.call::<RequestGet>(&RequestIdParams { id: request.id.clone() })
}

/// A decision that is refused by this rule.
pub fn refused(caller: &mut Caller, request: &RequestSummary, kind: ErrorKind, rule: &str) {
    for error in
        [caller.refused::<RequestApprove>(&on(request), kind), caller.refused::<RequestReject>(&on(request), kind)]
    {
        assert_eq!(error.data.rule.as_deref(), Some(rule), "{error:?}");
    }
}

#[test]
fn it_is_used_once_and_everybody_sees_whose_it_was() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&delegating(1, ""));
    let (mut alice, mut bob, mut erin) = (host.user(ALICE), host.user(BOB), host.user(ERIN));
    let request = alice.request(&["web1.corp.example"]);
    let none = ListRequestsParams::default();
    let error = erin.refused::<RequestList>(&none, ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("no_role"));
    refused(&mut erin, &request, ErrorKind::Forbidden, "no_role");

    let given = bob.call::<DelegationGrant>(&to("erin", Some(&["p-web"])));
    assert!(given.active && given.ended_at.is_none() && given.by.person.as_deref() == Some("bob"), "{given:?}");
    assert_eq!(given.reason.raw(), "on leave");
    let says = erin.call::<DaemonWhoami>(&NoParams {}).says;
    assert!(says.len() == 1 && says[0].starts_with("bob's until ") && says[0].ends_with(" (p-web)"), "{says:?}");
    assert_eq!(erin.call::<RequestList>(&none).requests.len(), 1);
    let before = show(&mut erin, &request);
    assert_eq!((before.you.allowed, before.you.delegated_by.as_deref()), (true, Some("bob")), "{:?}", before.you);
    assert_eq!(show(&mut alice, &request).who_may_decide, ["bob", "carol", "erin (for bob)"]);

    erin.approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    assert_eq!(erin.wait(&request.id).outcome, Outcome::Issued);
    let after = show(&mut bob, &request);
    assert_eq!(after.decisions[0].delegated_by.as_deref(), Some("bob"));
    assert_eq!(after.decisions[0].by.person.as_deref(), Some("erin"));
    let records = host.user(CAROL).records(&request.id);
    let vote = &records.iter().find(|record| record.action.as_str() == "approval_approved").unwrap().details;
    assert_eq!(
        (&vote["person"], &vote["giver_person"], &vote["giver_uid"]),
        (&"erin".into(), &"bob".into(), &BOB.into())
    );
    assert_eq!((&vote["delegation"], &vote["giver_account"]), (&given.id.as_str().into(), &account(BOB).into()));

    let records = host.user(CAROL).records(&given.id);
    let granted = &records[0];
    assert_eq!((granted.action.as_str(), granted.seq, records.len()), ("delegation_granted", given.seq, 1));
    assert_eq!((&granted.details["to"], &granted.details["profiles"][0]), (&"erin".into(), &"p-web".into()));
    assert!(!granted.details.to_string().contains("on leave"), "a free text stands in the ledger by its digest alone");
    drop((alice, bob, erin));
    host.stop();
    host.start();
    assert!(!host.oneself().status().read_only, "{}", host.log());
    let held = ListDelegationsParams { active: true, ..Default::default() };
    assert_eq!(host.user(ERIN).call::<DelegationList>(&held).delegations, [given]);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn nobody_hands_over_what_they_have_not_got() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&delegating(1, "").replacen(
        "[[grant]]",
        &format!("[[grant]]\nrole = \"operator\"\nto = \"uid:{MALLORY}\"\n[[grant]]"),
        1,
    ));
    hand(&mut host.user(BOB), "erin");
    let recorded = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'
                    AND details ->> '$.verb' = 'delegation.grant'";
    for (uid, params, kind, rule) in [
        // An account of nobody, whatever its role; a person without a right of their own, whatever they hold.
        (MALLORY, to("erin", None), ErrorKind::Forbidden, Some("no_person")),
        (ERIN, to("frank", None), ErrorKind::Forbidden, Some("no_vote")),
        (ERIN, to("frank", Some(&["p-web"])), ErrorKind::Forbidden, Some("no_vote")),
        (0, to("erin", None), ErrorKind::TwoPersonIntegrity, Some("root_decides_nothing")),
        (BOB, to("erin", Some(&["p-own"])), ErrorKind::Forbidden, Some("no_delegation")),
        (BOB, to("erin", Some(&["p-web", "p-own"])), ErrorKind::Forbidden, Some("no_delegation")),
        (BOB, to("erin", Some(&["p-none"])), ErrorKind::Invalid, None),
        (BOB, to("erin", Some(&["p-dev"])), ErrorKind::Invalid, None),
        (BOB, to("erin", Some(&[])), ErrorKind::Invalid, None),
        (BOB, to("bob", None), ErrorKind::Invalid, None),
        (BOB, to("nobody\u{202e}", None), ErrorKind::Invalid, None),
        (BOB, DelegateParams { duration: "59m".parse().unwrap(), ..to("erin", None) }, ErrorKind::Invalid, None),
        (BOB, DelegateParams { duration: "721h".parse().unwrap(), ..to("erin", None) }, ErrorKind::Invalid, None),
        (BOB, DelegateParams { reason: Some("x".repeat(4097).into()), ..to("erin", None) }, ErrorKind::Invalid, None),
    ] {
        let before = host.value::<i64>(recorded);
        let error = host.user(uid).refused::<DelegationGrant>(&params, kind);
        assert_eq!(error.data.rule.as_deref(), rule, "{uid}: {params:?}: {error:?}");
        assert!(!error.message.contains('\u{202e}'), "{error:?}");
        assert_eq!(host.value::<i64>(recorded) - before, i64::from(rule.is_some()), "{params:?}");
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM delegations"), 1);
    if !std::path::Path::new("/proc/self/loginuid").exists() {
        return skipped("this kernel keeps no login uid");
    }
    let error = host.user_by(ALICE, BOB).refused::<DelegationGrant>(&to("erin", None), ErrorKind::TwoPersonIntegrity);
    assert_eq!(error.data.rule.as_deref(), Some("login_mismatch"));
    // An attempt to hand over names no delegation that there is; a bundle is made all the same.
    crate::evidence::everything_verifies(&host);
}

#[test]
fn there_is_a_limit_of_what_one_gives_and_of_what_one_holds() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&delegating(1, ""));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    for _ in 0..20 {
        hand(&mut bob, "erin");
    }
    let error = bob.refused::<DelegationGrant>(&to("frank", None), ErrorKind::Conflict);
    assert!(error.message.contains("at most 20"), "{error:?}");
    for _ in 0..12 {
        hand(&mut alice, "erin");
    }
    let error = alice.refused::<DelegationGrant>(&to("erin", None), ErrorKind::Conflict);
    assert!(error.message.contains("at most 32"), "{error:?}");
    hand(&mut alice, "frank");
    let page = |caller: &mut Caller, cursor| {
        caller.call::<DelegationList>(&ListDelegationsParams { active: false, limit: Some(30), cursor })
    };
    let first = page(&mut host.user(CAROL), None);
    let second = page(&mut host.user(CAROL), first.next_cursor.clone());
    assert_eq!((first.delegations.len(), second.delegations.len(), second.next_cursor), (30, 3, None));
    assert_eq!(page(&mut host.user(FRANK), None).delegations.len(), 1);
    assert_eq!(page(&mut host.user(BOB_ADM), None).delegations.len(), 20);
    let error = host.user(MALLORY).refused::<DelegationList>(&ListDelegationsParams::default(), ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("no_role"));
}

#[test]
fn never_on_the_request_of_its_giver_or_of_its_holder() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&delegating(1, ""));
    let (mut alice, mut bob, mut erin) = (host.user(ALICE), host.user(BOB), host.user(ERIN));
    hand(&mut alice, "erin");
    let request = alice.request(&["web1.corp.example"]);
    refused(&mut erin, &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
    let you = show(&mut erin, &request).you;
    assert_eq!((you.allowed, you.rule.as_deref()), (false, Some("requester_decides")), "{you:?}");
    // With another's say she may, and it is that which is used.
    hand(&mut bob, "alice");
    refused(&mut alice, &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
    assert_eq!(show(&mut alice, &request).who_may_decide, ["bob", "carol"]);
    hand(&mut bob, "erin");
    assert_eq!(show(&mut erin, &request).you.delegated_by.as_deref(), Some("bob"));
    erin.approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn a_say_counts_once_and_so_does_a_person() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&delegating(2, ""));
    let (mut alice, mut bob, mut erin) = (host.user(ALICE), host.user(BOB), host.user(ERIN));
    let mut carol = host.user(CAROL);
    hand(&mut bob, "erin");
    let first = alice.request(&["web1.corp.example"]);
    bob.approve(&first);
    refused(&mut erin, &first, ErrorKind::AlreadyDecided, "one_vote");
    let second = alice.request(&["web2.corp.example"]);
    erin.approve(&second);
    refused(&mut bob, &second, ErrorKind::AlreadyDecided, "one_vote");
    refused(&mut host.user(BOB_ADM), &second, ErrorKind::AlreadyDecided, "one_vote");
    // Two says in one hand are one person's.
    hand(&mut carol, "erin");
    refused(&mut erin, &second, ErrorKind::AlreadyDecided, "one_vote");
    // The say that is left is used where the first one was.
    erin.approve(&first);
    assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
    assert_eq!(show(&mut bob, &first).decisions[1].delegated_by.as_deref(), Some("carol"));
    carol.approve(&second);
    assert_eq!(alice.wait(&second.id).outcome, Outcome::Issued);
    // Somebody's own say comes first.
    hand(&mut carol, "bob");
    let third = alice.request(&["web3.corp.example"]);
    bob.approve(&third);
    assert_eq!(show(&mut bob, &third).decisions[0].delegated_by, None);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn only_under_its_profiles_and_where_the_profile_lets_it() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&delegating(1, ""));
    let (mut alice, mut erin) = (host.user(ALICE), host.user(ERIN));
    host.user(BOB).call::<DelegationGrant>(&to("erin", None));
    let (web, own) = (alice.request(&["web1.corp.example"]), alice.request(&["web1.own.example"]));
    refused(&mut erin, &own, ErrorKind::Forbidden, "no_vote");
    let many =
        [&own, &web].map(|request| DecideItem { id: request.id.clone(), digest: request.digest, signature: None });
    let decided =
        erin.call::<RequestDecide>(&DecideManyParams { verdict: Verdict::Approve, items: many.to_vec(), note: None });
    let rules: Vec<_> =
        decided.items.iter().map(|item| item.error.as_ref().map(|error| error.data.rule.clone())).collect();
    assert_eq!(rules, [Some(Some("no_vote".to_owned())), None]);
    erin.refused::<RequestGet>(&RequestIdParams { id: own.id.clone() }, ErrorKind::NotFound);
    assert_eq!(erin.call::<RequestList>(&ListRequestsParams::default()).requests.len(), 1);
    assert_eq!(show(&mut alice, &own).who_may_decide, ["bob", "carol"]);
    assert_eq!(alice.wait(&web.id).outcome, Outcome::Issued);
}

#[test]
fn where_a_login_is_demanded_both_of_them_had_one() {
    if !can_be_people() {
        return;
    }
    if !std::path::Path::new("/proc/self/loginuid").exists() {
        return skipped("this kernel keeps no login uid");
    }
    let host = Host::serving(&delegating(1, "require_login_session = true"));
    let request = host.user_by(ALICE, ALICE).request(&["web1.corp.example"]);
    let error = host.user(BOB).refused::<DelegationGrant>(&to("erin", Some(&["p-web"])), ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("login_required"));
    // `p-web` is the only profile under which anything can be handed over, and the grant has no session to show.
    hand(&mut host.user(BOB), "erin");
    refused(&mut host.user_by(ERIN, ERIN), &request, ErrorKind::Forbidden, "no_vote");
    hand(&mut host.user_by(BOB, BOB), "erin");
    refused(&mut host.user(ERIN), &request, ErrorKind::Forbidden, "login_required");
    refused(&mut host.user_by(FRANK, ERIN), &request, ErrorKind::TwoPersonIntegrity, "login_mismatch");
    host.user_by(ERIN, ERIN).approve(&request);
}

#[test]
fn the_people_of_a_demo_can_too() {
    let mut host = Host::prepared("");
    host.flags = ["--demo", "--state-dir", host.state.to_str().unwrap(), "--socket", host.socket.to_str().unwrap()]
        .map(str::to_owned)
        .to_vec();
    host.start();
    let mut carol = host.oneself();
    let mut dave = host.oneself();
    carol.call::<DemoActAs>(&ActAsParams { person: "carol".into() });
    hand(&mut carol, "dave");
    let whoami = dave.call::<DemoActAs>(&ActAsParams { person: "dave".into() });
    assert!(whoami.says.len() == 1 && whoami.says[0].starts_with("carol's until "), "{whoami:?}");
    let mut alice = host.oneself();
    alice.call::<DemoActAs>(&ActAsParams { person: "alice".into() });
    let request = alice.request(&["delegated.corp.example"]);
    dave.approve(&request);
    assert_eq!(show(&mut alice, &request).decisions[0].delegated_by.as_deref(), Some("carol"));
}
