//! Mail of what became of the work, and of what those who run the host have to know; and when it goes out.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_shared::protocol::method::RequestApprove;
use countersign_shared::protocol::{Outcome, RequestSummary};
use countersign_shared::time::Span;

use crate::messages::{addressed, host};
use crate::policy_change::changed;
use crate::support::mail::MailServer;
use crate::support::{ALICE, BOB, Host, can_be_people, on, policy_with, until};

#[test]
fn a_failed_job_another_policy_and_an_alarm_find_whom_they_concern() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let control = "[change_control]\nquorum = [{ group = \"pki\", need = 1 }]\n";
    let policy = policy_with(1, "", control);
    let host = host(&policy, &mail, "");
    let request = host.user(ALICE).request(&["www.corp.example"]);
    // Its profile goes while it waits.
    let changed_to = addressed(&policy).replace("p-web", "p-www");
    changed(&host, &changed_to);
    let told = mail.wait_for("Another policy is in force");
    assert!(told.to.contains(&"carol@corp.example".to_owned()), "who proposed it, an admin: {:?}", told.to);
    host.user(BOB).approve(&request);
    assert_eq!(host.user(ALICE).wait(&request.id).outcome, Outcome::Failed);
    let failed = mail.wait_for("Failed: www.corp.example");
    assert_eq!(failed.to, ["alice@corp.example"]);
    assert!(failed.text.contains("not in the policy in force"), "{}", failed.text);

    let another = host.user(ALICE).request(&["two.corp.example"]);
    for _ in 0..5 {
        host.user(ALICE).attempt::<RequestApprove>(&on(&another)).unwrap().unwrap_err();
    }
    let alarm = mail.wait_for("5 refused attempts by");
    assert_eq!(alarm.to, ["carol@corp.example"], "an admin");
    assert!(alarm.text.contains("requester_decides"), "{}", alarm.text);
    assert_eq!(mail.about("5 refused attempts by").len(), 1);
}

/// `HH:MM` in UTC, so many minutes from now.
fn clock(minutes: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60;
    let minute = (i64::try_from(now).unwrap() + minutes).rem_euclid(1440);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn held(host: &Host) -> i64 {
    let ahead = "SELECT count(*) FROM outbox WHERE claimed_tick IS NULL
                     AND next_tick > (SELECT max(created_tick) FROM approval_requests) + 1000";
    host.value(ahead)
}

fn asked(host: &Host, name: &str) -> RequestSummary {
    host.user(ALICE).request(&[&format!("{name}.corp.example")])
}

#[test]
fn quiet_hours_hold_what_is_not_critical_until_they_end() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let quiet = format!("quiet_hours = {{ from = \"{}\", to = \"{}\", zone = \"UTC\" }}\n", clock(-60), clock(120));
    let escalate = "escalate = [{ after = \"1h\", groups = [\"pki\"] }]";
    let mut host = host(&policy_with(1, escalate, "[messages]\ntold = []\n"), &mail, &quiet);
    let request = asked(&host, "www");
    until("it is held", || held(&host) == 1);
    let until_then: i64 =
        host.value("SELECT (next_tick - (SELECT max(created_tick) FROM approval_requests)) / 60000 FROM outbox");
    assert!((118..=120).contains(&until_then), "{until_then} minutes");
    // The reminder is critical.
    host.pass(Span::from_secs(3700));
    mail.wait_for("Still waiting for approval: www.corp.example");
    assert_eq!(mail.about("Approval needed").len(), 0);
    // The wall clock says that it is quiet, however long the daemon was down.
    host.pass(Span::from_secs(3 * 3600));
    until("it is held again", || held(&host) == 1);
    assert_eq!(mail.kept().len(), 1);
    host.stop();
    std::fs::write(host.path("countersign.toml"), mail.table()).unwrap();
    host.tamper("UPDATE outbox SET next_tick = 0");
    host.start();
    assert!(mail.wait_for("Approval needed: www.corp.example").text.contains(request.id.as_str()));
}

#[test]
fn a_rate_lets_through_so_many_and_the_rest_in_their_turn() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let host = host(&policy_with(1, "", "[messages]\ntold = []\n"), &mail, "rate = \"2/1h\"\n");
    for name in ["one", "two", "three", "four"] {
        asked(&host, name);
    }
    until("two are out, and the others wait", || mail.kept().len() == 2 && held(&host) == 2);
    let minutes: i64 = host
        .value("SELECT (next_tick - (SELECT max(created_tick) FROM approval_requests)) / 60000 FROM outbox LIMIT 1");
    assert!((58..=60).contains(&minutes), "{minutes} minutes");
    assert_eq!(
        host.oneself().status().alerts.map(|alerts| (alerts.queued, alerts.failed, alerts.dead)),
        Some((2, 0, 0))
    );
}
