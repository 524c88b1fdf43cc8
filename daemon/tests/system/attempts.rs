//! Attempts that rules stop again and again: an alarm, counted by human, from the ledger.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::RequestApprove;
use countersign_shared::protocol::{Attempts, RequestSummary};
use countersign_shared::time::Span;

use crate::support::{
    ALICE, ALICE_ADM, BOB, CAROL, Caller, Host, MALLORY, account, can_be_people, on, policy, skipped,
};

const HOUR: u64 = 3600;

/// An approval that a rule stops.
fn stopped(caller: &mut Caller, request: &RequestSummary) {
    let error = caller.attempt::<RequestApprove>(&on(request)).unwrap().unwrap_err();
    assert!(error.data.rule.is_some(), "{error:?}");
}

fn alarms(host: &Host) -> Vec<Attempts> {
    host.oneself().status().attempts
}

fn counted(host: &Host) -> Vec<String> {
    let text = host.user(CAROL).metrics();
    let lines =
        text.lines().filter(|line| line.contains("_attempts_") && !line.starts_with('#') && !line.ends_with(" 0"));
    lines.map(|line| line.trim_start_matches("countersign_").to_owned()).collect()
}

#[test]
fn of_one_human_by_whatever_account_and_through_a_restart() {
    if !can_be_people() {
        return;
    }
    if !std::path::Path::new("/proc/self/loginuid").exists() {
        return skipped("this kernel keeps no login uid");
    }
    let mut host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    stopped(&mut host.user(ALICE), &request);
    stopped(&mut host.user(ALICE_ADM), &request);
    stopped(&mut host.user_by(ALICE, BOB), &request);
    stopped(&mut host.user_by(ALICE_ADM, 0), &request);
    // What others do, and what bob does himself, counts for them.
    for _ in 0..4 {
        stopped(&mut host.user(MALLORY), &request);
    }
    assert_eq!(alarms(&host), []);
    host.kill();
    host.start();
    assert_eq!(alarms(&host), []);
    stopped(&mut host.user_by(ALICE, BOB), &request);
    let raised = alarms(&host);
    assert_eq!(raised.len(), 1, "{raised:?}");
    assert_eq!((raised[0].count, raised[0].rule.as_str(), &raised[0].actor), (5, "login_mismatch", &account(ALICE)));
    assert_eq!(raised[0].human, "alice");

    let record = host.user(CAROL).records(&account(ALICE)).pop().unwrap();
    assert_eq!(
        (record.action.as_str(), record.resource_type.as_str(), record.seq),
        ("attempts_repeated", "user", raised[0].seq)
    );
    assert_eq!((&record.details["human"], &record.details["uid"]), (&"alice".into(), &BOB.into()));
    assert!(record.details["since"].as_str().unwrap() <= record.created_at.to_string().as_str());
    let before = format!("SELECT action FROM audit_events WHERE seq = {}", record.seq - 1);
    assert_eq!(host.value::<String>(&before), "approval_refused");
    let told =
        format!("SELECT count(*) FROM notification_events WHERE kind = 'attempts_repeated' AND seq = {}", record.seq);
    assert_eq!(host.value::<i64>(&told), 1);

    // Twice as many raise the next, and nothing in between does.
    for _ in 0..4 {
        stopped(&mut host.user(ALICE), &request);
    }
    assert_eq!(alarms(&host).len(), 1);
    stopped(&mut host.user(ALICE), &request);
    assert_eq!(alarms(&host).iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [10, 5]);
    let now = counted(&host);
    assert_eq!(
        now,
        [
            "attempts_alarms_total 2",
            "refused_attempts_total{rule=\"login_mismatch\"} 2",
            "refused_attempts_total{rule=\"no_role\"} 4",
            "refused_attempts_total{rule=\"requester_decides\"} 7",
            "refused_attempts_total{rule=\"root_decides_nothing\"} 1",
        ]
    );
    host.stop();
    host.start();
    assert_eq!((counted(&host), alarms(&host).len()), (now, 2));
    assert!(!host.oneself().status().read_only);
}

#[test]
fn after_a_quiet_hour_they_count_anew_and_after_a_day_nothing_is_told() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    for _ in 0..5 {
        stopped(&mut host.user(ALICE), &request);
    }
    assert_eq!(alarms(&host).len(), 1);
    host.pass(Span::from_secs(HOUR + 60));
    for _ in 0..4 {
        stopped(&mut host.user(ALICE), &request);
    }
    assert_eq!(alarms(&host).len(), 1);
    stopped(&mut host.user(ALICE), &request);
    assert_eq!(alarms(&host).iter().map(|alarm| alarm.count).collect::<Vec<_>>(), [5, 5]);
    host.pass(Span::from_secs(23 * HOUR));
    assert_eq!(alarms(&host).len(), 1);
    host.pass(Span::from_secs(2 * HOUR));
    assert_eq!(alarms(&host), []);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'attempts_repeated'"), 2);
}

#[test]
fn a_flood_raises_few_alarms_and_ends_where_patience_does() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    let request = alice.request(&["web1.corp.example"]);
    let mut stopped = 0;
    loop {
        let error = alice.attempt::<RequestApprove>(&on(&request)).unwrap().unwrap_err();
        if error.data.kind == ErrorKind::RateLimited {
            break;
        }
        stopped += 1;
        assert!(stopped < 600, "no end");
    }
    let refused = host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'approval_refused'");
    assert_eq!(refused, stopped);
    let doubled: Vec<u32> =
        [5, 10, 20, 40, 80, 160, 320].into_iter().filter(|count| i64::from(*count) <= refused).rev().collect();
    assert!(doubled.len() >= 4);
    assert_eq!(alarms(&host).iter().map(|alarm| alarm.count).collect::<Vec<_>>(), doubled);
}
