//! Another version takes the place of what is pending: votes are cleared, the terms do not get laxer, and what is
//! issued is what the last version says.

use std::sync::Barrier;

use countersign_shared::content::San;
use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{RequestState, Verdict};
use countersign_shared::protocol::method::{
    AuditVerify, CertificateGet, RequestAmend, RequestApprove, RequestGet, RequestSubmit,
};
use countersign_shared::protocol::{
    AmendParams, CertificateIdParams, NoParams, Outcome, RequestDetail, RequestIdParams, RequestSummary,
};
use countersign_shared::time::{Span, Timestamp};

use crate::support::{
    ALICE, ALICE_ADM, BOB, CAROL, Caller, DAVE, Host, MALLORY, amending, ask, can_be_people, csr, on, policy,
    policy_with, until,
};

const ROUNDS: usize = 40;
const DAY: i64 = 86_400_000;

fn detail(caller: &mut Caller, request: &RequestSummary) -> RequestDetail {
    caller.call::<RequestGet>(&RequestIdParams { id: request.id.clone() })
}

fn names(sans: &[San]) -> Vec<String> {
    sans.iter().map(San::tagged).collect()
}

fn with_csr(request: &RequestSummary, names: &[&str]) -> AmendParams {
    AmendParams { csr: Some(csr(names)), ..amending(request) }
}

#[test]
fn what_is_issued_is_what_people_agreed_to_last() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy_with(2, "", ""));
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let submitted = alice.submit(&["web1.corp.example", "api.corp.example"]);
    let first = submitted.request.unwrap();
    bob.approve(&first);
    let before = detail(&mut alice, &first);
    assert_eq!(before.votes.given, 1);

    let amended = alice.call::<RequestAmend>(&with_csr(&first, &["web1.corp.example", "mail.corp.example"]));
    let second = amended.request;
    assert_eq!((second.id.clone(), second.version, second.state), (first.id.clone(), 2, RequestState::Pending));
    assert_eq!((amended.votes_cleared, second.seq), (1, amended.seq));
    assert_ne!(second.digest, first.digest);
    assert_eq!((second.expires_at, second.created_at), (first.expires_at, first.created_at));
    let said: Vec<_> = amended.differences.iter().map(|difference| difference.field.as_str()).collect();
    assert_eq!(said, ["san", "san", "spki_sha256"]);
    let after = detail(&mut bob, &second);
    assert_eq!((after.votes.given, after.decisions.len()), (0, 0));
    assert_eq!(names(&after.content.as_ref().unwrap().sans), ["dns:mail.corp.example", "dns:web1.corp.example"]);
    let [amendment] = &after.amendments[..] else { panic!("{:?}", after.amendments) };
    assert_eq!((amendment.version, amendment.digest, amendment.seq), (1, first.digest, amended.seq));
    assert_eq!(amendment.differences, amended.differences);
    let [vote] = &amendment.decisions[..] else { panic!("{:?}", amendment.decisions) };
    assert_eq!((vote.by.person.as_deref(), vote.verdict, vote.version), (Some("bob"), Verdict::Approve, 1));

    // The vote on the first version counts for nothing, and what was seen before cannot be agreed to.
    let stale = bob.refused::<RequestApprove>(&on(&first), ErrorKind::StaleContent);
    assert!(stale.message.contains("version 2"), "{stale:?}");
    assert_eq!(carol.call::<RequestApprove>(&on(&second)).state, RequestState::Pending);
    assert_eq!(bob.call::<RequestApprove>(&on(&second)).state, RequestState::Approved);
    assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
    let certificate = alice.call::<CertificateGet>(&CertificateIdParams { id: submitted.certificate_id });
    let [version] = &certificate.versions[..] else { panic!("{:?}", certificate.versions) };
    assert_eq!(version.sans, after.content.as_ref().unwrap().sans);
    assert_eq!(version.spki_sha256, after.content.unwrap().spki_sha256);
    assert_ne!(version.spki_sha256, before.content.unwrap().spki_sha256);

    let mut dave = host.user(DAVE);
    let records = dave.records(&first.id);
    let record = records.iter().find(|record| record.action.as_str() == "approval_amended").unwrap();
    assert_eq!((&record.details["version"], &record.details["votes_needed"]), (&2.into(), &2.into()));
    assert_eq!(record.details["digest"], second.digest.to_string());
    assert_eq!(record.details["digest_before"], first.digest.to_string());
    assert_eq!(record.details["quorum"], serde_json::json!(["pki:2"]));
    assert!(dave.call::<AuditVerify>(&NoParams {}).intact);
    let told = "SELECT count(*) FROM notification_events WHERE kind = 'approval_amended'";
    assert_eq!(host.value::<i64>(told), 1);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn what_is_left_out_stays() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let now = Timestamp::from_unix_millis(host.oneself().status().now.unix_millis()).unwrap();
    let later = |days: i64| Timestamp::from_unix_millis(now.unix_millis() + days * DAY).unwrap();
    let mut params = ask(&["web1.corp.example"]);
    params.ticket = Some("T-1".into());
    params.valid_for = Some(Span::from_secs(30 * 86_400));
    params.not_before = Some(later(2));
    params.batch = Some("autumn".into());
    let first = alice.call::<RequestSubmit>(&params).request.unwrap();
    let before = detail(&mut alice, &first);

    let only_reason = AmendParams { reason: Some("the new load balancer".into()), ..amending(&first) };
    let amended = alice.call::<RequestAmend>(&only_reason);
    let [difference] = &amended.differences[..] else { panic!("{:?}", amended.differences) };
    assert_eq!((difference.field.as_str(), amended.votes_cleared), ("reason", 0));
    assert_eq!(difference.before.as_ref().unwrap().raw(), "new web server");
    let after = detail(&mut bob, &first);
    assert_eq!((&after.content, &after.request.ticket), (&before.content, &before.request.ticket));
    assert_eq!(after.request.reason.raw(), "the new load balancer");
    assert_eq!((after.request.not_before, after.request.batch.as_deref()), (Some(later(2)), Some("autumn")));
    assert_eq!(after.csr.unwrap().sha256, before.csr.unwrap().sha256);

    // The rest, one after the other; blank takes a ticket away.
    let steps: [(AmendParams, &str); 3] = [
        (AmendParams { valid_for: Some(Span::from_secs(86_400)), ..amending(&first) }, "validity"),
        (AmendParams { ticket: Some(" ".into()), ..amending(&first) }, "ticket"),
        (AmendParams { not_before: Some(later(3)), ..amending(&first) }, "not_before"),
    ];
    let mut digest = amended.request.digest;
    for (at, (params, field)) in steps.into_iter().enumerate() {
        let amended = alice.call::<RequestAmend>(&AmendParams { digest, ..params });
        let said: Vec<_> = amended.differences.iter().map(|difference| difference.field.as_str()).collect();
        assert_eq!((said, amended.request.version), (vec![field], 3 + at as u32));
        digest = amended.request.digest;
    }
    let last = detail(&mut bob, &first);
    let versions: Vec<u32> = last.amendments.iter().map(|amendment| amendment.version).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!((last.request.ticket, last.request.not_before), (None, Some(later(3))));
    assert_eq!(last.content.unwrap().valid_for, Span::from_secs(86_400));
    crate::evidence::everything_verifies(&host);
}

#[test]
fn what_is_refused_leaves_the_version_that_there_is() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let mut params = ask(&["web1.corp.example"]);
    params.valid_for = Some(Span::from_secs(86_400));
    let request = alice.call::<RequestSubmit>(&params).request.unwrap();
    let mine = amending(&request);
    let reason = |text: &str| AmendParams { reason: Some(text.into()), ..mine.clone() };
    let own_csr = AmendParams { csr: Some(params.csr.clone()), ..mine.clone() };
    let past = Timestamp::from_unix_millis(1_000_000).unwrap();
    let far = Timestamp::from_unix_millis(host.oneself().status().now.unix_millis() + 91 * DAY).unwrap();
    let long_reason = "x".repeat(4097);
    for (what, params, kind, rule) in [
        ("nothing", mine.clone(), ErrorKind::Invalid, None),
        ("the same reason", reason("new web server"), ErrorKind::Invalid, None),
        ("the same CSR", own_csr.clone(), ErrorKind::Invalid, None),
        ("the same validity", AmendParams { valid_for: params.valid_for, ..mine.clone() }, ErrorKind::Invalid, None),
        ("no reason", reason(" "), ErrorKind::Forbidden, Some("profile.justification")),
        ("a long reason", reason(&long_reason), ErrorKind::Invalid, Some("profile.justification")),
        ("another name", with_csr(&request, &["web2.corp.example"]), ErrorKind::Invalid, None),
        (
            "a name outside the profile",
            with_csr(&request, &["web1.corp.example", "www.other.example"]),
            ErrorKind::Forbidden,
            Some("profile.names"),
        ),
        (
            "another profile's name",
            with_csr(&request, &["ci.dev.test.example"]),
            ErrorKind::Forbidden,
            Some("profile.names"),
        ),
        (
            "too long",
            AmendParams { valid_for: Some(Span::from_secs(91 * 86_400)), ..mine.clone() },
            ErrorKind::Forbidden,
            Some("profile.validity"),
        ),
        ("no CSR", AmendParams { csr: Some("-----BEGIN".into()), ..mine.clone() }, ErrorKind::Invalid, None),
        ("a huge CSR", AmendParams { csr: Some("x".repeat(70_000)), ..mine.clone() }, ErrorKind::Invalid, None),
        ("a start that has passed", AmendParams { not_before: Some(past), ..mine.clone() }, ErrorKind::Invalid, None),
        ("a start far away", AmendParams { not_before: Some(far), ..mine.clone() }, ErrorKind::Invalid, None),
    ] {
        let error = alice.refused::<RequestAmend>(&params, kind);
        assert_eq!(error.data.rule.as_deref(), rule, "{what}: {error:?}");
    }
    for (uid, rule) in [(BOB, "not_requester"), (CAROL, "not_requester"), (MALLORY, "no_role")] {
        for params in [reason("mine now"), with_csr(&request, &["web1.corp.example"])] {
            let error = host.user(uid).refused::<RequestAmend>(&params, ErrorKind::Forbidden);
            assert_eq!(error.data.rule.as_deref(), Some(rule), "{error:?}");
        }
    }
    let unknown = AmendParams { id: "ar-00000000000000".parse().unwrap(), ..reason("x") };
    alice.refused::<RequestAmend>(&unknown, ErrorKind::NotFound);
    let after = detail(&mut bob, &request);
    assert_eq!((after.request.version, after.request.digest, after.request.seq), (1, request.digest, request.seq));
    assert_eq!(host.value::<i64>("SELECT count(*) FROM submissions"), 1);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM request_terms"), 1);
    let refused = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused'
         AND details ->> '$.verb' = 'request.amend'";
    assert_eq!(host.value::<i64>(refused), 11, "each refusal by a rule is on record");

    // Only the newest version is amended, and nothing that has ended.
    let second = alice.call::<RequestAmend>(&reason("better said")).request;
    for params in [reason("again"), with_csr(&request, &["web1.corp.example"])] {
        let error = alice.refused::<RequestAmend>(&params, ErrorKind::StaleContent);
        assert!(error.data.hint.contains("countersign show"), "{error:?}");
    }
    bob.approve(&second);
    let late = AmendParams { reason: Some("late".into()), ..amending(&second) };
    assert!(alice.refused::<RequestAmend>(&late, ErrorKind::AlreadyDecided).message.contains("was approved by"));
}

#[test]
fn the_same_person_amends_by_another_account_and_decides_by_none() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    let mut adm = host.user(ALICE_ADM);
    let amended = adm.call::<RequestAmend>(&with_csr(&request, &["web1.corp.example", "web2.corp.example"])).request;
    assert_eq!(amended.requester, request.requester, "the request stays alice's");
    for uid in [ALICE, ALICE_ADM] {
        let error = host.user(uid).refused::<RequestApprove>(&on(&amended), ErrorKind::TwoPersonIntegrity);
        assert_eq!(error.data.rule.as_deref(), Some("requester_decides"), "{error:?}");
    }
    host.user(BOB).approve(&amended);
    assert_eq!(adm.wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn of_an_approval_and_an_amendment_at_one_instant_one_happens() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let mut won = [0, 0];
    for round in 0..ROUNDS {
        let name = format!("web{round}.corp.example");
        let request = alice.request(&[&name]);
        let params = with_csr(&request, &[&name, "added.corp.example"]);
        let start = Barrier::new(2);
        let (approved, amended) = std::thread::scope(|scope| {
            let bob = scope.spawn(|| {
                start.wait();
                bob.attempt::<RequestApprove>(&on(&request)).unwrap()
            });
            let alice = scope.spawn(|| {
                start.wait();
                alice.attempt::<RequestAmend>(&params).unwrap()
            });
            (bob.join().unwrap(), alice.join().unwrap())
        });
        let issued = match (approved, amended) {
            (Ok(_), Err(loser)) => {
                assert_eq!(loser.data.kind, ErrorKind::AlreadyDecided, "{loser:?}");
                won[0] += 1;
                1
            }
            (Err(loser), Ok(amended)) => {
                assert_eq!(loser.data.kind, ErrorKind::StaleContent, "{loser:?}");
                won[1] += 1;
                bob.approve(&amended.request);
                2
            }
            other => panic!("{other:?}"),
        };
        let waited = alice.wait(&request.id);
        assert_eq!(waited.outcome, Outcome::Issued);
        let certificate =
            alice.call::<CertificateGet>(&CertificateIdParams { id: waited.request.unwrap().certificate_id.unwrap() });
        assert_eq!(certificate.versions[0].sans.len(), issued, "round {round}");
    }
    assert_eq!(won.iter().sum::<usize>(), ROUNDS);
    assert!(host.user(DAVE).call::<AuditVerify>(&NoParams {}).intact);
}

#[test]
fn a_request_comes_to_so_many_versions_and_can_be_looked_at_throughout() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let mut request = alice.request(&["web1.corp.example"]);
    for version in 2..=100 {
        // As JSON each of these characters takes six octets.
        let reason = format!("{version}{}", "\u{1}".repeat(4000));
        request =
            alice.call::<RequestAmend>(&AmendParams { reason: Some(reason.into()), ..amending(&request) }).request;
    }
    assert_eq!(request.version, 100);
    let once_more = AmendParams { reason: Some("once more".into()), ..amending(&request) };
    let error = alice.refused::<RequestAmend>(&once_more, ErrorKind::RateLimited);
    assert!(error.message.contains("version 100"), "{error:?}");
    let shown: Vec<u32> = detail(&mut bob, &request).amendments.iter().map(|amendment| amendment.version).collect();
    assert_eq!(shown, [95, 96, 97, 98, 99], "the newest, as far as they fit into an answer");
    bob.approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
}

#[test]
fn whoever_may_not_ask_any_more_amends_no_more() {
    if !can_be_people() {
        return;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let end = Timestamp::from_unix_millis(i64::try_from(now.as_millis()).unwrap() + 10_000).unwrap();
    let until_then = format!("role = \"requester\"\nto = \"group:pki\"\nuntil = {end}");
    let host = Host::serving(&policy().replacen("role = \"requester\"\nto = \"group:pki\"", &until_then, 1));
    let mut alice = host.user(ALICE);
    let mut request = alice.request(&["web1.corp.example"]);
    let mut refused = None;
    until("the grant ends", || {
        let reason = Some(format!("said for the {}. time", request.version + 1).into());
        if request.version < 50 {
            match alice.attempt::<RequestAmend>(&AmendParams { reason, ..amending(&request) }).unwrap() {
                Ok(amended) => request = amended.request,
                Err(error) => refused = Some(error),
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
        refused.is_some()
    });
    let error = refused.unwrap();
    assert_eq!((error.data.kind, error.data.rule.as_deref()), (ErrorKind::Forbidden, Some("no_role")), "{error:?}");
    assert!(request.version > 1, "it could be amended before");
    // What was asked for in time can still be decided.
    host.user(BOB).approve(&request);
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
}
