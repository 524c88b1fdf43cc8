//! Damage that is done under a running daemon: what the gate believes nobody about, and what a verification finds.

use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::{AuditVerify, RequestSubmit};

use crate::damage::Scene;
use crate::support::{ALICE, BOB, Caller, DAVE, Host, ask, can_be_people, until};

#[test]
fn damage_done_under_a_running_daemon_is_found_by_verification_and_ends_all_deciding() {
    if !can_be_people() {
        return;
    }
    let mut scene = Scene::new();
    scene.host.start();
    let mut dave = scene.host.user(DAVE);
    assert!(dave.call::<AuditVerify>(&NoParams {}).intact);
    scene.host.tamper("UPDATE audit_events SET actor = 'uid:1' WHERE action = 'approval_approved'");
    let verified = dave.call::<AuditVerify>(&NoParams {});
    assert_eq!((verified.intact, verified.damage.unwrap().rule.as_str()), (false, "columns"));
    assert!(scene.host.oneself().status().read_only);
    scene.decides_nothing("after the verification");
    // A restart does not forget it.
    scene.host.stop();
    scene.is_read_only("after a restart", "columns", true);
}

/// Frees the pending job by SQL while the daemon runs, then gives the executor a reason to look.
fn freed_under_a_running_daemon(sql: &str) {
    let mut scene = Scene::new();
    scene.host.start();
    let mut alice = scene.host.user(ALICE);
    scene.host.tamper(sql);
    let _ = alice.attempt::<RequestSubmit>(&ask(&["a.dev.test.example"]));
    let mut oneself: Caller = scene.host.oneself();
    until("the gate finds it", || oneself.status().read_only);
    let damage = oneself.status().damage.unwrap();
    assert_eq!(damage.rule, "gate", "{damage:?}");
    let leaked: i64 = scene.host.value(
        "SELECT count(*) FROM certificate_versions v JOIN jobs j ON j.id = v.job_id
         WHERE j.request_id IN (SELECT id FROM approval_requests WHERE primary_name = 'web3.corp.example')",
    );
    assert_eq!(leaked, 0);
    scene.decides_nothing("after the gate found it");
}

#[test]
fn a_job_freed_by_sql_under_a_running_daemon_is_never_issued() {
    if !can_be_people() {
        return;
    }
    let approved = "(SELECT seq FROM audit_events WHERE action = 'approval_approved')";
    // One record frees one job in the schema too: whoever borrows it takes it from its owner first.
    let taken = "UPDATE jobs SET record_seq = 0 WHERE state = 'completed'";
    freed_under_a_running_daemon(
        "UPDATE jobs SET state = 'pending', record_seq = (SELECT a.seq FROM audit_events a
             WHERE a.resource_id = jobs.request_id) WHERE state = 'awaiting_approval'",
    );
    freed_under_a_running_daemon(&format!(
        "{taken}; UPDATE jobs SET state = 'pending', record_seq = {approved} WHERE state = 'awaiting_approval'"
    ));
    // With everything around it made to fit: the request approved, a vote invented, the record borrowed.
    freed_under_a_running_daemon(&format!(
        "{taken}; UPDATE approval_requests SET state = 'approved', decided_at = created_at, decided_by = 'uid:62002',
             seq = {approved} WHERE state = 'pending';
         UPDATE decisions SET request_id = (SELECT id FROM approval_requests WHERE primary_name = 'web3.corp.example'),
             digest = (SELECT digest FROM approval_requests WHERE primary_name = 'web3.corp.example')
             WHERE verdict = 'approve';
         UPDATE jobs SET state = 'pending', record_seq = {approved} WHERE state = 'awaiting_approval'"
    ));
}

#[test]
fn content_exchanged_after_the_approval_is_never_issued() {
    if !can_be_people() {
        return;
    }
    // What was approved is the digest of the content: another key or name under the same approval is found.
    let mut host = Host::prepared(&crate::support::policy_with(2, "", ""));
    host.start();
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let request = alice.request(&["web1.corp.example"]);
    bob.approve(&request);
    host.tamper("UPDATE submissions SET content = replace(content, 'web1.corp.example', 'bank.corp.example')");
    host.user(crate::support::CAROL).approve(&request);
    let mut oneself = host.oneself();
    until("the gate finds it", || oneself.status().read_only);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
}
