//! The stream of ledger records.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{
    AuditVerify, DaemonWhoami, EventsSubscribe, RequestApprove, RequestSubmit, RequestWait,
};
use countersign_shared::protocol::{Event, NoParams, SubscribeParams, WaitParams};
use countersign_shared::time::Timestamp;
use countersignd::clock::{Clock, SystemClock};

use crate::support::{
    ALICE, BOB, CAROL, Caller, DAVE, Host, MALLORY, ask, can_be_people, on, policy, until as until_true,
};

const REQUESTS: usize = 200;

/// Reads records up to the one before `end`.
fn records(caller: &mut Caller, end: u64) -> Vec<(u64, String, String)> {
    let mut seen = Vec::new();
    loop {
        let Event::Record { seq, action, resource_id, .. } = caller.event() else { panic!("no record") };
        seen.push((seq, action.to_string(), resource_id));
        if seq + 1 >= end {
            return seen;
        }
    }
}

#[test]
fn every_subscriber_sees_every_record_once_and_in_order() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut subscribers = [host.user(BOB), host.user(CAROL), host.user(DAVE)];
    for subscriber in &mut subscribers {
        let from_seq = Some(0);
        assert_eq!(subscriber.call::<EventsSubscribe>(&SubscribeParams { from_seq }).from_seq, 0);
    }
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let asks: Vec<_> = (0..REQUESTS).map(|at| ask(&[&format!("web{at}.corp.example")])).collect();
    let mut made = Vec::new();
    for some in asks.chunks(40) {
        some.iter().for_each(|ask| alice.send::<RequestSubmit>(ask).unwrap());
        made.extend(some.iter().map(|_| alice.answer::<RequestSubmit>().unwrap().unwrap().request.unwrap()));
        bob.approve(made.last().unwrap());
        alice.wait(&made.last().unwrap().id);
    }
    let end = bob.status().ledger_size;
    let expected: Vec<(u64, String, String)> = host
        .db()
        .prepare("SELECT seq, action, resource_id FROM audit_events WHERE seq < ?1 ORDER BY seq")
        .unwrap()
        .query_map([end], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(expected.len(), 2 + REQUESTS + 5 * 2);
    for subscriber in &mut subscribers {
        assert_eq!(records(subscriber, end), expected);
    }
    // One that comes later and knows where it was gets the rest.
    let mut late = host.user(DAVE);
    late.call::<EventsSubscribe>(&SubscribeParams { from_seq: Some(100) });
    assert_eq!(records(&mut late, end), expected[100..]);
    let ahead = SubscribeParams { from_seq: Some(end + 1) };
    late.refused::<EventsSubscribe>(&ahead, ErrorKind::Invalid);
}

#[test]
fn a_requester_sees_its_own_and_nobody_without_a_role_sees_anything() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy().replace(
        "[[grant]]\nrole = \"auditor\"",
        &format!("[[grant]]\nrole = \"requester\"\nto = \"uid:{MALLORY}\"\n[[grant]]\nrole = \"auditor\""),
    ));
    let (mut alice, mut bob, mut mallory) = (host.user(ALICE), host.user(BOB), host.user(MALLORY));
    let mut watching = host.user(MALLORY);
    watching.call::<EventsSubscribe>(&SubscribeParams { from_seq: Some(0) });
    let of_alice = alice.request(&["web1.corp.example"]);
    let own = mallory.submit(&["web2.corp.example"]);
    let request = own.request.unwrap();
    bob.call::<RequestApprove>(&on(&of_alice));
    alice.wait(&of_alice.id);
    bob.call::<RequestApprove>(&on(&request));
    mallory.wait(&request.id);
    let seen = records(&mut watching, host.value("SELECT max(seq) + 1 FROM audit_events"));
    let seen: Vec<_> = seen.iter().map(|(_, action, resource)| (action.as_str(), resource.as_str())).collect();
    let certificate = own.certificate_id.to_string();
    assert_eq!(
        seen,
        [
            ("approval_requested", request.id.as_str()),
            ("approval_approved", request.id.as_str()),
            ("certificate_issued", &certificate)
        ]
    );
    let error = host.user(4_000_000_123).refused::<EventsSubscribe>(&SubscribeParams::default(), ErrorKind::Forbidden);
    assert_eq!(error.data.rule.as_deref(), Some("no_role"));
}

#[test]
fn what_a_grant_allowed_ends_with_it_also_for_those_who_are_waiting() {
    if !can_be_people() {
        return;
    }
    let until = Timestamp::from_unix_millis(SystemClock.wall_millis() + 5_000).unwrap();
    let grant = format!("[[grant]]\nrole = \"requester\"\nto = \"uid:{MALLORY}\"\nuntil = {until}\n");
    let host = Host::serving(&policy().replacen("[[grant]]", &format!("{grant}[[grant]]"), 1));
    let (mut mallory, mut watching, mut bob) = (host.user(MALLORY), host.user(MALLORY), host.user(BOB));
    let request = mallory.request(&["web1.corp.example"]);
    watching.call::<EventsSubscribe>(&SubscribeParams { from_seq: Some(0) });
    assert!(matches!(watching.event(), Event::Record { .. }));
    mallory.send::<RequestWait>(&WaitParams { id: request.id.to_string(), timeout: None }).unwrap();
    until_true("the grant ends", || watching.call::<DaemonWhoami>(&NoParams {}).roles.is_empty());
    bob.approve(&request);
    let refused = mallory.answer::<RequestWait>().unwrap().unwrap_err();
    assert_eq!(refused.data.kind, ErrorKind::Forbidden, "{refused:?}");
    assert!(matches!(watching.event(), Event::Resync { .. }));
    watching.refused::<EventsSubscribe>(&SubscribeParams::default(), ErrorKind::Forbidden);
}

#[test]
fn one_user_has_so_many_subscriptions_and_no_more() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut full: Vec<Caller> = (0..8).map(|_| host.user(DAVE)).collect();
    for caller in &mut full {
        for _ in 0..8 {
            caller.call::<EventsSubscribe>(&SubscribeParams::default());
        }
    }
    let mut next = host.user(DAVE);
    let error = next.refused::<EventsSubscribe>(&SubscribeParams::default(), ErrorKind::RateLimited);
    assert!(error.message.contains("64"), "{error:?}");
    host.user(BOB).call::<EventsSubscribe>(&SubscribeParams::default());
    full.pop();
    until_true("a connection's subscriptions end with it", || {
        next.attempt::<EventsSubscribe>(&SubscribeParams::default()).unwrap().is_ok()
    });
}

#[test]
fn an_alarm_reaches_every_subscriber() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut subscribers = [host.user(BOB), host.user(ALICE), host.user(DAVE)];
    for subscriber in &mut subscribers {
        subscriber.call::<EventsSubscribe>(&SubscribeParams::default());
    }
    host.tamper("UPDATE audit_events SET actor = 'nobody' WHERE seq = 0");
    host.user(DAVE).call::<AuditVerify>(&NoParams {});
    for subscriber in &mut subscribers {
        assert!(matches!(subscriber.event(), Event::Alarm { .. }));
    }
}
