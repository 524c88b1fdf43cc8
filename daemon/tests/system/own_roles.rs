//! Roles of the policy's own, with real uids on a real daemon: each gives what its list names, where it was granted and as long,
//! and none of them makes one human two.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_shared::error::{ErrorKind, ErrorObject};
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{
    AuditList, CertificateRevoke, DaemonWhoami, DelegationGrant, PolicyCheck, PolicyGet, PolicyPropose, RequestApprove,
    RequestGet, RequestList, RequestVoid,
};
use countersign_shared::protocol::{
    DelegateParams, Effect, ListAuditParams, ListRequestsParams, NoParams, Outcome, PolicyCheckParams, ProposeParams,
    RequestDetail, RequestIdParams, RequestSummary, RevokeParams, Verb,
};
use countersign_shared::time::{Span, Timestamp};
use serde_json::{Value, json};

use crate::policy_change::{BY_THE_GROUP, changed, propose};
use crate::support::{ALICE, BOB, CAROL, Caller, ERIN, FRANK, Host, can_be_people, ending, on, policy_with, until};

/// Two profiles more: anybody who may approve there agrees under `p-any`, two of the group `night` under `p-night`.
fn house(permissions: &str, grants: &str) -> String {
    let profile = |id: &str, rules: &str| {
        format!(
            "[[profile]]\nid = \"p-{id}\"\nname = \"{id}\"\nenvironment = \"production\"\nnames = [\"*.{id}.example\"]\n\
             requires_approval = true\nissuer = \"local-ca\"\nkeys = [\"ecdsa-p256\"]\nmax_validity = \"90d\"\n{rules}\n"
        )
    };
    let people = format!(
        "[[person]]\nname = \"erin\"\naccounts = [\"uid:{ERIN}\"]\n[[person]]\nname = \"frank\"\naccounts = [\"uid:{FRANK}\"]\n\
         [[group]]\nname = \"night\"\nmembers = [\"person:erin\", \"person:frank\", \"person:bob\"]\n"
    );
    let role = format!("[[role]]\nname = \"night-shift\"\npermissions = [{permissions}]\n");
    let profiles = profile("any", "") + &profile("night", "quorum = [{ group = \"night\", need = 2 }]");
    policy_with(1, "", &(people + &role + grants + &profiles + BY_THE_GROUP))
}

const DECIDES: &str = r#""request.read", "request.approve""#;

fn grant(to: &str, more: &str) -> String {
    format!("[[grant]]\nrole = \"night-shift\"\nto = \"{to}\"\n{more}\n")
}

fn detail(caller: &mut Caller, request: &RequestSummary) -> RequestDetail {
    caller.call::<RequestGet>(&RequestIdParams { id: request.id.clone() })
}

fn listed(caller: &mut Caller) -> Vec<String> {
    let page = caller.call::<RequestList>(&ListRequestsParams::default());
    page.requests.iter().map(|request| request.profile_id.clone()).collect()
}

fn told(error: &ErrorObject) -> (&str, &str) {
    (error.data.rule.as_deref().unwrap_or("none"), error.data.hint.as_str())
}

#[test]
fn a_role_of_the_policy_decides_where_it_was_granted_and_does_nothing_else() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&house(DECIDES, &grant("person:erin", "profiles = [\"p-any\"]")));
    let (mut alice, mut erin) = (host.user(ALICE), host.user(ERIN));
    let (any, web) = (alice.request(&["a.any.example"]), alice.request(&["a.corp.example"]));

    let me = erin.call::<DaemonWhoami>(&NoParams {});
    assert_eq!(me.roles, ["night-shift (p-any)"]);
    assert_eq!(me.permissions, ["request.read (p-any)", "request.approve (p-any)"]);
    assert_eq!(listed(&mut erin), ["p-any"]);
    let seen = detail(&mut erin, &any);
    assert!(seen.you.allowed, "{:?}", seen.you);
    assert!(seen.who_may_decide.contains(&"erin".to_owned()), "{:?}", seen.who_may_decide);
    assert_eq!(seen.you_may, [Verb::Comment], "neither to void nor to withdraw");
    assert!(!detail(&mut alice, &web).who_may_decide.contains(&"erin".to_owned()));

    // Under another profile the role is worth nothing, and the refusal says who could.
    let error = erin.refused::<RequestApprove>(&on(&web), ErrorKind::Forbidden);
    let (rule, hint) = told(&error);
    assert_eq!(rule, "no_vote");
    assert!(hint.contains("bob") && hint.contains("carol") && !hint.contains("erin"), "{hint}");
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 0);
    erin.refused::<RequestGet>(&RequestIdParams { id: web.id.clone() }, ErrorKind::NotFound);

    // And what its list does not name it does not give.
    let error = erin.refused::<RequestVoid>(&ending(&any, Some("no")), ErrorKind::Forbidden);
    assert_eq!(told(&error).0, "no_void");
    assert!(told(&error).1.contains("the permission request.void is needed: admin gives it"), "{error:?}");
    let error = erin.refused::<AuditList>(&ListAuditParams::default(), ErrorKind::Forbidden);
    assert!(told(&error).1.contains("ledger.read"), "{error:?}");
    erin.refused::<PolicyGet>(&NoParams {}, ErrorKind::Forbidden);
    let params = ProposeParams { document: house(DECIDES, ""), reason: "mine".into(), base_sha256: None };
    let error = erin.refused::<PolicyPropose>(&params, ErrorKind::Forbidden);
    assert!(told(&error).1.contains("policy.propose"), "{error:?}");

    let decided = erin.call::<RequestApprove>(&on(&any));
    assert_eq!(decided.state, RequestState::Approved);
    assert_eq!(alice.wait(&any.id).outcome, Outcome::Issued);
    let revoke = RevokeParams {
        certificate_id: any.certificate_id.clone(),
        serial: None,
        reason: "superseded".parse().unwrap(),
        note: Some("not by her".into()),
        ticket: None,
    };
    let error = erin.refused::<CertificateRevoke>(&revoke, ErrorKind::Forbidden);
    assert!(told(&error).1.contains("certificate.revoke"), "{error:?}");
    host.user(BOB).approve(&web);
}

#[test]
fn no_role_lets_anybody_decide_on_their_own_request() {
    if !can_be_people() {
        return;
    }
    let everything = every_permission();
    let host = Host::serving(&house(&everything, &grant("person:erin", "")));
    let (mut erin, mut as_erin) = (host.user(ERIN), host.user_by(ERIN, BOB));
    let own = erin.request(&["a.any.example"]);
    let error = erin.refused::<RequestApprove>(&on(&own), ErrorKind::TwoPersonIntegrity);
    assert!(error.message.contains("two-person integrity"), "{error:?}");
    assert_eq!(told(&error).0, "requester_decides");
    assert!(told(&error).1.contains("bob") && !told(&error).1.contains("erin"), "{error:?}");
    // Nor by way of somebody else's account, nor on the rules themselves.
    as_erin.refused::<RequestApprove>(&on(&own), ErrorKind::TwoPersonIntegrity);
    let proposed = propose(&mut erin, &house(DECIDES, &grant("person:erin", ""))).request;
    erin.refused::<RequestApprove>(&on(&proposed), ErrorKind::TwoPersonIntegrity);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 0);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
    // What nobody but her asked for is seen to be hers: the policy's check has said what the role joins.
    let check = PolicyCheckParams { document: house(&everything, &grant("person:erin", "")) };
    let said = erin.call::<PolicyCheck>(&check).findings;
    let joined =
        said.iter().filter(|found| found.rule == "separation_of_duties" && found.subject == "role night-shift");
    assert_eq!(joined.count(), 4, "{said:#?}");
    host.user(BOB).approve(&own);
    assert_eq!(erin.wait(&own.id).outcome, Outcome::Issued);
}

/// All that a role of the policy can list.
fn every_permission() -> String {
    ROWS.iter().map(|(permission, _)| format!("\"{permission}\"")).collect::<Vec<_>>().join(", ")
}

#[test]
fn it_ends_with_its_grant() {
    if !can_be_people() {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end = Timestamp::from_unix_millis(i64::try_from(now.as_millis()).unwrap() + 8_000).unwrap();
    let host = Host::serving(&house(DECIDES, &grant("group:night", &format!("until = {end}"))));
    let (mut alice, mut erin, mut frank) = (host.user(ALICE), host.user(ERIN), host.user(FRANK));
    let request = alice.request(&["a.night.example"]);
    erin.approve(&request);
    until("the grant ends", || frank.call::<DaemonWhoami>(&NoParams {}).roles.is_empty());
    let error = frank.refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    assert_eq!(told(&error).0, "no_role");
    // The vote that was given in time stays.
    host.user(BOB).approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn a_policy_that_takes_a_permission_away_holds_for_what_waits() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&house(DECIDES, &grant("group:night", "")));
    let (mut alice, mut bob, mut erin) = (host.user(ALICE), host.user(BOB), host.user(ERIN));
    let mut frank = host.user(FRANK);
    let (first, second) = (alice.request(&["a.night.example"]), alice.request(&["b.night.example"]));
    erin.approve(&first);
    assert!(detail(&mut frank, &first).you.allowed);
    let next = house("\"request.read\"", &grant("group:night", ""));
    let proposed = propose(&mut host.user(CAROL), &next);
    let differs = proposed.change.differences.iter().find(|found| found.table == "role").unwrap();
    assert_eq!((differs.id.as_str(), differs.key.as_str()), ("night-shift", "permissions"));
    assert_eq!((differs.before.as_deref(), differs.effect), (Some("request.approve"), Effect::Stricter));
    bob.approve(&proposed.request);

    // From the very next call on: in sight as before, and no vote.
    let seen = detail(&mut frank, &first);
    assert_eq!((seen.you.allowed, seen.you.rule.as_deref()), (false, Some("no_vote")));
    for request in [&first, &second] {
        let error = frank.refused::<RequestApprove>(&on(request), ErrorKind::Forbidden);
        assert_eq!(told(&error).0, "no_vote");
        assert!(!told(&error).1.contains("frank") && !told(&error).1.contains("erin"), "{error:?}");
    }
    // The vote that was given under the policy before stays; of the other request the places are open still.
    bob.approve(&first);
    assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
    bob.approve(&second);
    assert_eq!(detail(&mut alice, &second).request.state, RequestState::Pending);
    // And back: it takes two, and is laxer.
    changed(&host, &house(DECIDES, &grant("group:night", "")));
    frank.approve(&second);
    assert_eq!(alice.wait(&second.id).outcome, Outcome::Issued);
}

#[test]
fn a_say_of_such_a_role_is_handed_over_like_any_other() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&house(DECIDES, &grant("person:erin", "profiles = [\"p-any\"]")));
    let (mut alice, mut erin, mut frank) = (host.user(ALICE), host.user(ERIN), host.user(FRANK));
    let hand = |profiles: &str| DelegateParams {
        to: "frank".into(),
        duration: Span::from_secs(3600),
        profiles: Some(vec![profiles.to_owned()]),
        reason: None,
    };
    let error = erin.refused::<DelegationGrant>(&hand("p-web"), ErrorKind::Forbidden);
    assert_eq!(told(&error).0, "no_vote");
    erin.call::<DelegationGrant>(&hand("p-any"));
    let request = alice.request(&["a.any.example"]);
    frank.approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    let by: u32 = host.value(
        "SELECT json_extract(CAST(record AS TEXT), '$.details.giver_uid') FROM audit_events \
                              WHERE action = 'approval_approved'",
    );
    assert_eq!(by, ERIN);
}

/// Each permission, and which of the calls of [`calls`] somebody with a role of it alone is let through to; what a role has
/// to list beside it comes along.
const ROWS: &[(&str, &[&str])] = &[
    ("request.submit", &["request.list", "certificate.list", "request.submit"]),
    ("request.read_own", &["request.list", "certificate.list"]),
    ("request.read", READS),
    (
        "request.approve",
        &["request.list", "certificate.list", "request.get", "request.approve", "request.reject", "job.retry"],
    ),
    ("request.void", &["request.list", "certificate.list", "request.get", "request.void"]),
    ("certificate.revoke", &["request.list", "certificate.list", "request.get", "certificate.revoke"]),
    ("certificate.retire", &["request.list", "certificate.list", "request.get", "certificate.retire"]),
    ("certificate.import", &["request.list", "certificate.list", "certificate.import"]),
    // To say that files are gone, whoever brought them.
    ("inventory.manage", &["request.list", "certificate.list", "request.get", "certificate.import"]),
    ("alert.manage", &["request.list", "certificate.list", "request.get", "alert.requeue"]),
    ("alarm.receive", &[]),
    ("profile.read", &["profile.list"]),
    ("ledger.read", &["audit.list", "audit.verify"]),
    ("ledger.export", &["audit.list", "audit.verify", "audit.export"]),
    ("policy.read", &["policy.get"]),
    ("policy.propose", &["request.list", "certificate.list", "policy.get", "policy.propose"]),
    // Where change control asks no group, proposals are in sight.
    ("policy.approve", &["request.list", "certificate.list"]),
    ("delegation.revoke", &["delegation.revoke"]),
];

const READS: &[&str] = &["request.list", "certificate.list", "request.get"];

/// What a role lists beside a permission, since nobody acts on what they cannot see.
fn listed_with(permission: &str) -> Vec<&str> {
    let beside = match permission {
        "request.submit" | "certificate.import" => "request.read_own",
        "request.approve" | "request.void" | "certificate.revoke" | "certificate.retire" | "inventory.manage"
        | "alert.manage" => "request.read",
        "ledger.export" => "ledger.read",
        "policy.propose" => return vec![permission, "policy.read", "request.read_own"],
        _ => return vec![permission],
    };
    vec![permission, beside]
}

/// Calls that one permission each is asked for, about what alice asked for.
fn calls(pending: &RequestSummary, issued: &RequestSummary, delegation: &str) -> Vec<(&'static str, Value)> {
    let certificate = issued.certificate_id.as_ref().unwrap();
    let reason = json!({ "id": pending.id, "reason": "it is not needed" });
    vec![
        ("request.list", json!({})),
        ("certificate.list", json!({})),
        ("request.get", json!({ "id": pending.id })),
        ("request.submit", serde_json::to_value(crate::support::ask(&["own.any.example"])).unwrap()),
        ("request.reject", serde_json::to_value(on(pending)).unwrap()),
        ("request.approve", serde_json::to_value(on(pending)).unwrap()),
        ("request.void", reason),
        ("certificate.revoke", json!({ "certificate_id": certificate, "reason": "superseded", "note": "replaced" })),
        ("certificate.retire", json!({ "certificate_id": certificate, "reason": "unused" })),
        ("certificate.import", json!({ "items": [{ "path": "/srv/tls/gone.pem" }] })),
        ("job.retry", json!({ "id": issued.job_id })),
        ("profile.list", json!({})),
        ("policy.get", json!({})),
        ("policy.propose", json!({ "document": "version = 2", "reason": "garbage" })),
        ("audit.list", json!({})),
        ("audit.verify", json!({})),
        ("audit.export", json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z" })),
        ("audit.erase", json!({ "seq": 1, "what": "note", "reason": "a law" })),
        ("alert.requeue", json!({ "all_dead": true })),
        ("delegation.revoke", json!({ "id": delegation })),
    ]
}

/// Whether authority is what a call failed for.
fn is_let_through(method: &str, answer: Option<Result<Value, ErrorObject>>) -> bool {
    match answer.unwrap_or_else(|| panic!("{method}: the connection was lost")) {
        Ok(_) => true,
        Err(error) => match error.data.kind {
            ErrorKind::Forbidden | ErrorKind::NotFound => false,
            ErrorKind::Conflict | ErrorKind::Invalid | ErrorKind::AlreadyDecided => true,
            _ => panic!("{method}: {error:?}"),
        },
    }
}

#[test]
fn each_permission_opens_the_methods_that_ask_for_it_and_no_other() {
    if !can_be_people() {
        return;
    }
    let first = 62_100;
    let mut roles = String::new();
    for (uid, (permission, _)) in (first..).zip(ROWS) {
        let name = permission.replace('_', "-");
        let list: Vec<String> = listed_with(permission).iter().map(|one| format!("\"{one}\"")).collect();
        roles += &format!(
            "[[role]]\nname = \"{name}\"\npermissions = [{}]\n[[grant]]\nrole = \"{name}\"\nto = \"uid:{uid}\"\n",
            list.join(", ")
        );
    }
    let document = house(DECIDES, &grant("person:erin", "")).replace(BY_THE_GROUP, "") + &roles;
    let host = Host::serving(&document);
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let issued = alice.request(&["issued.any.example"]);
    bob.approve(&issued);
    alice.wait(&issued.id);
    let to_erin = DelegateParams { to: "erin".into(), duration: Span::from_secs(3600), profiles: None, reason: None };
    let delegation = bob.call::<DelegationGrant>(&to_erin).id;
    let mut count = 0;
    let mut another = |alice: &mut Caller| {
        count += 1;
        alice.request(&[&format!("n{count}.any.example")])
    };
    for (uid, (permission, opened)) in (first..).zip(ROWS) {
        let mut caller = host.user(uid);
        let mut pending = another(&mut alice);
        let mut through = Vec::new();
        for (at, (method, _)) in calls(&pending, &issued, delegation.as_str()).into_iter().enumerate() {
            if detail(&mut alice, &pending).request.state != RequestState::Pending {
                pending = another(&mut alice);
            }
            let (_, params) = calls(&pending, &issued, delegation.as_str()).swap_remove(at);
            if is_let_through(method, caller.attempt_by_name(method, &params)) {
                through.push(method);
            }
        }
        let mut expected: Vec<&str> = opened.to_vec();
        expected.sort_unstable();
        through.sort_unstable();
        assert_eq!(through, expected, "{permission}");
        if detail(&mut alice, &pending).request.state == RequestState::Pending {
            host.user(CAROL).call::<RequestVoid>(&ending(&pending, Some("the next one comes")));
        }
    }
    // Nothing was refused that is on no record, and nothing of all this was issued but what somebody approved.
    let approved: i64 = host.value("SELECT count(*) FROM audit_events WHERE action = 'approval_approved'");
    assert_eq!(approved, 2, "bob's, and that of the one who may");
}
