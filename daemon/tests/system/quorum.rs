//! Quorums of several steps: one human, one place, whatever groups they are in.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{RequestApprove, RequestGet, RequestReject};
use countersign_shared::protocol::{DecideResult, Outcome, RequestIdParams, RequestSummary};

use crate::support::{ALICE, BOB, CAROL, Caller, ERIN, FRANK, Host, can_be_people, on, policy_with};

/// erin and bob are security, bob is pki as well; frank is law.
fn policy(profile: &str) -> String {
    let more = format!(
        r#"
[[person]]
name = "erin"
accounts = ["uid:{ERIN}"]
[[person]]
name = "frank"
accounts = ["uid:{FRANK}"]
[[group]]
name = "security"
members = ["person:erin", "person:bob"]
[[group]]
name = "law"
members = ["person:frank"]
[[grant]]
role = "operator"
to = "group:security"
[[grant]]
role = "operator"
to = "group:law"
[[profile]]
id = "p-two"
name = "Two groups"
environment = "production"
names = ["*.two.example"]
requires_approval = true
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
{profile}
"#
    );
    policy_with(1, "", &more)
}

const BOTH: &str = r#"quorum = [{ group = "pki", need = 1 }, { group = "security", need = 1 }]"#;

fn vote(caller: &mut Caller, request: &RequestSummary) -> DecideResult {
    caller.call::<RequestApprove>(&on(request))
}

#[test]
fn an_approver_in_two_groups_fills_one_place() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy(BOTH));
    let (mut alice, mut bob, mut erin) = (host.user(ALICE), host.user(BOB), host.user(ERIN));
    let request = alice.request(&["web.two.example"]);
    let first = vote(&mut bob, &request);
    assert_eq!((first.state, first.votes.given, first.votes.needed), (RequestState::Pending, 1, 2));
    assert_eq!(
        bob.refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided).data.rule.as_deref(),
        Some("one_vote")
    );
    // Bob stood for pki, and moves to security where somebody of pki comes; here erin takes security.
    let last = vote(&mut erin, &request);
    assert_eq!((last.state, last.votes.given), (RequestState::Approved, 2));
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    let detail = alice.call::<RequestGet>(&RequestIdParams { id: request.id });
    let filled: Vec<_> = detail.terms.steps.iter().map(|step| (step.group.as_str(), step.filled_by.clone())).collect();
    assert_eq!(filled, [("pki", vec!["bob".to_owned()]), ("security", vec!["erin".to_owned()])]);
    assert_eq!(detail.decisions[0].counts_for, ["pki", "security"]);
    assert_eq!(detail.decisions[1].counts_for, ["security"]);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn places_that_are_filled_ask_for_nobody_and_an_admin_stands_in_any() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy(BOTH));
    let (mut alice, mut carol, mut erin) = (host.user(ALICE), host.user(CAROL), host.user(ERIN));
    let request = alice.request(&["web.two.example"]);
    vote(&mut erin, &request);
    let mut frank = host.user(FRANK);
    let refused = frank.refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    assert_eq!(refused.data.rule.as_deref(), Some("no_vote"));
    assert!(refused.data.hint.contains("bob") && refused.data.hint.contains("carol"), "{refused:?}");
    assert_eq!(vote(&mut carol, &request).state, RequestState::Approved);
    let detail = alice.call::<RequestGet>(&RequestIdParams { id: request.id });
    assert_eq!(detail.terms.steps[0].filled_by, ["carol"]);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn an_ordered_quorum_asks_one_group_after_the_other() {
    if !can_be_people() {
        return;
    }
    let ordered = r#"
        quorum = [{ group = "security", need = 1 }, { group = "law", need = 1 }]
        quorum_order = "ordered""#;
    let host = Host::serving(&policy(ordered));
    let (mut alice, mut erin, mut frank) = (host.user(ALICE), host.user(ERIN), host.user(FRANK));
    let request = alice.request(&["web.two.example"]);
    let early = frank.refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    assert_eq!(early.data.rule.as_deref(), Some("not_asked"));
    assert!(early.message.contains("security"), "{early:?}");
    let seen = frank.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert_eq!((seen.you.allowed, seen.you.rule.as_deref()), (false, Some("not_asked")));
    assert_eq!(seen.terms.steps.iter().map(|step| step.open).collect::<Vec<_>>(), [true, false]);
    vote(&mut erin, &request);
    assert_eq!(vote(&mut frank, &request).state, RequestState::Approved);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn rejections_end_it_at_the_threshold_and_until_then_the_quorum_can_still_be_reached() {
    if !can_be_people() {
        return;
    }
    let threshold = format!("{BOTH}\nreject_threshold = 2");
    let host = Host::serving(&policy(&threshold));
    let (mut alice, mut bob, mut erin, mut carol) =
        (host.user(ALICE), host.user(BOB), host.user(ERIN), host.user(CAROL));
    let (ended, passed) = (alice.request(&["a.two.example"]), alice.request(&["b.two.example"]));
    assert_eq!(bob.call::<RequestReject>(&on(&ended)).state, RequestState::Pending);
    assert_eq!(
        bob.refused::<RequestReject>(&on(&ended), ErrorKind::AlreadyDecided).data.rule.as_deref(),
        Some("one_vote")
    );
    assert_eq!(erin.call::<RequestReject>(&on(&ended)).state, RequestState::Rejected);
    assert_eq!(alice.wait(&ended.id).outcome, Outcome::Rejected);

    assert_eq!(bob.call::<RequestReject>(&on(&passed)).state, RequestState::Pending);
    vote(&mut erin, &passed);
    assert_eq!(vote(&mut carol, &passed).state, RequestState::Approved);
    assert_eq!(alice.wait(&passed.id).outcome, Outcome::Issued);
    assert!(host.user(CAROL).status().damage.is_none());
    crate::evidence::everything_verifies(&host);
}

#[test]
fn the_owner_of_a_certificate_decides_which_groups_are_asked() {
    if !can_be_people() {
        return;
    }
    let routed = r#"
        quorum = [{ group = "law", need = 1 }]
        route = [{ owner = "person:alice", quorum = [{ group = "security", need = 1 }] }]"#;
    let host = Host::serving(&policy(routed));
    let (mut alice, mut bob, mut erin, mut frank) =
        (host.user(ALICE), host.user(BOB), host.user(ERIN), host.user(FRANK));
    let hers = alice.request(&["hers.two.example"]);
    assert_eq!(frank.refused::<RequestApprove>(&on(&hers), ErrorKind::Forbidden).data.rule.as_deref(), Some("no_vote"));
    assert_eq!(vote(&mut erin, &hers).state, RequestState::Approved);
    assert_eq!(alice.wait(&hers.id).outcome, Outcome::Issued);
    let his = bob.request(&["his.two.example"]);
    assert_eq!(erin.refused::<RequestApprove>(&on(&his), ErrorKind::Forbidden).data.rule.as_deref(), Some("no_vote"));
    assert_eq!(vote(&mut frank, &his).state, RequestState::Approved);
    // Whoever asks for its successor: the certificate is still hers.
    let successor = bob.request(&["hers.two.example"]);
    let refused = bob.refused::<RequestApprove>(&on(&successor), ErrorKind::TwoPersonIntegrity);
    assert_eq!(refused.data.rule.as_deref(), Some("requester_decides"));
    assert_eq!(vote(&mut erin, &successor).state, RequestState::Approved);
    crate::evidence::everything_verifies(&host);
}
