//! Alerts of certificates that end, from an issued certificate to servers of this test: each channel on its own.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use countersign_shared::protocol::SubmitParams;
use countersign_shared::protocol::method::RequestSubmit;
use countersign_shared::time::Span;
use nix::sys::signal::Signal;

use crate::support::web::{ACCEPTS, BUSY, HANGS, TAKES, Web};
use crate::support::{ALICE, BOB, CAROL, Caller, Host, ask, can_be_people, policy, until};

/// `p-dev`, which asks nobody, under a renewal policy with these channels for warnings.
pub fn alerting(warning: &str) -> String {
    let policy = policy().replace("max_validity = \"30d\"", "max_validity = \"30d\"\nrenewal_policy = \"rp-dev\"");
    let rules = format!(
        "[[renewal_policy]]\nid = \"rp-dev\"\nauto_renew = false\nalert_channels = {{ warning = {warning} }}\n"
    );
    policy + &rules
}

/// A file that only its owner may open; gives the name under which a configuration finds it.
pub fn secret(host: &Host, name: &str, secret: &str) -> String {
    let path = host.path(name);
    std::fs::write(&path, secret).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!("file:{}", path.display())
}

/// Replaces the configuration.
pub fn configure(host: &Host, notify: &str) {
    std::fs::write(host.path("countersign.toml"), notify).unwrap();
}

/// A certificate that ends in six days: the threshold of seven is crossed from the beginning.
fn short(alice: &mut Caller, name: &str) {
    let days = Some(Span::from_secs(6 * 86_400));
    let asked = SubmitParams { valid_for: days, ..ask(&[&format!("{name}.dev.test.example")]) };
    let job = alice.call::<RequestSubmit>(&asked).job.id;
    alice.wait(&job);
}

/// What became of the notification on a channel.
fn state(host: &Host, channel: &str) -> String {
    host.value(&format!(
        "SELECT coalesce(group_concat(state), '') FROM notification_events WHERE channel = '{channel}'"
    ))
}

#[test]
fn each_channel_goes_its_own_way_and_none_holds_up_a_decision() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&alerting(r#"["Slack", "PagerDuty", "OpsGenie", "Webhook", "Teams"]"#));
    let (slack, pagerduty, opsgenie, webhook) =
        (Web::serving(TAKES), Web::serving(BUSY), Web::serving(HANGS), Web::serving(ACCEPTS));
    let key = secret(&host, "key", "k1");
    let hook = secret(&host, "hook", "https://hooks.slack.com/services/T0/B0/x");
    configure(
        &host,
        &format!(
            "[notify.slack]\nwebhook = \"{hook}\"\nbase_url = \"{}\"\n\
             [notify.pagerduty]\nkey = \"{key}\"\nbase_url = \"{}\"\n\
             [notify.opsgenie]\nkey = \"{key}\"\nbase_url = \"{}\"\n\
             [notify.webhook]\nsecret = \"{key}\"\nurl = \"{}\"\n",
            slack.address(),
            pagerduty.address(),
            opsgenie.address(),
            webhook.address()
        ),
    );
    host.start();
    let (mut alice, mut bob) = (host.user(ALICE), host.user(BOB));
    short(&mut alice, "one");
    until("those that answer have it", || state(&host, "Slack") == "sent" && state(&host, "Webhook") == "sent");
    until("the others have failed", || state(&host, "PagerDuty") == "failed" && state(&host, "Teams") == "dead");
    until("one hangs", || opsgenie.count() == 1);

    // While it hangs: decisions, and another certificate on the other channels.
    let begin = Instant::now();
    let request = alice.request(&["web.corp.example"]);
    bob.approve(&request);
    alice.wait(&request.id);
    short(&mut alice, "two");
    until("the next one is told", || state(&host, "Slack") == "sent,sent");
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(state(&host, "OpsGenie").starts_with("queued"), "it hangs still");

    let later = "SELECT count(*) FROM outbox WHERE channel = 'PagerDuty' AND attempts = 1 AND claimed_tick IS NULL";
    until("both failed at PagerDuty", || host.value::<i64>(later) == 2);
    let why = "SELECT detail FROM notification_events WHERE state = 'dead' LIMIT 1";
    assert!(host.value::<String>(why).contains("add [notify.teams]"), "{}", host.value::<String>(why));
    let message = &webhook.got()[0];
    assert_eq!(message.body["names"][0], "one.dev.test.example", "{message:?}");
    assert_eq!((&message.body["threshold_days"], &message.body["test"]), (&7.into(), &false.into()));
    for (action, channel, count) in [("sent", "Slack", 2), ("failed", "PagerDuty", 2), ("failed", "Teams", 2)] {
        let sql = format!(
            "SELECT count(*) FROM audit_events WHERE action = 'expiration_alert_{action}' AND actor = 'system-scheduler'
             AND resource_type = 'certificate' AND resource_id LIKE 'mc-%' AND details ->> '$.channel' = '{channel}'
             AND details ->> '$.threshold' = 7 AND details ->> '$.severity' = 'warning' AND details ->> '$.version' = 1"
        );
        assert_eq!(host.value::<i64>(&sql), count, "{action} {channel}");
    }
    let text = host.user(CAROL).metrics();
    for line in [
        "countersign_expiry_alerts_total{channel=\"Slack\",result=\"success\",threshold=\"7\"} 2",
        "countersign_expiry_alerts_total{channel=\"PagerDuty\",result=\"failure\",threshold=\"7\"} 2",
        "countersign_notification_dead_total 2",
        "countersign_notifications_queued{channel=\"OpsGenie\"} 2",
        "countersign_certificates_days_left{within_days=\"7\"} 2",
        "countersign_certificates_days_left{within_days=\"+Inf\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }

    // What was under way at the end is sent again, under its id.
    host.stop();
    opsgenie.say(ACCEPTS);
    host.start();
    until("it is sent in the end", || state(&host, "OpsGenie") == "sent,sent");
    let mut ids: Vec<String> = opsgenie.got().iter().map(|got| got.id()).collect();
    assert!(ids.len() >= 3, "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(slack.count(), 2, "what was accepted is not sent again");
}

#[test]
fn a_credential_is_rotated_without_a_restart_and_a_broken_file_changes_nothing() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::prepared(&alerting(r#"["Webhook"]"#));
    let (old, new) = (Web::serving(ACCEPTS), Web::serving(ACCEPTS));
    let key = secret(&host, "key", "k1");
    let to = |web: &Web, key: &str| format!("[notify.webhook]\nsecret = \"{key}\"\nurl = \"{}\"\n", web.address());
    configure(&host, &to(&old, &key));
    host.start();
    let mut alice = host.user(ALICE);
    short(&mut alice, "one");
    until("the old one has it", || old.count() == 1);

    let loaded = "SELECT count(*) FROM audit_events WHERE action = 'policy_loaded'";
    let reload = |host: &Host| {
        let before = host.value::<i64>(loaded);
        host.signal(Signal::SIGHUP);
        until("it is read again", || host.value::<i64>(loaded) > before);
    };
    configure(&host, &to(&new, &secret(&host, "key2", "k2")));
    reload(&host);
    short(&mut alice, "two");
    until("the new one has it", || new.count() == 1);

    // The secret is gone: the channel goes on as it was, loudly.
    std::fs::remove_file(host.path("key2")).unwrap();
    reload(&host);
    assert!(host.log().contains("goes on as it was"), "{}", host.log());
    short(&mut alice, "three");
    until("the new one has that too", || new.count() == 2);

    // A file that is not understood.
    configure(&host, "[notify.webhook]\nport = 1\n");
    host.signal(Signal::SIGHUP);
    until("it is refused", || host.log().contains("what was read at the start stays"));
    short(&mut alice, "four");
    until("and that", || new.count() == 3);
    assert_eq!(old.count(), 1);

    // With no such channel in the file any more, alerts on it fail visibly.
    configure(&host, "");
    reload(&host);
    short(&mut alice, "five");
    until("it is given up", || state(&host, "Webhook") == "sent,sent,sent,sent,dead");
}
