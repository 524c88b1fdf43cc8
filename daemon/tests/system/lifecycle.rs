//! From a request to its end, through the socket, with the database as the witness.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{JobState, RequestState};
use countersign_shared::protocol::method::{
    CertificateGet, JobGet, RequestApprove, RequestGet, RequestReject, RequestSubmit,
};
use countersign_shared::protocol::{
    CertificateIdParams, DecideParams, JobIdParams, Outcome, RequestIdParams, VersionState,
};

use crate::support::{ALICE, BOB, CAROL, Host, account, ask, can_be_people, on, policy};

#[test]
fn another_person_approves_and_exactly_this_is_issued() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let submitted = alice.submit(&["web1.corp.example", "api.corp.example"]);
    let request = submitted.request.clone().unwrap();
    assert_eq!((request.state, submitted.job.state), (RequestState::Pending, JobState::AwaitingApproval));
    assert_eq!(request.requester.person.as_deref(), Some("alice"));
    assert_eq!(host.value::<String>("SELECT state FROM jobs"), "awaiting_approval");

    let decided = bob.call::<RequestApprove>(&on(&request));
    assert_eq!((decided.state, decided.votes.given, decided.votes.needed), (RequestState::Approved, 1, 1));
    assert!(matches!(decided.job.as_ref().unwrap().state, JobState::Pending | JobState::Running | JobState::Completed));
    let waited = alice.wait(&request.id);
    assert_eq!((waited.outcome, waited.job.as_ref().unwrap().state), (Outcome::Issued, JobState::Completed));
    assert_eq!(waited.request.unwrap().decided_by, Some(account(BOB)));
    let content = alice.call::<RequestGet>(&RequestIdParams { id: request.id.clone() }).content.unwrap();
    let certificate = alice.call::<CertificateGet>(&CertificateIdParams { id: submitted.certificate_id });
    assert_eq!(certificate.chain_pem, waited.chain_pem);
    assert_eq!(certificate.chain_pem.unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    let [version] = &certificate.versions[..] else { panic!("{:?}", certificate.versions) };
    assert_eq!((version.version, version.state), (1, VersionState::Active));
    assert_eq!((&version.sans, version.spki_sha256), (&content.sans, content.spki_sha256));
    assert_eq!(host.value::<String>("SELECT state FROM jobs"), "completed");
    assert_eq!(host.value::<String>("SELECT state FROM approval_requests"), "approved");
}

#[test]
fn a_rejection_cancels_the_job_with_the_note() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let request = alice.request(&["web1.corp.example"]);
    let without = DecideParams { note: None, ..on(&request) };
    assert!(bob.refused::<RequestReject>(&without, ErrorKind::Invalid).message.contains("`note`"));
    let params = DecideParams { note: Some("ask the owner\u{202e} first".into()), ..on(&request) };
    let decided = bob.call::<RequestReject>(&params);
    assert_eq!((decided.state, decided.job.as_ref().unwrap().state), (RequestState::Rejected, JobState::Cancelled));
    let waited = alice.wait(&request.id);
    assert_eq!(waited.outcome, Outcome::Rejected);
    assert_eq!(waited.why.unwrap().raw(), "ask the owner\u{202e} first");
    assert_eq!(waited.chain_pem, None);
    let job = alice.call::<JobGet>(&JobIdParams { id: request.job_id.clone().unwrap() });
    assert_eq!(job.state, JobState::Cancelled);
    assert_eq!(job.error.unwrap().raw(), "rejected: ask the owner\u{202e} first");
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
    // The name is free again.
    alice.request(&["web1.corp.example"]);
}

#[test]
fn a_profile_without_approval_issues_without_a_request() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    let submitted = alice.submit(&["ci.dev.test.example"]);
    assert_eq!(submitted.request, None);
    let waited = alice.wait(&submitted.job.id);
    assert_eq!((waited.outcome, waited.request), (Outcome::Issued, None));
    assert!(waited.chain_pem.is_some());
    assert_eq!(host.value::<i64>("SELECT count(*) FROM approval_requests"), 0);
}

#[test]
fn a_renewal_supersedes_the_version_before_and_says_what_differs() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let first = alice.submit(&["web1.corp.example"]);
    bob.approve(&first.request.clone().unwrap());
    assert_eq!(alice.wait(&first.job.id).outcome, Outcome::Issued);
    let second = alice.submit(&["web1.corp.example", "web2.corp.example"]);
    assert_eq!(second.certificate_id, first.certificate_id);
    let request = second.request.unwrap();
    assert_eq!(request.kind.as_str(), "cert_renewal");
    let risks: Vec<&str> = request.risks.iter().map(|risk| risk.as_str()).collect();
    assert_eq!(risks, ["names_added", "key_changed"]);
    let detail = bob.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert!(detail.differences.iter().any(|difference| difference.field.contains("san")), "{:?}", detail.differences);
    bob.approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    let certificate = alice.call::<CertificateGet>(&CertificateIdParams { id: second.certificate_id });
    let states: Vec<_> = certificate.versions.iter().map(|version| (version.version, version.state)).collect();
    assert!(states.contains(&(1, VersionState::Superseded)) && states.contains(&(2, VersionState::Active)));
    assert_eq!(states.len(), 2);
}

#[test]
fn a_decision_on_a_decided_request_names_who_decided() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    for (verdict, name) in [("approved", "web1.corp.example"), ("rejected", "web2.corp.example")] {
        let request = alice.request(&[name]);
        match verdict {
            "approved" => bob.approve(&request),
            _ => drop(bob.call::<RequestReject>(&on(&request))),
        }
        for error in [
            carol.refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided),
            carol.refused::<RequestReject>(&on(&request), ErrorKind::AlreadyDecided),
            bob.refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided),
        ] {
            let said = format!("{} was {verdict} by {}", request.id, account(BOB));
            assert!(error.message.starts_with(&said), "{error:?}");
        }
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 2);
}

#[test]
fn a_second_pending_request_and_a_used_key_are_conflicts_that_name_the_first() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    let mut keyed = ask(&["web1.corp.example"]);
    keyed.idempotency_key = Some("deploy-17".into());
    let first = alice.call::<RequestSubmit>(&keyed);
    assert!(!first.repeated);
    let again = alice.call::<RequestSubmit>(&keyed);
    assert!(again.repeated);
    assert_eq!((again.request, again.job, again.changes), (first.request.clone(), first.job.clone(), first.changes));

    let mut other = ask(&["web2.corp.example"]);
    other.idempotency_key = Some("deploy-17".into());
    let error = alice.refused::<RequestSubmit>(&other, ErrorKind::Conflict);
    assert!(error.message.contains(first.job.id.as_str()), "{error:?}");

    let error = alice.refused::<RequestSubmit>(&ask(&["web1.corp.example"]), ErrorKind::Conflict);
    assert!(error.message.contains(first.request.unwrap().id.as_str()), "{error:?}");

    // Somebody else's key of the same text is another key.
    let mut bob = host.user(BOB);
    other.idempotency_key = Some("deploy-17".into());
    assert!(!bob.call::<RequestSubmit>(&other).repeated);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM approval_requests"), 2);
}
