//! Who may do what: nobody without a role, an auditor who reads, and root, who is nobody in particular.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AuditList, AuditVerify, CertificateList, DaemonMetrics, DaemonStatus, DaemonWhoami, DemoActAs, JobRetry, Method,
    PolicyCheck, RequestApprove, RequestGet, RequestList, RequestReject, RequestSubmit, RequestWithdraw,
};
use countersign_shared::protocol::{
    ActAsParams, AuditAction, EndParams, JobIdParams, ListAuditParams, ListCertificatesParams, ListRequestsParams,
    NoParams, PolicyCheckParams, RequestIdParams,
};

use crate::support::{ALICE, BOB, CAROL, Caller, DAVE, Host, MALLORY, ask, can_be_people, on, policy};

const NO_FILTER: ListAuditParams = ListAuditParams {
    actor: None,
    action: None,
    category: None,
    resource_id: None,
    from: None,
    to: None,
    text: None,
    limit: None,
    cursor: None,
};

fn every_request() -> ListRequestsParams {
    serde_json::from_str("{}").unwrap()
}

/// The kind of refusal, or `None` for a success.
fn kind<M: Method>(caller: &mut Caller, params: &M::Params) -> Option<ErrorKind> {
    caller.attempt::<M>(params).unwrap().err().map(|error| error.data.kind)
}

#[test]
fn each_role_reads_and_does_what_it_is_for() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let (no, integrity) = (Some(ErrorKind::Forbidden), Some(ErrorKind::TwoPersonIntegrity));
    for (who, uid, roles, list, ledger, verify, decide, submit) in [
        ("nobody", MALLORY, &[][..], no, no, no, no, no),
        ("an auditor", DAVE, &["auditor"], no, None, None, no, no),
        ("root", 0, &[], no, no, no, integrity, no),
        ("an admin", CAROL, &["requester", "operator", "admin"], None, None, None, None, None),
    ] {
        let mut caller = host.user(uid);
        let whoami = caller.call::<DaemonWhoami>(&NoParams {});
        let mut sorted = whoami.roles.clone();
        sorted.sort();
        let mut expected: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        expected.sort();
        assert_eq!((whoami.uid, sorted, whoami.pid), (uid, expected, caller.pid()), "{who}");
        assert_eq!(whoami.cannot_decide.is_some(), uid == 0, "{who}");
        assert_eq!(kind::<DaemonStatus>(&mut caller, &NoParams {}), None, "{who}");
        assert_eq!(kind::<RequestList>(&mut caller, &every_request()), list, "{who} lists");
        assert_eq!(kind::<AuditList>(&mut caller, &NO_FILTER), ledger, "{who} reads the ledger");
        assert_eq!(kind::<AuditVerify>(&mut caller, &NoParams {}), verify, "{who} verifies");
        assert_eq!(kind::<RequestSubmit>(&mut caller, &ask(&["x.corp.example"])), submit, "{who} submits");
        assert_eq!(kind::<RequestReject>(&mut caller, &on(&request)), decide, "{who} rejects");
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 1);
}

#[test]
fn root_decides_nothing_and_it_is_on_record() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let error = host.user(0).refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    assert_eq!(error.data.rule.as_deref(), Some("root_decides_nothing"));
    assert!(error.message.contains("two-person integrity"), "{error:?}");
    let records = host.user(DAVE).records(&request.id);
    let last = records.last().unwrap();
    assert_eq!((last.action, last.actor.as_str()), (AuditAction::ApprovalRefused, "root"));
    assert_eq!(last.details["rule"], "root_decides_nothing");
    assert_eq!(last.details["uid"], 0);
}

#[test]
fn metrics_and_checks_need_a_role_or_root_and_nobody_acts_as_another() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    for (uid, refused) in [(MALLORY, Some(ErrorKind::Forbidden)), (DAVE, None), (0, None)] {
        let mut caller = host.user(uid);
        assert_eq!(kind::<DaemonMetrics>(&mut caller, &NoParams {}), refused, "{uid}");
        let document = PolicyCheckParams { document: policy() };
        assert_eq!(kind::<PolicyCheck>(&mut caller, &document), refused, "{uid}");
    }
    for uid in [MALLORY, CAROL, 0] {
        let as_bob = ActAsParams { person: "bob".into() };
        host.user(uid).refused::<DemoActAs>(&as_bob, ErrorKind::Forbidden);
    }
}

#[test]
fn what_one_may_not_see_does_not_exist() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy().replace(
        "role = \"requester\"\nto = \"group:pki\"",
        &format!("role = \"requester\"\nto = \"uid:{MALLORY}\"\n[[grant]]\nrole = \"requester\"\nto = \"group:pki\""),
    ));
    let of_alice = host.user(ALICE).request(&["web1.corp.example"]);
    let mut mallory = host.user(MALLORY);
    let own = mallory.request(&["web2.corp.example"]);
    let listed = mallory.call::<RequestList>(&every_request()).requests;
    assert_eq!(listed.iter().map(|request| &request.id).collect::<Vec<_>>(), [&own.id]);
    let hidden = mallory.refused::<RequestGet>(&RequestIdParams { id: of_alice.id.clone() }, ErrorKind::NotFound);
    let missing = mallory
        .refused::<RequestGet>(&RequestIdParams { id: "ar-00000000000000".parse().unwrap() }, ErrorKind::NotFound);
    assert_eq!(hidden.message.replace(of_alice.id.as_str(), "ar-00000000000000"), missing.message);
    let retry = JobIdParams { id: of_alice.job_id.clone().unwrap() };
    mallory.refused::<JobRetry>(&retry, ErrorKind::Forbidden);
    assert_eq!(host.user(BOB).call::<RequestList>(&every_request()).requests.len(), 2);
}

#[test]
fn a_certificate_is_shown_to_whoever_was_given_it_and_not_to_whoever_asked_for_its_name_first() {
    if !can_be_people() {
        return;
    }
    let people =
        policy().replacen("role = \"operator\"\nto = \"group:pki\"", "role = \"operator\"\nto = \"person:carol\"", 1);
    let host = Host::serving(&people);
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let list =
        |caller: &mut Caller| caller.call::<CertificateList>(&ListCertificatesParams::default()).certificates.len();
    let first = bob.request(&["web1.corp.example"]);
    assert_eq!((list(&mut bob), list(&mut alice)), (1, 0), "his while nothing was issued");
    bob.call::<RequestWithdraw>(&EndParams { id: first.id, reason: None });
    let given = alice.request(&["web1.corp.example"]);
    carol.approve(&given);
    alice.wait(&given.id);
    assert_eq!((list(&mut bob), list(&mut alice), list(&mut carol)), (0, 1, 1));
}
