//! Requests that nobody decided in time.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::method::{RequestApprove, RequestGet, RequestReject, RequestSubmit};
use countersign_shared::protocol::{ActorType, Outcome, RequestIdParams};

use crate::support::{ALICE, BOB, CAROL, Host, ask, can_be_people, on, policy, policy_with, until};

const TIMEOUT: &str = "COUNTERSIGN_JOB_AWAITING_APPROVAL_TIMEOUT";
const MANY: usize = 500;

/// A profile whose requests wait for as long as the tests take.
const PATIENT: &str = r#"
[[profile]]
id = "p-patient"
name = "Patient"
environment = "production"
names = ["*.patient.example"]
requires_approval = true
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
approval_timeout = "1h"
"#;

#[test]
fn all_of_very_many_expire_once_each_while_others_are_decided() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy_with(1, "", PATIENT));
    host.set(TIMEOUT, "2s");
    host.start();
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let patient: Vec<_> = (0..20).map(|at| alice.request(&[&format!("web{at}.patient.example")])).collect();
    let asks: Vec<_> = (0..MANY).map(|at| ask(&[&format!("web{at}.corp.example")])).collect();
    for some in asks.chunks(50) {
        for ask in some {
            alice.send::<RequestSubmit>(ask).unwrap();
        }
        for _ in some {
            alice.answer::<RequestSubmit>().unwrap().unwrap();
        }
    }
    let expired = "SELECT count(*) FROM approval_requests WHERE state = 'expired'";
    until("the first expire", || host.value::<i64>(expired) > 0);
    for request in &patient {
        bob.approve(request);
    }
    until("all expire", || host.value::<i64>(expired) == MANY as i64);
    for (what, sql, rows) in [
        ("cancelled", "SELECT count(*) FROM jobs WHERE state = 'cancelled' AND error = 'approval expired'", MANY),
        ("recorded", "SELECT count(*) FROM audit_events WHERE action = 'approval_expired'", MANY),
        (
            "recorded once each",
            "SELECT count(DISTINCT a.resource_id) FROM audit_events a JOIN approval_requests r ON r.id = a.resource_id
             WHERE a.action = 'approval_expired' AND a.actor = 'system-reaper' AND a.actor_type = 'System'
               AND r.state = 'expired' AND r.decided_by = 'system-reaper'",
            MANY,
        ),
        ("approved", "SELECT count(*) FROM approval_requests WHERE state = 'approved'", patient.len()),
    ] {
        assert_eq!(host.value::<i64>(sql), rows as i64, "{what}");
    }
    let line = format!("countersign_approval_decisions_total{{outcome=\"expired\",profile_id=\"p-web\"}} {MANY}");
    assert!(carol.metrics().lines().any(|found| found == line), "{}", carol.metrics());
    // What expires is not a decision of people, so it is not in the histogram of ages.
    let count = format!("countersign_approval_pending_age_seconds_count {}", patient.len());
    assert!(carol.metrics().lines().any(|found| found == count));
    for request in &patient {
        assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
    }
}

#[test]
fn what_has_expired_stays_expired_and_what_was_decided_before_stays_decided() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    host.set(TIMEOUT, "1s");
    host.start();
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let (decided, left) = (alice.request(&["web1.corp.example"]), alice.request(&["web2.corp.example"]));
    bob.approve(&decided);
    let waited = alice.wait(&left.id);
    assert_eq!(waited.outcome, Outcome::Expired);
    assert_eq!(waited.why.unwrap().raw(), "approval expired");
    for error in [
        bob.refused::<RequestApprove>(&on(&left), ErrorKind::AlreadyDecided),
        bob.refused::<RequestReject>(&on(&left), ErrorKind::AlreadyDecided),
    ] {
        assert!(error.message.contains("expired"), "{error:?}");
    }
    let actions = |records: Vec<countersign_shared::protocol::AuditEvent>| -> Vec<(&'static str, ActorType)> {
        records.iter().map(|record| (record.action.as_str(), record.actor_type)).collect()
    };
    assert_eq!(
        actions(carol.records(&left.id)),
        [("approval_requested", ActorType::User), ("approval_expired", ActorType::System)]
    );
    // A longer patience afterwards changes nothing, and the name is free for a new request.
    host.stop();
    host.set(TIMEOUT, "168h");
    host.start();
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    assert!(bob.refused::<RequestApprove>(&on(&left), ErrorKind::AlreadyDecided).message.contains("expired"));
    assert_eq!(alice.wait(&decided.id).outcome, Outcome::Issued);
    assert_eq!(
        actions(carol.records(&decided.id)),
        [("approval_requested", ActorType::User), ("approval_approved", ActorType::User)]
    );
    let again = alice.request(&["web2.corp.example"]);
    bob.approve(&again);
}

#[test]
fn a_deadline_that_passed_while_the_daemon_was_down_counts_at_the_start() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    host.set(TIMEOUT, "2s");
    host.start();
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    host.kill();
    assert_eq!(host.value::<String>("SELECT state FROM approval_requests"), "pending");
    let deadline = request.expires_at.unix_millis();
    until("the deadline passes", || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_millis() as i64 > deadline
    });
    // It is over whether or not the reaper has come by: the first decision after the start is refused already.
    host.set(TIMEOUT, "168h");
    host.start();
    let mut bob = host.user(BOB);
    bob.refused::<RequestApprove>(&on(&request), ErrorKind::AlreadyDecided);
    until("it expires", || {
        bob.call::<RequestGet>(&RequestIdParams { id: request.id.clone() }).request.state == RequestState::Expired
    });
    let order: i64 = host.value(
        "SELECT (SELECT seq FROM audit_events WHERE action = 'approval_expired')
              > (SELECT max(seq) FROM audit_events WHERE action = 'daemon_started')",
    );
    assert_eq!(order, 1);
}

#[test]
fn a_request_that_cannot_be_read_is_set_aside_and_the_others_expire() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    host.set(TIMEOUT, "3s");
    host.start();
    let mut alice = host.user(ALICE);
    let requests: Vec<_> = (0..3).map(|at| alice.request(&[&format!("web{at}.corp.example")])).collect();
    host.tamper(&format!(
        "UPDATE approval_requests SET digest = replace(hex(zeroblob(32)), '0', 'z') WHERE id = '{}'",
        requests[0].id
    ));
    let expired = "SELECT count(*) FROM approval_requests WHERE state = 'expired'";
    until("the others expire", || host.value::<i64>(expired) == 2);
    until("it is set aside", || host.log().contains("cannot be expired and is set aside"));
    // It is in the way of none that comes later either, and is not tried again and again.
    alice.request(&["later.corp.example"]);
    until("the next one expires", || host.value::<i64>(expired) == 3);
    assert_eq!(host.log().matches("set aside").count(), 1);
}

#[test]
fn the_place_of_the_time_line_is_kept_at_the_end() {
    let mut host = Host::serving(&policy());
    host.stop();
    let kept = "SELECT value = (SELECT details ->> '$.tick' FROM audit_events WHERE action = 'daemon_stopped')
                FROM meta WHERE key = 'clock_tick'";
    assert!(host.value::<bool>(kept));
}
