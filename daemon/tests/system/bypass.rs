//! The bypass of development hosts: loud, recorded, and off unless it is plainly on.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{ActorType, Outcome};

use crate::support::{ALICE, CAROL, Host, can_be_people, policy};

const BYPASS: &str = "COUNTERSIGN_APPROVAL_BYPASS";

#[test]
fn every_request_is_approved_by_the_bypass_and_both_are_on_record() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&policy());
    host.set(BYPASS, "true");
    host.start();
    assert!(host.log().contains("WARN") && host.log().contains("APPROVAL BYPASS IS ON"), "{}", host.log());
    let (mut alice, mut carol) = (host.user(ALICE), host.user(CAROL));
    assert!(carol.status().bypass);
    for name in ["web1.corp.example", "web2.corp.example", "web3.corp.example"] {
        let request = alice.request(&[name]);
        assert_eq!(request.state, RequestState::Approved);
        assert_eq!(request.decided_by.as_deref(), Some("system-bypass"));
        assert!(request.risks.iter().any(|risk| risk.as_str() == "bypass"));
        assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);
        let records = carol.records(&request.id);
        let told: Vec<_> = records.iter().map(|r| (r.action.as_str(), r.actor_type)).collect();
        assert_eq!(told, [("approval_requested", ActorType::User), ("approval_bypassed", ActorType::System)]);
        assert_eq!(records[1].actor, "system-bypass");
        assert_eq!(records[1].details["digest"], request.digest.to_string());
    }
    let published = "SELECT count(*) FROM audit_events WHERE actor = 'system-bypass'";
    assert_eq!(host.value::<i64>(published), 3);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM decisions"), 0);
    let counted = "countersign_approval_decisions_total{outcome=\"bypassed\",profile_id=\"p-web\"} 3";
    assert!(carol.metrics().lines().any(|line| line == counted));

    // It is off again with the variable, and what it let through stays told apart from what people agreed to.
    host.stop();
    host.set(BYPASS, "off");
    host.start();
    let (mut alice, mut carol) = (host.user(ALICE), host.user(CAROL));
    assert!(!carol.status().bypass);
    assert_eq!(alice.request(&["web4.corp.example"]).state, RequestState::Pending);
    assert!(carol.metrics().lines().any(|line| line == counted));
    assert_eq!(host.value::<i64>(published), 3);
    crate::evidence::everything_verifies(&host);
}

#[test]
fn a_value_that_is_not_understood_stops_the_start() {
    for value in ["TRUE", "2", "ture", "enabled"] {
        let mut host = Host::prepared(&policy());
        host.set(BYPASS, value);
        let said = host.refusal();
        assert!(said.contains(BYPASS) && said.contains(value), "{said}");
        assert!(!host.state.exists(), "it made its state directory before it read its settings");
    }
}
