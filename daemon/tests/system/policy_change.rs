//! Another policy: proposed, looked at, decided by somebody else, in force at once; and every way around it.

use std::sync::Barrier;

use countersign_shared::error::{ErrorKind, ErrorObject};
use countersign_shared::lifecycle::{RequestKind, RequestState, Verdict};
use countersign_shared::protocol::method::{
    DaemonStatus, EventsSubscribe, PolicyCheck, PolicyGet, PolicyPropose, ProfileGet, RequestApprove, RequestGet,
    RequestList, RequestReject,
};
use countersign_shared::protocol::{
    AuditAction, Effect, Event, Finding, FindingLevel, NoParams, Outcome, PolicyCheckParams, ProfileIdParams,
    ProposeParams, ProposeResult, RequestDetail, RequestIdParams, RequestSummary, Risk, SubscribeParams,
};

use crate::exec::{issuing_by, runs};
use crate::support::{
    ALICE, ALICE_ADM, BOB, CAROL, Caller, DAVE, Host, MALLORY, can_be_people, on, policy_with, until,
};

/// Carol is the one admin; anybody of the group agrees.
pub const BY_THE_GROUP: &str = "[change_control]\nquorum = [{ group = \"pki\", need = 1 }]\n";

/// Two admins; either agrees to what the other proposes.
const TWO_ADMINS: &str = "[[grant]]\nrole = \"admin\"\nto = \"person:bob\"\n";

pub fn base() -> String {
    policy_with(1, "", BY_THE_GROUP)
}

fn document(document: &str) -> ProposeParams {
    ProposeParams { document: document.to_owned(), reason: "the auditors asked for it".into(), base_sha256: None }
}

pub fn propose(caller: &mut Caller, text: &str) -> ProposeResult {
    caller.call::<PolicyPropose>(&document(text))
}

fn refused(caller: &mut Caller, params: &ProposeParams, kind: ErrorKind) -> ErrorObject {
    caller.refused::<PolicyPropose>(params, kind)
}

fn detail(caller: &mut Caller, request: &RequestSummary) -> RequestDetail {
    caller.call::<RequestGet>(&RequestIdParams { id: request.id.clone() })
}

fn rule(error: &ErrorObject) -> &str {
    error.data.rule.as_deref().unwrap_or("none")
}

/// Proposed by carol, approved by bob, and in force.
pub fn changed(host: &Host, text: &str) {
    let proposed = propose(&mut host.user(CAROL), text).request;
    host.user(BOB).approve(&proposed);
}

/// After a restart the daemon finds nothing wrong with what happened.
fn is_intact(host: &mut Host) {
    host.stop();
    host.start();
    let status = host.oneself().call::<DaemonStatus>(&NoParams {});
    assert!(!status.read_only, "{:?}", status.damage);
}

#[test]
fn another_policy_is_shown_decided_by_somebody_else_and_in_force_at_once() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&base());
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let mut watching = host.user(BOB);
    watching.call::<EventsSubscribe>(&SubscribeParams { from_seq: None });
    let next = base().replace("max_validity = \"30d\"", "max_validity = \"60d\"").replace("p-dev", "p-lab");
    let before = carol.call::<PolicyGet>(&NoParams {});
    let proposed = propose(&mut carol, &next);
    let request = proposed.request.clone();
    assert_eq!((request.kind, request.profile_id.as_str()), (RequestKind::PolicyChange, "policy"));
    assert_eq!((request.primary_name.raw(), request.names_total), ("policy 2", 0));
    assert_eq!((request.certificate_id.clone(), request.job_id.clone()), (None, None));
    assert_eq!(request.risks, [Risk::PolicyLaxer]);
    assert_eq!((proposed.change.base_version, proposed.change.base_sha256), (1, before.sha256));

    let seen = detail(&mut bob, &request);
    assert!(seen.you.allowed, "{:?}", seen.you);
    assert_eq!(seen.policy_change.as_ref(), Some(&proposed.change));
    let change = seen.policy_change.unwrap();
    assert_eq!(change.document, next);
    let differs = |id: &str, key: &str| change.differences.iter().find(|d| d.id == id && d.key == key);
    assert_eq!(differs("p-lab", "max_validity").unwrap().after.as_deref(), Some("60d"));
    assert_eq!(differs("p-lab", "max_validity").unwrap().effect, Effect::Laxer);
    assert!(change.findings.iter().any(|found| found.rule == "collusion" && found.subject == "change_control"));
    let own = detail(&mut carol, &request);
    assert_eq!((own.you.allowed, own.you.rule.as_deref()), (false, Some("requester_decides")));

    // Nobody's own, and nobody's who is not asked.
    let error = carol.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    assert!(error.message.contains("two-person integrity"), "{error:?}");
    let by_carol = Caller::user(&host.socket, BOB, Some(CAROL)).unwrap();
    let error = { by_carol }.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    assert_eq!(rule(&error), "login_mismatch");
    host.user(DAVE).refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    host.user(MALLORY).refused::<RequestGet>(&RequestIdParams { id: request.id.clone() }, ErrorKind::Forbidden);
    assert_eq!(carol.call::<PolicyGet>(&NoParams {}).version, 1);

    let decided = bob.call::<RequestApprove>(&on(&request));
    assert_eq!((decided.state, decided.job), (RequestState::Approved, None));
    // By the very next call of somebody who waited for nothing.
    let lab = alice.call::<ProfileGet>(&ProfileIdParams { id: "p-lab".into() });
    assert_eq!(lab.max_validity.to_string(), "60d");
    alice.refused::<ProfileGet>(&ProfileIdParams { id: "p-dev".into() }, ErrorKind::NotFound);
    let after = carol.call::<PolicyGet>(&NoParams {});
    assert_eq!((after.version, after.sha256, after.document), (2, change.sha256, next.clone()));
    assert_eq!(carol.status().policy_sha256, change.sha256);
    assert_eq!(carol.wait(&request.id).outcome, Outcome::Applied);
    assert_eq!(alice.submit(&["a.dev.test.example"]).job.profile_id, "p-lab");
    let metrics = bob.metrics();
    for line in [
        "countersign_approval_decisions_total{outcome=\"approved\",profile_id=\"policy\"} 1",
        "countersign_approval_decisions_total{outcome=\"rejected\",profile_id=\"p-lab\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    until("a subscriber hears of it", || {
        matches!(watching.event(), Event::Record { action: AuditAction::PolicyChanged, .. })
    });

    let records: Vec<AuditAction> = carol.records(&request.id).iter().map(|record| record.action).collect();
    let accepted: Vec<_> = records.into_iter().filter(|action| *action != AuditAction::ApprovalRefused).collect();
    assert_eq!(accepted, [AuditAction::PolicyProposed, AuditAction::ApprovalApproved]);
    let applied = carol.records(&change.sha256);
    assert_eq!(applied.len(), 1);
    assert_eq!(applied[0].action, AuditAction::PolicyChanged);
    assert_eq!(applied[0].details["request"], request.id.as_str());
    assert_eq!(applied[0].details["approved_seq"], decided.seq);

    is_intact(&mut host);
    let found = host.user(CAROL).call::<PolicyGet>(&NoParams {});
    assert_eq!((found.version, found.document), (2, next));
    // The file has no force of its own, and the daemon says that it differs.
    assert!(host.oneself().status().policy_file_differs);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn the_file_is_compared_again_when_its_policy_takes_force() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&base());
    let next = base().replace("max_validity = \"90d\"", "max_validity = \"45d\"");
    std::fs::write(host.path("policy.toml"), &next).unwrap();
    let other = base().replace("max_validity = \"90d\"", "max_validity = \"60d\"");
    changed(&host, &other);
    until("the file differs", || host.oneself().status().policy_file_differs);
    changed(&host, &next);
    until("the file says what is in force", || !host.oneself().status().policy_file_differs);
}

#[test]
fn who_may_not_propose_and_what_cannot_be_proposed() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&base());
    let next = base().replace("max_validity = \"90d\"", "max_validity = \"45d\"");
    let good = document(&next);
    for (mut who, expected, named) in [
        (host.user(ALICE), ErrorKind::Forbidden, "no_role"),
        (host.user(DAVE), ErrorKind::Forbidden, "no_role"),
        (host.user(MALLORY), ErrorKind::Forbidden, "no_role"),
        (host.user_by(BOB, CAROL), ErrorKind::TwoPersonIntegrity, "login_mismatch"),
    ] {
        assert_eq!(rule(&refused(&mut who, &good, expected)), named);
    }
    let mut carol = host.user(CAROL);
    let error = refused(&mut carol, &document("version = 2\ncolour = 1"), ErrorKind::Invalid);
    assert!(error.message.contains("colour"), "{error:?}");
    refused(&mut carol, &ProposeParams { reason: " \n".into(), ..good.clone() }, ErrorKind::Invalid);
    refused(&mut carol, &document(&base()), ErrorKind::Conflict);
    let elsewhere =
        ProposeParams { base_sha256: Some(countersign_shared::digest::Digest::of(&[b"x"])), ..good.clone() };
    assert_eq!(rule(&refused(&mut carol, &elsewhere, ErrorKind::StaleContent)), "stale_policy");
    // Carol alone would hold the rules for ever.
    let narrow = "role = \"operator\"\nto = \"group:pki\"\nprofiles = [\"p-web\"]";
    let for_ever = base().replace(BY_THE_GROUP, "").replace("role = \"operator\"\nto = \"group:pki\"", narrow);
    let error = refused(&mut carol, &document(&for_ever), ErrorKind::Invalid);
    assert_eq!(rule(&error), "unsatisfiable_policy");
    assert!(error.message.contains("nobody besides the proposer could agree to another policy"), "{error:?}");
    // What is a mistake is no attempt; what a rule stopped is on record.
    let recorded: i64 = host.value(
        "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'
                                    AND resource_type = 'policy' AND details ->> '$.verb' = 'policy.propose'",
    );
    assert_eq!(recorded, 6);

    let base_sha256 = Some(carol.call::<PolicyGet>(&NoParams {}).sha256);
    let first = carol.call::<PolicyPropose>(&ProposeParams { base_sha256, ..good.clone() });
    let error = refused(&mut carol, &document(&format!("{next}# again\n")), ErrorKind::Conflict);
    assert!(error.message.contains(first.request.id.as_str()), "{error:?}");
    let end = host.user(BOB).call::<RequestReject>(&on(&first.request));
    assert_eq!(end.state, RequestState::Rejected);
    assert_eq!(carol.wait(&first.request.id).outcome, Outcome::Rejected);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM policies"), 1);
    propose(&mut carol, &format!("{next}# again\n"));
    is_intact(&mut host);
}

#[test]
fn whoever_is_asked_sees_what_is_proposed_with_or_without_a_role() {
    if !can_be_people() {
        return;
    }
    let board = format!(
        "[change_control]\nquorum = [{{ group = \"board\", need = 1 }}]\n[[group]]\nname = \"board\"\n\
         members = [\"uid:{MALLORY}\"]\n"
    );
    let host = Host::serving(&policy_with(1, "", &board));
    let proposed = propose(&mut host.user(CAROL), &policy_with(2, "", &board)).request;
    let web = host.user(ALICE).request(&["web1.corp.example"]);
    let mut mallory = host.user(MALLORY);
    let list = mallory.call::<RequestList>(&serde_json::from_str("{}").unwrap()).requests;
    assert_eq!(list.iter().map(|request| &request.id).collect::<Vec<_>>(), [&proposed.id]);
    mallory.refused::<RequestGet>(&RequestIdParams { id: web.id.clone() }, ErrorKind::NotFound);
    mallory.refused::<RequestApprove>(&on(&web), ErrorKind::Forbidden);
    host.user(BOB).refused::<RequestApprove>(&on(&proposed), ErrorKind::Forbidden);
    mallory.approve(&proposed);
    assert_eq!(host.value::<i64>("SELECT max(version) FROM policies"), 2);
}

#[test]
fn of_two_proposals_that_are_approved_at_one_instant_one_takes_force() {
    if !can_be_people() {
        return;
    }
    let more = format!("{TWO_ADMINS}{BY_THE_GROUP}");
    let mut host = Host::serving(&policy_with(1, "", &more));
    let (mut bob, mut carol) = (host.user(BOB), host.user(CAROL));
    for round in 0..10 {
        let text = |who: &str| format!("{}# {who} {round}\n", policy_with(1, "", &more));
        let by_carol = propose(&mut carol, &text("carol")).request;
        let by_bob = propose(&mut bob, &text("bob")).request;
        let start = Barrier::new(2);
        let answers = std::thread::scope(|scope| {
            let bob = scope.spawn(|| {
                start.wait();
                bob.attempt::<RequestApprove>(&on(&by_carol)).unwrap()
            });
            let carol = scope.spawn(|| {
                start.wait();
                carol.attempt::<RequestApprove>(&on(&by_bob)).unwrap()
            });
            [bob.join().unwrap(), carol.join().unwrap()]
        });
        let (won, lost) = match &answers {
            [Ok(_), Err(error)] => (&by_carol, (&by_bob, error)),
            [Err(error), Ok(_)] => (&by_bob, (&by_carol, error)),
            other => panic!("{other:?}"),
        };
        assert_eq!(lost.1.data.kind, ErrorKind::AlreadyDecided, "{:?}", lost.1);
        assert!(lost.1.message.contains("voided by system-scheduler"), "{:?}", lost.1);
        assert_eq!(host.value::<i64>("SELECT max(version) FROM policies"), round + 2);
        let winner: String = host.value(
            "SELECT p.request_id FROM proposals p JOIN policies i USING (sha256)
                                         ORDER BY i.version DESC LIMIT 1",
        );
        assert_eq!(winner, won.id.as_str());
        let ended = bob.wait(&lost.0.id);
        assert_eq!(ended.outcome, Outcome::Voided);
        assert!(ended.why.unwrap().raw().contains("not in force any more"));
    }
    is_intact(&mut host);
}

/// Three approvals: under what a request was made, or what is in force where that is stricter.
#[test]
fn what_waits_keeps_its_rules_unless_the_new_ones_are_stricter() {
    if !can_be_people() {
        return;
    }
    let with = |need| policy_with(need, "", BY_THE_GROUP);
    let mut host = Host::serving(&with(1));
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let stricter = alice.request(&["web1.corp.example"]);
    changed(&host, &with(2));
    let shown = detail(&mut bob, &stricter);
    assert_eq!((shown.votes.needed, shown.terms.tightened), (2, true));
    assert_eq!(bob.call::<RequestApprove>(&on(&stricter)).state, RequestState::Pending);
    assert_eq!(carol.call::<RequestApprove>(&on(&stricter)).state, RequestState::Approved);
    assert_eq!(alice.wait(&stricter.id).outcome, Outcome::Issued);

    let laxer = alice.request(&["web2.corp.example"]);
    changed(&host, &with(1));
    assert_eq!(bob.call::<RequestApprove>(&on(&laxer)).state, RequestState::Pending);
    assert_eq!(carol.call::<RequestApprove>(&on(&laxer)).state, RequestState::Approved);
    assert_eq!(alice.wait(&laxer.id).outcome, Outcome::Issued);

    let gone = alice.request(&["web3.corp.example"]);
    let proposed = propose(&mut carol, &with(1).replace("p-web", "p-www"));
    let of_pending = |found: &&Finding| found.rule == "pending" && found.level == FindingLevel::Warning;
    let told = proposed.change.findings.iter().find(of_pending).unwrap();
    assert_eq!(told.text, "of 1 requests that wait, 1 could not be issued: their profile is gone");
    let told = proposed.change.findings.iter().find(|found| found.rule == "replay").unwrap();
    assert!(told.text.contains("2 would not have been: 2 have a profile that is gone"), "{told:?}");
    bob.approve(&proposed.request);
    assert_eq!(bob.call::<RequestApprove>(&on(&gone)).state, RequestState::Approved);
    let ended = alice.wait(&gone.id);
    assert_eq!(ended.outcome, Outcome::Failed);
    assert!(ended.why.unwrap().raw().contains("not in the policy in force"));
    is_intact(&mut host);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn nobody_switches_the_gate_off_issues_and_switches_it_on_again() {
    if !can_be_people() {
        return;
    }
    let mut host = issuing_by("cat > /dev/null; until [ -e \"$PLACE/go\" ]; do sleep 0.05; done; exit 1", "60s");
    let on_again = std::fs::read_to_string(host.path("policy.toml")).unwrap() + BY_THE_GROUP;
    // This installation has one admin and no change control: the other agrees once, and for that it needs one.
    let quorum = "requires_approval = true\nquorum = [{ group = \"pki\", need = 1 }]";
    assert!(on_again.contains(quorum));
    let off = on_again.replace(quorum, "requires_approval = false");
    host.stop();
    std::fs::remove_dir_all(&host.state).unwrap();
    std::fs::write(host.path("policy.toml"), &on_again).unwrap();
    host.start();
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let before = alice.request(&["web0.corp.example"]);

    // Off, with the consent of one other person, and on record.
    let proposed = propose(&mut carol, &off);
    let laxer = |d: &countersign_shared::protocol::PolicyDifference| {
        d.id == "p-web" && d.key == "requires_approval" && d.effect == Effect::Laxer
    };
    assert!(proposed.change.differences.iter().any(laxer), "{:?}", proposed.change.differences);
    bob.approve(&proposed.request);
    // What was asked for before stays blocked, and still needs a person.
    assert_eq!(host.value::<String>("SELECT state FROM jobs"), "awaiting_approval");
    assert_eq!(detail(&mut bob, &before).votes.needed, 1);
    alice.refused::<RequestApprove>(&on(&before), ErrorKind::TwoPersonIntegrity);

    // Jobs that nobody was asked about: four are at the issuer, the fifth waits for its place.
    let unattended: Vec<_> = (1..=5).map(|at| alice.submit(&[&format!("web{at}.corp.example")])).collect();
    assert!(unattended.iter().all(|made| made.request.is_none()));
    until("the issuer has all of its places", || runs(&host) == 4);
    changed(&host, &on_again);
    std::fs::write(host.path("go"), "").unwrap();
    let ends: Vec<String> = unattended
        .iter()
        .map(|made| {
            let ended = alice.wait(&made.job.id);
            assert_eq!(ended.outcome, Outcome::Failed);
            ended.why.unwrap().raw().to_owned()
        })
        .collect();
    let stopped = ends.iter().filter(|why| why.contains("requires approval now; nobody has agreed to this job"));
    assert_eq!((stopped.count(), runs(&host)), (1, 4), "{ends:?}");
    assert_eq!(detail(&mut bob, &before).request.state, RequestState::Pending);
    is_intact(&mut host);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn a_policy_takes_force_with_its_issuers_or_not_at_all() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&base());
    let second = format!("{}[[issuer]]\nid = \"second\"\ntype = \"local-ca\"\n", base());
    let next = second.replacen("issuer = \"local-ca\"", "issuer = \"second\"", 1);
    let proposed = propose(&mut host.user(CAROL), &next).request;
    let in_the_way = host.state.join("issuers/second");
    std::fs::write(&in_the_way, "no directory").unwrap();
    let mut bob = host.user(BOB);
    let error = bob.refused::<RequestApprove>(&on(&proposed), ErrorKind::Unavailable);
    assert_eq!(rule(&error), "issuer_unusable");
    assert_eq!(host.value::<i64>("SELECT max(version) FROM policies"), 1);
    assert_eq!(host.value::<String>("SELECT state FROM approval_requests"), "pending");
    std::fs::remove_file(&in_the_way).unwrap();
    bob.approve(&proposed);
    let mut alice = host.user(ALICE);
    let request = alice.request(&["web1.corp.example"]);
    bob.approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    assert_eq!(host.value::<String>("SELECT issuer FROM certificate_versions"), "second");
    is_intact(&mut host);
}

#[test]
fn two_accounts_of_one_human_are_one_at_changes_of_the_policy_too() {
    if !can_be_people() {
        return;
    }
    let admins = format!("[[grant]]\nrole = \"admin\"\nto = \"person:alice\"\n{BY_THE_GROUP}");
    let host = Host::serving(&policy_with(1, "", &admins));
    let proposed = propose(&mut host.user(ALICE), &policy_with(2, "", &admins)).request;
    let error = host.user(ALICE_ADM).refused::<RequestApprove>(&on(&proposed), ErrorKind::TwoPersonIntegrity);
    assert_eq!(rule(&error), "requester_decides");
    // Nor does a proposal fold somebody's second account away first: one pending proposal of each human.
    let again = document(&format!("{}# again\n", policy_with(2, "", &admins)));
    let error = refused(&mut host.user(ALICE_ADM), &again, ErrorKind::Conflict);
    assert!(error.message.contains(proposed.id.as_str()), "{error:?}");
    host.user(BOB).approve(&proposed);
    let cast: String = host.value("SELECT verdict FROM decisions");
    assert_eq!(cast, Verdict::Approve.as_str());
}

#[test]
fn a_check_tells_each_caller_what_they_may_know() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&base());
    let next = base().replace("max_validity = \"90d\"", "max_validity = \"45d\"");
    let params = PolicyCheckParams { document: next };
    let mut alice = host.user(ALICE);
    alice.request(&["web1.corp.example"]);
    let by_alice = alice.call::<PolicyCheck>(&params);
    assert!(by_alice.valid && by_alice.differences.is_empty() && !by_alice.findings.is_empty());
    let by_dave = host.user(DAVE).call::<PolicyCheck>(&params);
    assert_eq!(by_dave.differences.len(), 1);
    assert!(host.user(CAROL).call::<PolicyCheck>(&params).differences == by_dave.differences);
    let for_ever = host.user(CAROL).call::<PolicyCheck>(&PolicyCheckParams { document: "version = 1\n".into() });
    assert!(!for_ever.valid && for_ever.findings.iter().any(|found| found.level == FindingLevel::Error));
    assert!(for_ever.findings.iter().any(|found| found.rule == "pending"), "{:?}", for_ever.findings);
}

/// Where change control is left out it takes an admin, who proposes, and somebody else who decides under every profile.
#[test]
fn without_change_control_an_operator_of_all_profiles_agrees_to_what_an_admin_proposes() {
    if !can_be_people() {
        return;
    }
    let only_web = "role = \"operator\"\nto = \"person:bob\"\nprofiles = [\"p-web\"]";
    let narrow = policy_with(1, "", "").replacen("role = \"operator\"\nto = \"group:pki\"", only_web, 1)
        + "[[grant]]\nrole = \"operator\"\nto = \"person:alice\"\n";
    let host = Host::serving(&narrow);
    let document = format!("{narrow}# shorter names\n");
    let params = ProposeParams { document, reason: "tidied".into(), base_sha256: None };
    let proposed = host.user(CAROL).call::<PolicyPropose>(&params).request;
    host.user(CAROL).refused::<RequestApprove>(&on(&proposed), ErrorKind::TwoPersonIntegrity);
    let refused = host.user(BOB).refused::<RequestApprove>(&on(&proposed), ErrorKind::Forbidden);
    assert_eq!(refused.data.rule.as_deref(), Some("no_vote"));
    host.user(ALICE).refused::<PolicyPropose>(&params, ErrorKind::Forbidden);
    let decided = host.user(ALICE).call::<RequestApprove>(&on(&proposed));
    assert_eq!(decided.state, RequestState::Approved);
    assert_eq!(host.value::<i64>("SELECT max(version) FROM policies"), 2);
    assert_eq!(host.user(CAROL).status().damage, None);
    crate::evidence::everything_verifies(&host);
}
