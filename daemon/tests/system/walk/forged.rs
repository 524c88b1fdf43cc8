//! What the owner of the database file can write into it: no issuer is asked on its account. It is found at the
//! start, or at the gate.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::NoParams;
use countersign_shared::protocol::method::{AuditVerify, RequestApprove};

use super::scene::{Scene, possible};
use crate::support::{ALICE, BOB, CAROL, on, until};

/// One certificate that was agreed to, requests that ended, and one that waits; then what `sql` makes of it while
/// the daemon stands, or while it runs.
fn forged(sql: &str, while_it_runs: bool) -> Scene {
    let mut scene = Scene::new();
    let issued = scene.pending.clone();
    scene.host.user(BOB).approve(&issued);
    scene.was_ordered(&issued, 1);
    scene.end_some();
    scene.wait_anew();
    if while_it_runs {
        scene.host.tamper(sql);
    } else {
        scene.host.stop();
        scene.host.tamper(sql);
        scene.host.start();
    }
    scene
}

/// The request that waits, the job that it blocks, and the record of the approval of another.
const WAITS: &str = "(SELECT max(id) FROM approval_requests WHERE state = 'pending')";
const APPROVAL: &str = "(SELECT seq FROM audit_events WHERE action = 'approval_approved')";
/// One record frees one job in the schema too: whoever borrows it takes it from its owner first.
const TAKEN: &str = "UPDATE jobs SET record_seq = 0 WHERE state = 'completed'";

fn forgeries() -> Vec<(&'static str, String)> {
    let approved = format!(
        "UPDATE approval_requests SET state = 'approved', decided_at = created_at, decided_by = 'uid:{BOB}',
             seq = {APPROVAL} WHERE id = {WAITS}"
    );
    let freed = |seq: &str| format!("UPDATE jobs SET state = 'pending', record_seq = {seq} WHERE request_id = {WAITS}");
    let requested = format!("(SELECT requested_seq FROM approval_requests WHERE id = {WAITS})");
    let vote = format!(
        "INSERT INTO decisions SELECT 99, {WAITS}, r.version, r.digest, d.verdict, d.voter, d.uid, d.account, d.person,
             d.login_uid, d.session, d.note, d.note_salt, d.decided_at, 0 FROM decisions d, approval_requests r
         WHERE d.verdict = 'approve' AND r.id = {WAITS}"
    );
    vec![
        ("a job freed", freed(&requested)),
        ("a job freed under the approval of another", format!("{TAKEN}; {}", freed(APPROVAL))),
        ("a request approved", approved.clone()),
        ("both of them", format!("{TAKEN}; {approved}; {}", freed(APPROVAL))),
        ("both of them and a vote", format!("{TAKEN}; {approved}; {}; {vote}", freed(APPROVAL))),
        ("a vote that nobody gave", vote),
        (
            "a vote moved to another request",
            format!(
                "UPDATE decisions SET request_id = {WAITS}, digest = (SELECT digest FROM approval_requests WHERE id = {WAITS})
                 WHERE verdict = 'approve'; {TAKEN}; {approved}; {}",
                freed(APPROVAL)
            ),
        ),
        (
            "a job that lost its request",
            format!("{TAKEN}; UPDATE jobs SET state = 'pending', request_id = NULL, record_seq = {APPROVAL} WHERE request_id = {WAITS}"),
        ),
        (
            "a job that took the request of another",
            format!(
                "UPDATE jobs SET state = 'failed', finished_at = created_at, error = '' WHERE state = 'completed';
                 UPDATE jobs SET state = 'pending', record_seq = {APPROVAL}, request_id = (SELECT id FROM approval_requests
                     WHERE state = 'approved') WHERE request_id = {WAITS}"
            ),
        ),
        (
            "other content under an approval",
            format!(
                "{TAKEN}; UPDATE jobs SET state = 'pending', serial = NULL, finished_at = NULL, record_seq = {APPROVAL},
                     submission_id = (SELECT submission_id FROM approval_requests WHERE id = {WAITS})
                 WHERE state = 'completed'"
            ),
        ),
        (
            "a signature once more",
            "UPDATE jobs SET state = 'pending', serial = NULL, finished_at = NULL WHERE state = 'completed'".to_owned(),
        ),
        (
            "a rejected request approved",
            format!(
                "{TAKEN}; UPDATE approval_requests SET state = 'approved' WHERE state = 'rejected';
                 UPDATE jobs SET state = 'pending', finished_at = NULL, error = NULL, record_seq = {APPROVAL}
                     WHERE request_id IN (SELECT request_id FROM decisions WHERE verdict = 'reject')"
            ),
        ),
        (
            "a voided request that waits again",
            "UPDATE approval_requests SET state = 'pending', decided_at = NULL, decided_by = NULL, seq = requested_seq
                 WHERE state = 'voided';
             UPDATE jobs SET state = 'awaiting_approval', finished_at = NULL, error = NULL WHERE state = 'cancelled'
                 AND request_id IN (SELECT id FROM approval_requests WHERE state = 'pending')"
                .to_owned(),
        ),
        (
            "looser terms",
            format!(
                "UPDATE request_terms SET terms = replace(terms, 'pki:1', '*:1') WHERE request_id = {WAITS}"
            ),
        ),
        (
            "terms of another version",
            format!("UPDATE request_terms SET digest = (SELECT digest FROM submissions WHERE id = 1) WHERE request_id = {WAITS}"),
        ),
        (
            "another requester",
            format!("UPDATE approval_requests SET requester_uid = {CAROL}, requester_person = 'carol' WHERE id = {WAITS}"),
        ),
        ("a requester of no person", "UPDATE approval_requests SET requester_person = NULL".to_owned()),
        ("an older request", "UPDATE approval_requests SET created_tick = created_tick - 100000000".to_owned()),
        (
            "a group that was brought in by the record of something else",
            format!("UPDATE request_timers SET done_seq = {requested} WHERE kind = 'escalate'"),
        ),
        (
            "a later deadline",
            format!(
                "UPDATE approval_requests SET deadline_tick = deadline_tick + 100000000,
                     expires_at = '2099-01-01T00:00:00.000Z' WHERE id = {WAITS}"
            ),
        ),
        ("an escalation at once", "UPDATE request_timers SET due_tick = 0 WHERE kind = 'escalate'".to_owned()),
        ("a start that has come", "UPDATE request_terms SET not_before_tick = 0 WHERE not_before IS NOT NULL".to_owned()),
        (
            "a passing by time for what is no renewal",
            "INSERT INTO request_timers SELECT id, 'auto_approve', 0, 0, created_at, NULL FROM approval_requests
                 WHERE state = 'pending'"
                .to_owned(),
        ),
        (
            "a profile that asks nobody",
            "UPDATE policies SET document = replace(document, 'requires_approval = true', '')".to_owned(),
        ),
    ]
}

#[test]
fn what_is_forged_while_the_daemon_stands_is_found_and_reaches_no_issuer() {
    if !possible() {
        return;
    }
    for (what, sql) in forgeries() {
        let scene = forged(&sql, false);
        let status = scene.host.oneself().status();
        assert!(status.read_only, "{what}: nothing was found");
        scene.host.user(BOB).refused::<RequestApprove>(&on(&scene.pending), ErrorKind::ReadOnly);
        assert_eq!(scene.orders().len(), 1, "{what}");
    }
}

/// The state that is forged under a daemon that runs is not looked at before it is used. Then the gate looks.
#[test]
fn what_is_forged_while_the_daemon_runs_reaches_no_issuer() {
    if !possible() {
        return;
    }
    for (what, sql) in forgeries() {
        let mut scene = forged(&sql, true);
        // Another request, agreed to in order, makes the executor look at all that is pending.
        let other = scene.host.user(ALICE).attempt::<countersign_shared::protocol::method::RequestSubmit>(
            &crate::support::ask(&["other.corp.example"]),
        );
        let mut agreed = 1;
        if let Some(Ok(submitted)) = other
            && let Some(request) = submitted.request
            && scene.host.user(BOB).attempt::<RequestApprove>(&on(&request)).unwrap().is_ok()
        {
            agreed += 1;
            let job = request.job_id.unwrap();
            until("the job has ended, or nothing is signed any more", || {
                let ended = format!("SELECT state IN ('completed', 'failed') FROM jobs WHERE id = '{job}'");
                scene.host.value::<bool>(&ended) || scene.host.oneself().status().read_only
            });
        }
        let verified = scene.host.user(CAROL).call::<AuditVerify>(&NoParams {});
        assert!(!verified.intact, "{what}: nothing was found");
        scene.host.stop();
        scene.host.start();
        let orders = scene.orders();
        assert!(orders.len() <= agreed, "{what}: {orders:#?}");
        let forged = scene.pending.job_id.as_ref().unwrap().as_str();
        assert!(orders.iter().all(|order| order["job"] != forged), "{what}: {orders:#?}");
        let jobs: std::collections::BTreeSet<&str> = orders.iter().filter_map(|order| order["job"].as_str()).collect();
        assert_eq!(jobs.len(), orders.len(), "{what}: one job was signed for twice");
    }
}
