//! A proposal that somebody edited in the database: neither shown, nor applied, nor overlooked at the next start.

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::{RequestApprove, RequestSubmit};

use crate::policy_change::{base, changed, propose};
use crate::support::{ALICE, BOB, CAROL, Host, ask, can_be_people, on, policy_with};

/// What somebody does to the database, and by which rule it is found at the next start.
#[test]
fn a_proposal_that_was_edited_is_found_at_the_start_and_at_the_gate() {
    if !can_be_people() {
        return;
    }
    let next = base().replace("max_validity = \"90d\"", "max_validity = \"45d\"");
    let edits = [
        "UPDATE proposals SET document = document || '# '",
        "UPDATE proposals SET differences = '[]'",
        "UPDATE proposals SET findings = '[]'",
        "UPDATE proposals SET sha256 = base_sha256",
        "UPDATE proposals SET reason_sha256 = sha256",
        "DELETE FROM proposals",
    ];
    for edit in edits {
        let mut host = Host::serving(&base());
        let proposed = propose(&mut host.user(CAROL), &next).request;
        host.tamper(edit);
        // Neither shown nor applied under a running daemon.
        let mut bob = host.user(BOB);
        bob.refused::<RequestApprove>(&on(&proposed), ErrorKind::ReadOnly);
        let status = host.oneself().status();
        assert_eq!(status.damage.map(|damage| damage.rule).as_deref(), Some("gate"), "{edit}");
        assert_eq!(host.value::<i64>("SELECT count(*) FROM policies"), 1, "{edit}");
        host.stop();
        host.start();
        let status = host.oneself().status();
        assert_eq!(status.damage.map(|damage| damage.rule).as_deref(), Some("state"), "{edit}");
    }
    // A policy that nobody agreed to, however it came to stand there.
    let mut host = Host::serving(&base());
    changed(&host, &next);
    host.stop();
    host.tamper("UPDATE decisions SET verdict = 'reject'; UPDATE approval_requests SET state = 'voided'");
    host.start();
    assert!(host.oneself().status().read_only);
}

#[test]
fn terms_that_were_edited_under_a_running_daemon_do_not_let_a_policy_pass() {
    if !can_be_people() {
        return;
    }
    let two = "[change_control]\nquorum = [{ group = \"pki\", need = 2 }]\n";
    let host = Host::serving(&policy_with(1, "", two));
    let next = policy_with(2, "", two);
    let mut carol = host.user(CAROL);
    let proposed = propose(&mut carol, &next).request;
    // The requester is made somebody else, so that carol's own vote would count.
    host.tamper(&format!(
        "UPDATE approval_requests SET requester_uid = {ALICE}, requester_account = 'uid:{ALICE}',
                              requester_person = 'alice'"
    ));
    host.user(BOB).approve(&proposed);
    carol.refused::<RequestApprove>(&on(&proposed), ErrorKind::ReadOnly);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM policies"), 1);
    host.user(ALICE).refused::<RequestSubmit>(&ask(&["web1.corp.example"]), ErrorKind::ReadOnly);
}
