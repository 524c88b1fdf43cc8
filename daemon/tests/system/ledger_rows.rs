//! Exactly which ledger rows each thing leaves, by whom, with which rule; and the columns that auditors query.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{AuditGet, AuditVerify, RequestApprove, RequestReject};
use countersign_shared::protocol::{ActorType, AuditEvent, AuditGetParams, Category, NoParams, Outcome};

use crate::support::{ALICE, ALICE_ADM, BOB, CAROL, DAVE, Host, MALLORY, account, can_be_people, on, policy};

fn told(records: &[AuditEvent]) -> Vec<(&'static str, &str)> {
    records.iter().map(|record| (record.action.as_str(), record.actor.as_str())).collect()
}

#[test]
fn an_approval_leaves_these_rows_and_no_others() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let (mut alice, mut bob, mut dave) = (host.user(ALICE), host.user(BOB), host.user(DAVE));
    let submitted = alice.submit(&["web1.corp.example"]);
    let request = submitted.request.unwrap();
    alice.refused::<RequestApprove>(&on(&request), ErrorKind::TwoPersonIntegrity);
    host.user(ALICE_ADM).refused::<RequestReject>(&on(&request), ErrorKind::TwoPersonIntegrity);
    host.user(MALLORY).refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    let decided = bob.call::<RequestApprove>(&on(&request));
    assert_eq!(alice.wait(&request.id).outcome, Outcome::Issued);

    let records = dave.records(&request.id);
    let (a, a2, b, m) = (account(ALICE), account(ALICE_ADM), account(BOB), account(MALLORY));
    assert_eq!(
        told(&records),
        [
            ("approval_requested", a.as_str()),
            ("approval_refused", &a),
            ("approval_refused", &a2),
            ("approval_refused", &m),
            ("approval_approved", &b)
        ]
    );
    let refusals: Vec<_> = records[1..4].iter().map(|r| (&r.details["verb"], &r.details["rule"])).collect();
    assert_eq!(
        refusals,
        [
            (&"request.approve".into(), &"requester_decides".into()),
            (&"request.reject".into(), &"requester_decides".into()),
            (&"request.approve".into(), &"no_role".into())
        ]
    );
    assert!(records.iter().all(|record| record.actor_type == ActorType::User && record.resource_type == "request"));
    assert!(records[1..4].iter().all(|record| record.category == Category::Auth));
    assert!([0, 4].iter().all(|at| records[*at].category == Category::CertLifecycle));
    let approval = &records[4];
    assert_eq!((approval.seq, approval.record_sha256), (decided.seq, decided.record_sha256));
    assert_eq!(approval.details["digest"], request.digest.to_string());
    assert_eq!((&approval.details["uid"], &approval.details["pid"]), (&BOB.into(), &bob.pid().into()));
    assert_eq!(approval.details["person"], "bob");
    assert_eq!(approval.details["login_uid"], serde_json::Value::Null);

    let issued = dave.records(&submitted.certificate_id);
    assert_eq!(told(&issued), [("certificate_issued", "system-scheduler")]);
    assert_eq!(issued[0].actor_type, ActorType::System);
    // The record that allowed the signature is the approval.
    assert!(issued[0].details.to_string().contains(&approval.record_sha256.to_string()), "{:?}", issued[0].details);

    // The bytes that are hashed say the same as the columns.
    let exact = dave.call::<AuditGet>(&AuditGetParams { event_id: Some(approval.event_id.clone()), seq: None });
    let record: serde_json::Value = serde_json::from_str(&exact.record).unwrap();
    assert_eq!((&record["actor"], &record["details"]), (&b.as_str().into(), &approval.details));
    let verified = dave.call::<AuditVerify>(&NoParams {});
    assert!(verified.intact && verified.damage.is_none());
    assert_eq!(verified.records, host.value::<u64>("SELECT count(*) FROM audit_events"));
}

#[test]
fn free_text_is_in_the_ledger_by_its_digest_alone() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let request = host.user(ALICE).request(&["web1.corp.example"]);
    host.user(BOB).approve(&request);
    for text in ["new web server", "looked at it"] {
        let sql = format!("SELECT count(*) FROM audit_events WHERE instr(CAST(record AS TEXT), '{text}') > 0");
        assert_eq!(host.value::<i64>(&sql), 0, "{text}");
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE details ->> '$.note_sha256' IS NOT NULL"), 1);
}

#[test]
fn the_columns_that_auditors_query_are_there() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy());
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let first = alice.request(&["web1.corp.example"]);
    host.user(CAROL).call::<RequestReject>(&on(&first));
    let second = alice.request(&["web2.corp.example"]);
    bob.approve(&second);
    alice.wait(&second.id);
    host.stop();
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE actor = 'system-bypass'"), 0);
    let actions: String =
        host.value("SELECT group_concat(action, ' ') FROM (SELECT action FROM audit_events ORDER BY seq)");
    assert_eq!(
        actions,
        "policy_loaded daemon_started approval_requested approval_rejected approval_requested approval_approved \
         certificate_issued daemon_stopped"
    );
    for (table, rows) in
        [("approval_requests", 2), ("decisions", 2), ("jobs", 2), ("certificates", 2), ("notification_events", 5)]
    {
        assert_eq!(host.value::<i64>(&format!("SELECT count(*) FROM {table}")), rows, "{table}");
    }
    let utc = "SELECT count(*) FROM audit_events WHERE created_at NOT GLOB '????-??-??T??:??:??*Z'";
    assert_eq!(host.value::<i64>(utc), 0);
}
