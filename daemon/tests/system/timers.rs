//! What time does to a request: further groups are asked, approvals lapse, starts are scheduled, and only a renewal
//! that changes nothing passes, where its profile says so.

use countersign_shared::error::ErrorKind;
use countersign_shared::lifecycle::{JobState, RequestState};
use countersign_shared::protocol::method::{JobRetry, RequestApprove, RequestGet, RequestReject, RequestSubmit};
use countersign_shared::protocol::{JobIdParams, Outcome, RequestIdParams, RequestSummary, SubmitParams};
use countersign_shared::time::{Span, Timestamp};

use crate::support::{ALICE, BOB, CAROL, Caller, ERIN, Host, ask, can_be_people, on, policy_with, until};

const HOUR: Span = Span::from_secs(3600);

/// A profile whose first group is empty but for alice, and a group that escalation brings in.
fn escalating() -> String {
    let more = format!(
        r#"
[[person]]
name = "erin"
accounts = ["uid:{ERIN}"]
[[group]]
name = "night"
members = ["person:alice", "person:bob"]
[[group]]
name = "leads"
members = ["person:erin"]
[[grant]]
role = "operator"
to = "group:leads"
[[profile]]
id = "p-night"
name = "At night"
environment = "production"
names = ["*.night.example"]
requires_approval = true
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
approval_timeout = "8h"
quorum = [{{ group = "night", need = 1 }}]
escalate = [{{ after = "2h", groups = ["leads"] }}]
"#
    );
    policy_with(1, "", &more)
}

#[test]
fn escalation_asks_further_groups_once_and_approves_nothing() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&escalating());
    let request = host.user(ALICE).request(&["a.night.example"]);
    assert_eq!(host.user(ALICE).status().pending, 1, "an escalation to come is no request that waits");
    let early = host.user(ERIN).refused::<RequestApprove>(&on(&request), ErrorKind::Forbidden);
    assert_eq!(early.data.rule.as_deref(), Some("no_vote"));
    host.pass(Span::from_secs(3 * 3600));
    until("it is escalated", || {
        host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'approval_escalated'") == 1
    });
    let told = "SELECT count(*) FROM notification_events WHERE kind = 'approval_escalated'";
    assert_eq!(host.value::<i64>(told), 1);
    let mut erin = host.user(ERIN);
    let seen = erin.call::<RequestGet>(&RequestIdParams { id: request.id.clone() });
    assert!(seen.you.allowed, "{:?}", seen.you);
    assert_eq!((seen.terms.escalations.len(), seen.terms.escalations[0].done), (1, true));
    assert_eq!(seen.request.state, RequestState::Pending);
    host.pass(HOUR);
    assert_eq!(host.user(ERIN).call::<RequestApprove>(&on(&request)).state, RequestState::Approved);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
    assert_eq!(host.user(ALICE).status().pending, 0);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'approval_escalated'"), 1);
    host.stop();
    host.start();
    assert!(host.user(CAROL).status().damage.is_none());
    crate::evidence::everything_verifies(&host);
}

#[test]
fn after_its_deadline_nobody_is_asked_any_more_and_it_expires() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&escalating());
    let request = host.user(ALICE).request(&["a.night.example"]);
    host.pass(Span::from_secs(9 * 3600));
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Expired);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM audit_events WHERE action = 'approval_escalated'"), 0);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM request_timers"), 0);
}

#[test]
fn an_approval_that_is_not_used_in_time_lapses() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy_with(1, "carry_out_within = \"1h\"", ""));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let soon = Timestamp::from_unix_millis(now() + 1_800_000).unwrap();
    let params = SubmitParams { not_before: Some(soon), ..ask(&["late.corp.example"]) };
    let request = alice.call::<RequestSubmit>(&params).request.unwrap();
    assert_eq!(request.not_before, Some(soon));
    bob.approve(&request);
    // Scheduled for in half an hour, to be carried out within an hour of that: two hours later it is too late.
    host.pass(Span::from_secs(2 * 3600));
    let waited = host.user(ALICE).wait(&request.id);
    assert_eq!(waited.outcome, Outcome::Failed);
    assert!(waited.why.clone().unwrap().raw().contains("lapsed"), "{waited:?}");
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
    assert!(host.user(CAROL).status().damage.is_none());
    // The approval is spent: no retry brings it back.
    let retried = host.user(BOB).attempt::<JobRetry>(&JobIdParams { id: waited.job.unwrap().id }).unwrap();
    if let Ok(job) = retried {
        let waited = host.user(ALICE).wait(&job.id);
        assert_eq!(waited.outcome, Outcome::Failed, "{waited:?}");
    }
    assert_eq!(host.value::<i64>("SELECT count(*) FROM certificate_versions"), 0);
}

#[test]
fn a_scheduled_request_is_carried_out_at_its_time_and_not_before() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy_with(1, "", ""));
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let passed = SubmitParams { not_before: Some(Timestamp::EPOCH), ..ask(&["past.corp.example"]) };
    assert!(alice.refused::<RequestSubmit>(&passed, ErrorKind::Invalid).message.contains("not_before"));
    let far = Timestamp::from_unix_millis(now() + 91 * 86_400_000).unwrap();
    let far = SubmitParams { not_before: Some(far), ..ask(&["far.corp.example"]) };
    assert!(alice.refused::<RequestSubmit>(&far, ErrorKind::Invalid).message.contains("90d"));
    let unattended = SubmitParams { not_before: far.not_before, ..ask(&["a.dev.test.example"]) };
    alice.refused::<RequestSubmit>(&unattended, ErrorKind::Invalid);

    let start = Timestamp::from_unix_millis(now() + 3_600_000).unwrap();
    let params = SubmitParams { not_before: Some(start), ..ask(&["later.corp.example"]) };
    let request = alice.call::<RequestSubmit>(&params).request.unwrap();
    bob.approve(&request);
    // What is not scheduled is not held up by what is.
    let other = alice.request(&["now.corp.example"]);
    bob.approve(&other);
    assert_eq!(alice.wait(&other.id).outcome, Outcome::Issued);
    let state = |host: &Host| host.value::<String>("SELECT state FROM jobs ORDER BY row LIMIT 1");
    assert_eq!(state(&host), "pending");
    host.pass(HOUR);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Issued);
    assert_eq!(state(&host), JobState::Completed.as_str());
    assert!(host.user(CAROL).status().damage.is_none());
}

/// The first certificate, issued; then a request for its successor.
fn renewal(host: &Host, names: &[&str], second: &[&str]) -> RequestSummary {
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    let first = alice.request(names);
    bob.approve(&first);
    assert_eq!(alice.wait(&first.id).outcome, Outcome::Issued);
    alice.request(second)
}

fn settled(caller: &mut Caller, request: &RequestSummary) -> RequestState {
    caller.call::<RequestGet>(&RequestIdParams { id: request.id.clone() }).request.state
}

#[test]
fn only_a_renewal_that_changes_nothing_passes_by_time_and_says_so() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&policy_with(1, "auto_approve_after = \"1h\"\napproval_timeout = \"30d\"", ""));
    let first = host.user(ALICE).request(&["first.corp.example"]);
    let same = renewal(&host, &["same.corp.example"], &["same.corp.example"]);
    let more = renewal(&host, &["more.corp.example"], &["more.corp.example", "evil.corp.example"]);
    let objected = renewal(&host, &["no.corp.example"], &["no.corp.example"]);
    let shown = host.user(BOB).call::<RequestGet>(&RequestIdParams { id: same.id.clone() });
    assert!(shown.terms.auto_approve_at.is_some());
    host.user(BOB).call::<RequestReject>(&on(&objected));
    assert_eq!(settled(&mut host.user(BOB), &same), RequestState::Pending);
    host.pass(Span::from_secs(2 * 3600));
    let mut alice = host.user(ALICE);
    assert_eq!(alice.wait(&same.id).outcome, Outcome::Issued);
    let record = "SELECT count(*) FROM audit_events WHERE action = 'approval_approved' AND actor = 'system-scheduler'
                  AND actor_type = 'System' AND details ->> '$.auto_approved' = 1";
    assert_eq!(host.value::<i64>(record), 1);
    let refusal = "SELECT count(*) FROM audit_events WHERE action = 'approval_refused' AND actor = 'system-scheduler'
                   AND details ->> '$.rule' = 'auto_approve_after'";
    until("the other one is refused", || host.value::<i64>(refusal) == 1);
    assert_eq!(settled(&mut alice, &first), RequestState::Pending);
    assert_eq!(settled(&mut alice, &more), RequestState::Pending);
    assert_eq!(settled(&mut alice, &objected), RequestState::Rejected);
    // What was refused once is not tried again, and people can still decide it.
    host.pass(HOUR);
    assert_eq!(host.value::<i64>(refusal), 1);
    host.user(BOB).approve(&more);
    assert_eq!(host.user(ALICE).wait(&more.id).outcome, Outcome::Issued);
    host.stop();
    host.start();
    assert!(host.user(CAROL).status().damage.is_none());
    crate::evidence::everything_verifies(&host);
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
