//! Ways in which a human reaches a decision by other means than their own login: each ends at the right rule.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{DaemonWhoami, RequestApprove, RequestReject};
use countersign_shared::protocol::{NoParams, RequestSummary};

use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, Caller, Host, can_be_people, on, policy, policy_with, skipped};

/// A service's account, which decides for whoever asks it to.
const SERVICE: u32 = 62_010;

fn can_have_logins() -> bool {
    let kept = std::path::Path::new("/proc/self/loginuid").exists();
    if !kept {
        skipped("this kernel keeps no login uid");
    }
    kept && can_be_people()
}

/// Both verdicts are refused in the same way, and the refusal is on record.
fn refused(caller: &mut Caller, request: &RequestSummary, kind: ErrorKind, rule: &str) {
    for error in
        [caller.refused::<RequestApprove>(&on(request), kind), caller.refused::<RequestReject>(&on(request), kind)]
    {
        assert_eq!(error.data.rule.as_deref(), Some(rule), "{error:?}");
        assert!(!error.data.hint.is_empty(), "{error:?}");
    }
}

/// A policy in which the service requests and decides.
fn with_service(p_web: &str) -> String {
    let grants = format!(
        "[[grant]]\nrole = \"requester\"\nto = \"uid:{SERVICE}\"\n[[grant]]\nrole = \"operator\"\nto = \"uid:{SERVICE}\"\n[[grant]]"
    );
    policy_with(1, p_web, "")
        .replacen("[[grant]]", &grants, 1)
        .replace("\"person:carol\"]", &format!("\"person:carol\", \"uid:{SERVICE}\"]"))
}

#[test]
fn the_accounts_of_one_person_are_one_person_whichever_asked() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&policy());
    let two = ErrorKind::TwoPersonIntegrity;
    for (asks, decides) in [(ALICE, ALICE_ADM), (ALICE_ADM, ALICE), (ALICE_ADM, ALICE_ADM), (ALICE, ALICE)] {
        let request = host.user(asks).request(&[&format!("w{asks}-{decides}.corp.example")]);
        refused(&mut host.user(decides), &request, two, "requester_decides");
        refused(&mut host.user_by(decides, decides), &request, two, "requester_decides");
        // From the login of the one to the account of the other, in both directions.
        refused(&mut host.user_by(asks, decides), &request, two, "requester_decides");
        let logged_in = host.user_by(decides, asks).request(&[&format!("x{asks}-{decides}.corp.example")]);
        refused(&mut host.user_by(decides, decides), &logged_in, two, "requester_decides");
        host.user_by(BOB, BOB).approve(&logged_in);
        host.user_by(CAROL, CAROL).approve(&request);
    }
}

#[test]
fn a_service_that_decides_for_whoever_asks() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&with_service(""));
    let two = ErrorKind::TwoPersonIntegrity;
    // It asked by itself: it does not decide, by whatever login somebody reaches its account.
    let request = host.user(SERVICE).request(&["web1.corp.example"]);
    refused(&mut host.user(SERVICE), &request, two, "requester_decides");
    refused(&mut host.user_by(ALICE, SERVICE), &request, two, "login_mismatch");
    host.user_by(BOB, BOB).approve(&request);
    // alice asked through its account: both of them are the requester.
    let request = host.user_by(ALICE, SERVICE).request(&["web2.corp.example"]);
    refused(&mut host.user(SERVICE), &request, two, "requester_decides");
    refused(&mut host.user(ALICE), &request, two, "requester_decides");
    refused(&mut host.user_by(ALICE_ADM, ALICE_ADM), &request, two, "requester_decides");
    host.user_by(BOB, BOB).approve(&request);
    // alice asked, and starts its script from her own session to decide.
    let request = host.user_by(ALICE, ALICE).request(&["web3.corp.example"]);
    refused(&mut host.user_by(ALICE, SERVICE), &request, two, "login_mismatch");
    refused(&mut host.user_by(ALICE_ADM, SERVICE), &request, two, "login_mismatch");
    // Without anybody's login it is an account like others: the profile decides what that is worth.
    host.user(SERVICE).approve(&request);
    let vote =
        host.user(CAROL).records(&request.id).into_iter().find(|record| record.action.as_str() == "approval_approved");
    assert_eq!(vote.unwrap().details.get("login_uid"), None);
}

#[test]
fn a_profile_that_demands_a_login_takes_nothing_from_a_service() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&with_service("require_login_session = true"));
    let request = host.user_by(ALICE, ALICE).request(&["web1.corp.example"]);
    refused(&mut host.user(SERVICE), &request, ErrorKind::Forbidden, "login_required");
    refused(&mut host.user_by(BOB, SERVICE), &request, ErrorKind::TwoPersonIntegrity, "login_mismatch");
    refused(&mut host.user_by(ALICE, SERVICE), &request, ErrorKind::TwoPersonIntegrity, "login_mismatch");
    host.user_by(BOB, BOB).approve(&request);
}

#[test]
fn root_decides_nothing_with_a_login_or_without() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    for mut root in [host.user(0), host.user_by(0, 0), host.user_by(BOB, 0), host.user_by(ALICE, 0)] {
        refused(&mut root, &request, ErrorKind::TwoPersonIntegrity, "root_decides_nothing");
        assert!(root.call::<DaemonWhoami>(&NoParams {}).cannot_decide.is_some());
    }
    // Nor does a login of root's lend anything to whom it turns into.
    refused(&mut host.user_by(0, BOB), &request, ErrorKind::TwoPersonIntegrity, "login_mismatch");
}

#[test]
fn a_user_namespace_makes_nobody_somebody_else() {
    const AS_ROOT: &str = "unshare --user --map-root-user";
    const UNMAPPED: &str = "unshare --user";
    if !can_have_logins() {
        return;
    }
    let made = std::process::Command::new("setpriv")
        .args([
            "--reuid",
            &ALICE.to_string(),
            "--regid",
            "65533",
            "--clear-groups",
            "--",
            "unshare",
            "--user",
            "--map-root-user",
            "true",
        ])
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return skipped("this kernel lets no user make a user namespace");
    }
    let host = Host::serving(&policy());
    for (at, inside) in [AS_ROOT, UNMAPPED].into_iter().enumerate() {
        let request = host.user_through(Some(ALICE), ALICE, inside).request(&[&format!("web{at}.corp.example")]);
        let mut alice = host.user_through(Some(ALICE), ALICE, inside);
        let whoami = alice.call::<DaemonWhoami>(&NoParams {});
        assert_eq!(
            (whoami.uid, whoami.login_uid, whoami.person.as_deref()),
            (ALICE, Some(ALICE), Some("alice")),
            "{inside}"
        );
        refused(&mut alice, &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
        refused(
            &mut host.user_through(None, ALICE_ADM, inside),
            &request,
            ErrorKind::TwoPersonIntegrity,
            "requester_decides",
        );
        refused(
            &mut host.user_through(Some(ALICE), BOB, inside),
            &request,
            ErrorKind::TwoPersonIntegrity,
            "login_mismatch",
        );
        // bob is bob in one as well.
        let mut bob = host.user_through(Some(BOB), BOB, inside);
        assert_eq!(bob.call::<DaemonWhoami>(&NoParams {}).uid, BOB);
        bob.approve(&request);
    }
}

/// The number of a session is kept for the record. It gives no right and takes none: a kernel counts it anew after
/// each boot, so that another human's session may have the same number later.
#[test]
fn a_session_is_a_number_in_the_record_and_no_human() {
    if !can_have_logins() {
        return;
    }
    let host = Host::serving(&policy());
    // A login belongs to a thread: whatever this one starts is in one session.
    let (request, session) = std::thread::scope(|scope| {
        let one_session = scope.spawn(|| {
            std::fs::write("/proc/thread-self/loginuid", ALICE.to_string()).unwrap();
            let mut alice = host.user_by(ALICE, ALICE);
            let session = alice.call::<DaemonWhoami>(&NoParams {}).session.unwrap();
            let request = alice.request(&["web1.corp.example"]);
            let mut as_bob = host.user_by(ALICE, BOB);
            assert_eq!(as_bob.call::<DaemonWhoami>(&NoParams {}).session, Some(session));
            refused(&mut as_bob, &request, ErrorKind::TwoPersonIntegrity, "login_mismatch");
            (request, session)
        });
        one_session.join().unwrap()
    });
    // Another session of the same login is the same human.
    let mut again = host.user_by(ALICE, ALICE);
    assert_ne!(again.call::<DaemonWhoami>(&NoParams {}).session, Some(session));
    refused(&mut again, &request, ErrorKind::TwoPersonIntegrity, "requester_decides");
    // And the same number in another human's login is another human: as after a reboot, by the record alone.
    let mut bob = host.user_by(BOB, BOB);
    let bobs = bob.call::<DaemonWhoami>(&NoParams {}).session.unwrap();
    host.tamper(&format!("UPDATE approval_requests SET requester_session = {bobs}"));
    bob.approve(&request);
}
