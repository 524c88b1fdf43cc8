//! What one requester may have waiting.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::RequestSubmit;

use crate::support::{ALICE, ALICE_ADM, Host, ask, can_be_people, policy};

/// The documented limit.
const PENDING: u32 = 2000;

#[test]
fn a_requester_with_too_many_pending_requests_waits_until_some_are_decided() {
    if !can_be_people() {
        return;
    }
    let host = Host::serving(&policy());
    let mut alice = host.user(ALICE);
    alice.request(&["web1.corp.example"]);
    // Her second account has as many as it may, one short of them, and the last one comes through the daemon.
    let more = PENDING - 1;
    host.tamper(&format!(
        "CREATE TEMP TABLE copies AS SELECT r.* FROM approval_requests r, (WITH RECURSIVE n(i) AS
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {more}) SELECT i FROM n);
         UPDATE copies SET row = row + rowid, requested_seq = 1000000 + rowid, id = 'ar-' || printf('%014d', rowid), job_id = 'job-' || rowid,
             certificate_id = 'cert-' || rowid, requester_uid = {ALICE_ADM};
         INSERT INTO approval_requests SELECT * FROM copies"
    ));
    let mut other = host.user(ALICE_ADM);
    let mut last = ask(&["web2.corp.example"]);
    last.idempotency_key = Some("last".into());
    let made = other.call::<RequestSubmit>(&last);
    let records: u32 = host.value("SELECT count(*) FROM audit_events");
    let refused = other.refused::<RequestSubmit>(&ask(&["web3.corp.example"]), ErrorKind::RateLimited);
    assert!(refused.message.contains("2000 requests of") && refused.data.hint.contains("decided"), "{refused:?}");
    assert_eq!(host.value::<u32>("SELECT count(*) FROM audit_events"), records, "too much is no attempt");
    // The same again is no new request, and others are not concerned.
    assert_eq!(other.call::<RequestSubmit>(&last).job.id, made.job.id);
    alice.request(&["web4.corp.example"]);
    host.tamper("DELETE FROM approval_requests WHERE id = 'ar-00000000000001'");
    other.request(&["web3.corp.example"]);
    other.refused::<RequestSubmit>(&ask(&["web5.corp.example"]), ErrorKind::RateLimited);
}
