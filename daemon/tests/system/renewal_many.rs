//! Many renewals at one moment: after a day of downtime, and asked for by many callers.

use std::sync::Barrier;

use countersign_shared::error::ErrorKind;
use countersign_shared::protocol::method::CertificateRenew;
use countersign_shared::protocol::{Outcome, RenewParams};
use countersign_shared::time::Timestamp;

use crate::support::mail::{Mail, MailServer};
use crate::support::{ALICE, BOB, CAROL, Host, can_be_people, policy_with, until};

/// Of each profile: many times what one transaction asks for, and no more than a test has time for.
const EACH: usize = 120;
const CALLERS: usize = 64;
const DAY: i64 = 86_400_000;

const RULES: &str = "[[renewal_policy]]\nid = \"rp-test\"\nmax_retries = 2\nretry_interval_seconds = 60\n\
                     alert_thresholds_days = [0]\nalert_severity_map = { \"0\" = \"critical\" }\n\
                     alert_channels = { informational = [], warning = [], critical = [] }\n";

fn policy() -> String {
    let policy = policy_with(1, "renewal_policy = \"rp-test\"\n", RULES);
    let policy = policy.replacen("id = \"p-dev\"", "id = \"p-dev\"\nrenewal_policy = \"rp-test\"", 1);
    crate::messages::addressed(&policy)
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis).unwrap()
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

fn count(host: &Host, sql: &str) -> usize {
    usize::try_from(host.value::<i64>(&format!("SELECT count(*) FROM {sql}"))).unwrap()
}

/// `EACH` of `p-web` and of `p-dev`, all issued.
fn issue(host: &Host) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut alice = host.user(ALICE);
            let mut bob = host.user(BOB);
            for one in 0..EACH {
                let request = alice.request(&[&format!("web{one}.corp.example")]);
                bob.approve(&request);
            }
        });
        scope.spawn(|| {
            let mut alice = host.user(ALICE);
            for one in 0..EACH {
                alice.submit(&[&format!("d{one}.dev.test.example")]);
            }
        });
    });
    until("all are issued", || count(host, "certificate_versions WHERE state = 'active'") == 2 * EACH);
}

#[test]
fn many_that_are_due_after_a_day_of_downtime_are_asked_for_once_each_while_people_decide() {
    if !can_be_people() {
        return;
    }
    let mail = MailServer::start();
    let mut host = Host::prepared(&policy());
    std::fs::write(host.path("countersign.toml"), format!("{}digest = \"1m\"\n", mail.table())).unwrap();
    host.start();
    issue(&host);
    let waiting: Vec<_> = {
        let mut alice = host.user(ALICE);
        (0..20).map(|one| alice.request(&[&format!("waiting{one}.corp.example")])).collect()
    };
    host.stop();
    let (from, to, due) = (time(now() - 80 * DAY), time(now() + 9 * DAY), time(now() - DAY));
    host.tamper(&format!(
        "UPDATE expiry_watch SET not_before = '{from}', not_after = '{to}', renew_at = '{due}';
         UPDATE meta SET value = CAST(value AS INTEGER) + {DAY} WHERE key = 'clock_tick'"
    ));
    let before = mail.kept().len();
    host.start();
    let (mut bob, mut during) = (host.user(BOB), 0);
    for request in &waiting {
        bob.approve(request);
        during += usize::from(count(&host, "jobs WHERE kind = 'renew'") < 2 * EACH);
    }
    until("all are asked for", || count(&host, "jobs WHERE kind = 'renew'") == 2 * EACH);
    until("the unattended are renewed", || {
        count(&host, "certificate_versions WHERE version = 2 AND state = 'active'") == EACH
    });
    assert!(during > 0, "decisions were answered before the last was asked for");
    assert_eq!(count(&host, "approval_requests WHERE state = 'pending' AND kind = 'cert_renewal'"), EACH);
    let twice = "(SELECT 1 FROM jobs WHERE kind = 'renew' GROUP BY certificate_id HAVING count(*) > 1)";
    assert_eq!(count(&host, twice), 0);
    // What came in one minute goes out together.
    let minute = now() / 60_000;
    until("the minute is over", || now() / 60_000 > minute);
    until("all are told", || count(&host, "outbox WHERE channel = 'Email'") == 0);
    let waits = "notification_events WHERE channel = 'Email' AND state = 'sent' AND resource_id IN
                 (SELECT id FROM approval_requests WHERE kind = 'cert_renewal')";
    assert_eq!(count(&host, waits), EACH);
    let to_bob = |mail: &&Mail| mail.to.contains(&"bob@corp.example".to_owned());
    let mails = mail.kept().iter().skip(before).filter(to_bob).count();
    assert!((1..EACH / 10).contains(&mails), "{mails} mails to one approver");
    host.stop();
    host.start();
    assert_eq!(host.oneself().status().damage, None);
    assert_eq!(count(&host, "jobs WHERE kind = 'renew'"), 2 * EACH);
}

#[test]
fn of_many_who_renew_one_certificate_at_once_one_gets_the_request_and_the_others_are_told_which() {
    if !can_be_people() {
        return;
    }
    let new_key =
        "keys = [\"ecdsa-p256\"]\nrenew_key = \"new\"\ndeliver = { path = \"/nonexistent/{certificate}.pem\" }";
    for keys in [None, Some(new_key)] {
        let mut policy = policy();
        if let Some(keys) = keys {
            policy = policy.replacen("keys = [\"rsa-2048\", \"ecdsa-p256\", \"ecdsa-p384\", \"ed25519\"]", keys, 1);
        }
        let host = Host::serving(&policy);
        let submitted = host.user(ALICE).submit(&["web.corp.example"]);
        host.user(BOB).approve(submitted.request.as_ref().unwrap());
        assert_eq!(host.user(ALICE).wait(&submitted.job.id).outcome, Outcome::Issued);
        let params = RenewParams {
            certificate_id: submitted.certificate_id.clone(),
            csr: None,
            reason: Some("its time has come".into()),
            ticket: None,
        };
        let start = Barrier::new(CALLERS);
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..CALLERS)
                .map(|n| {
                    let (host, start, params) = (&host, &start, &params);
                    scope.spawn(move || {
                        let mut caller = host.user([ALICE, BOB, CAROL][n % 3]);
                        start.wait();
                        caller.attempt::<CertificateRenew>(params).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let made: Vec<_> = answers.iter().flatten().collect();
        let [made] = &made[..] else { panic!("{} requests were made", made.len()) };
        let id = made.request.as_ref().unwrap().id.as_str();
        for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
            assert_eq!(error.data.kind, ErrorKind::Conflict, "{error:?}");
            assert!(error.message.contains(id) && error.data.hint.contains(id), "{error:?}");
        }
        assert_eq!(count(&host, "approval_requests WHERE kind = 'cert_renewal'"), 1);
        assert_eq!(count(&host, "jobs WHERE kind = 'renew'"), 1);
    }
}
