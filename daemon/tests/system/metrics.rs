//! Counters and the histogram: exact, byte for byte the same after a restart, with closed sets of labels.

use std::collections::BTreeSet;

use countersign_shared::protocol::method::RequestReject;

use crate::support::{ALICE, BOB, CAROL, Host, can_be_people, on, policy};

/// What counts ledger events, and so outlives the process.
fn counted(text: &str) -> String {
    let exact =
        ["countersign_approval_decisions_total", "countersign_approval_pending_age_seconds", "countersign_jobs"];
    text.lines()
        .filter(|line| exact.iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn exact_and_the_same_after_a_restart_and_after_a_kill() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let (mut alice, mut bob, mut carol) = (host.user(ALICE), host.user(BOB), host.user(CAROL));
    let mut requests: Vec<_> = (0..24).map(|at| alice.request(&[&format!("web{at}.corp.example")])).collect();
    // Decided in another order than they were made: sums of fractions depend on the order of their terms.
    requests.rotate_left(7);
    requests.reverse();
    for (at, request) in requests.iter().enumerate() {
        match at % 3 {
            0 => drop(carol.call::<RequestReject>(&on(request))),
            1 => bob.approve(request),
            _ => {}
        }
    }
    for request in requests.iter().skip(1).step_by(3) {
        alice.wait(&request.id);
    }
    let before = counted(&carol.metrics());
    for line in [
        "countersign_approval_decisions_total{outcome=\"approved\",profile_id=\"p-web\"} 8",
        "countersign_approval_decisions_total{outcome=\"rejected\",profile_id=\"p-web\"} 8",
        "countersign_approval_decisions_total{outcome=\"expired\",profile_id=\"p-web\"} 0",
        "countersign_approval_pending_age_seconds_bucket{le=\"60\"} 16",
        "countersign_approval_pending_age_seconds_bucket{le=\"+Inf\"} 16",
        "countersign_approval_pending_age_seconds_count 16",
        "countersign_jobs{state=\"awaiting_approval\"} 8",
        "countersign_jobs{state=\"cancelled\"} 8",
        "countersign_jobs{state=\"completed\"} 8",
    ] {
        assert!(before.lines().any(|found| found == line), "{line}\n{before}");
    }
    assert_eq!(before, counted(&carol.metrics()));
    host.stop();
    host.start();
    assert_eq!(before, counted(&host.user(CAROL).metrics()));
    host.kill();
    host.start();
    assert_eq!(before, counted(&host.user(CAROL).metrics()));
    let rows = host.value::<i64>("SELECT count(*) FROM audit_events");
    let text = host.user(CAROL).metrics();
    assert!(text.lines().any(|line| line == format!("countersign_audit_chain_rows {rows}")), "{text}");
    assert!(text.lines().any(|line| line == "countersign_approval_pending 8"), "{text}");
}

#[test]
fn label_sets_are_closed_from_the_first_moment() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let text = host.user(CAROL).metrics();
    let labels = |name: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("{name}{{")));
        lines.map(|line| line.split_once('}').unwrap().0.to_owned()).collect()
    };
    let mut expected = BTreeSet::new();
    for profile in ["p-web", "p-dev", "policy"] {
        for outcome in ["approved", "rejected", "expired", "bypassed", "voided", "withdrawn"] {
            expected.insert(format!("outcome=\"{outcome}\",profile_id=\"{profile}\""));
        }
    }
    assert_eq!(labels("countersign_approval_decisions_total"), expected);
    let bounds = ["60", "300", "1800", "3600", "21600", "86400", "+Inf"].map(|le| format!("le=\"{le}\""));
    assert_eq!(labels("countersign_approval_pending_age_seconds_bucket"), bounds.into_iter().collect());
    assert_eq!(labels("countersign_jobs").len(), 6);
    for name in ["rows", "verify_total", "break_detected_total", "last_verified_at"] {
        let name = format!("countersign_audit_chain_{name} ");
        assert!(text.lines().any(|line| line.starts_with(&name)), "{name}\n{text}");
    }
}
