//! Alerts from what is due to what was accepted.

use std::sync::Arc;

use countersign_shared::protocol::Damage;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;
use tokio::task::JoinSet;

use super::rig::{ACCEPTS, BUSY, END, POLICY, Rig, Town};
use super::*;
use crate::alerts::stage::DAY;
use crate::alerts::{counts, outbox};
use crate::boot::messages;
use crate::metrics::{AlertGauges, Gauges, Metrics};
use crate::notify::servers::{Mta, mail_server};
use crate::policy::{Channel, Policy};
use crate::schedule::sender::complete::{Ended, complete};

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_of_the_issue_as_time_passes_against_real_servers() {
    let town = Town::build().await;
    let rig = Rig::new(&town.notify, 40).await;
    let mut before = town.got();
    for half_days in 0..=81 {
        rig.look_and_send().await;
        let after = town.got();
        rig.look_and_send().await;
        assert_eq!(town.got(), after, "a second pass sends nothing");
        let new: usize = after.iter().zip(before).map(|(now, then)| now - then).sum();
        let expected = match half_days {
            // 30, 14, 7 and 0 days before the end.
            20 => 1,
            52 | 66 => 2,
            80 => 3,
            _ => 0,
        };
        assert_eq!(new, expected, "after {half_days} half days");
        before = after;
        rig.pass_time(12 * 60);
    }
    assert_eq!(town.got(), [3, 1, 1, 3]);
    let records = rig.records().await;
    let expected = "sent Slack 30, sent Slack 14, sent Email 14, sent Slack 7, sent Email 7, \
                    sent PagerDuty 0, sent OpsGenie 0, sent Email 0";
    let mut found: Vec<&str> = records.split(", ").collect();
    let mut wanted: Vec<&str> = expected.split(", ").collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    assert_eq!(rig.value::<i64>("SELECT count(*) FROM messages WHERE accepted_at IS NULL").await, 0);
    let shown = rig.metrics().await;
    for line in [
        "countersign_expiry_alerts_total{channel=\"Slack\",result=\"success\",threshold=\"30\"} 1",
        "countersign_expiry_alerts_total{channel=\"PagerDuty\",result=\"success\",threshold=\"0\"} 1",
        "countersign_expiry_alerts_total{channel=\"PagerDuty\",result=\"failure\",threshold=\"0\"} 0",
        "countersign_notifications_queued{channel=\"Slack\"} 0",
        "countersign_certificates_days_left{within_days=\"0\"} 1",
    ] {
        assert!(shown.lines().any(|found| found == line), "{line}\n{shown}");
    }

    // What counts records is the same for a process that begins now.
    let anew = Arc::new(Metrics::new(["p-web"]).unwrap());
    anew.alerts().know(&rig.office.policy.now());
    let begins = anew.clone();
    let count = move |connection: &Connection| Ok(messages::count(connection, begins.alerts())?);
    rig.office.readers.read(count).await.unwrap();
    let on_record = |text: String| {
        let counted = text.lines().filter(|line| line.starts_with("countersign_expiry_alerts_total"));
        counted.filter(|line| !line.contains("deduped")).map(str::to_owned).collect::<Vec<_>>()
    };
    let gauges = Gauges {
        now: rig.office.line.wall(),
        queue_depth: 0,
        ledger_size: 0,
        anchoring: Default::default(),
        acknowledged_damage: 0,
        oldest_pending_at: None,
        jobs: Vec::new(),
        alerts: AlertGauges::default(),
        problems: Vec::new(),
    };
    assert_eq!(on_record(anew.text(&gauges).unwrap()), on_record(shown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_busy_stops_no_other_and_gets_it_later_under_the_same_id() {
    let town = Town::build().await;
    BUSY.clone_into(&mut town.pagerduty_says.lock().unwrap());
    let rig = Rig::new(&town.notify, 0).await;
    rig.look_and_send().await;
    assert_eq!(town.got(), [0, 1, 1, 1]);
    let state = "SELECT group_concat(channel || ' ' || state, ', ' ORDER BY channel) FROM notification_events";
    assert_eq!(rig.value::<String>(state).await, "Email sent, OpsGenie sent, PagerDuty failed");
    let failed: String =
        rig.value("SELECT details ->> '$.why' FROM audit_events WHERE action = 'expiration_alert_failed'").await;
    assert!(failed.contains("503"), "{failed}");
    ACCEPTS.clone_into(&mut town.pagerduty_says.lock().unwrap());
    rig.look_and_send().await;
    assert_eq!(town.got()[1], 1, "not before its time");
    rig.pass_time(2);
    rig.look_and_send().await;
    assert_eq!(town.got(), [0, 2, 1, 1]);
    assert_eq!(rig.value::<String>(state).await, "Email sent, OpsGenie sent, PagerDuty sent");
    let got = town.pagerduty.got.lock().unwrap().clone();
    let ids = got.iter().map(|got| {
        let body: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        (body["dedup_key"].clone(), body["payload"]["custom_details"]["id"].clone())
    });
    let ids: Vec<_> = ids.collect();
    assert!(ids[0] == ids[1] && ids[0].0.is_string() && ids[0].1.is_string(), "{ids:?}");
    let attempts = "SELECT group_concat(details ->> '$.attempt', ' ') FROM audit_events
                    WHERE action LIKE 'expiration_alert_%' AND details ->> '$.channel' = 'PagerDuty'";
    assert_eq!(rig.value::<String>(attempts).await, "1 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_configured_is_given_up_visibly_and_asked_for_again_a_day_later() {
    let rig = Rig::new("", 1).await;
    rig.look_and_send().await;
    let state = "SELECT group_concat(channel || ' ' || state || ' ' || detail, ', ' ORDER BY channel)
                 FROM notification_events";
    let shown = rig.value::<String>(state).await;
    assert!(shown.contains("Email dead Email: not configured; add [notify.email]"), "{shown}");
    assert_eq!(rig.records().await.matches("failed").count(), 2, "Slack and Email");
    let shown = rig.metrics().await;
    assert!(shown.lines().any(|line| line == "countersign_notification_dead_total 2"), "{shown}");
    assert_eq!(rig.office.readers.read(|connection| Ok(counts::dead(connection)?)).await.unwrap(), 2);
    rig.pass_time(23 * 60);
    rig.look_and_send().await;
    assert_eq!(rig.records().await.matches("failed").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_pages_nobody_at_once_and_is_followed_when_it_stays() {
    let town = Town::build().await;
    let rig = Rig::new(&town.notify, 60).await;
    rig.look_and_send().await;
    rig.clock.jump_wall(59 * DAY);
    let next = rig.look_and_send().await.unwrap();
    assert_eq!((town.got(), next), ([0; 4], rig.office.line.tick() + reckoning::AHEAD_SETTLES));
    let line = rig.office.line.clone();
    let believed = rig.office.readers.read(move |connection| Ok(crate::alerts::kept::now(connection, &line)?)).await;
    assert_eq!(believed.unwrap().unix_millis(), END - 60 * DAY, "what is written meanwhile says how long there is");
    rig.pass_time(15);
    rig.look_and_send().await;
    assert_eq!(town.got(), [1, 0, 0, 1], "the tightest threshold alone: 7 days");
    // Set right again, it is behind what is believed: for a day nothing changes, and then everything is planned anew.
    rig.clock.jump_wall(-59 * DAY);
    rig.look_and_send().await;
    rig.pass_time(24 * 60);
    let next = rig.look_and_send().await.unwrap();
    assert_eq!(next, rig.office.line.tick() + LOOK_MILLIS);
    let due = rig.value::<String>("SELECT due_at FROM expiry_watch").await;
    assert_eq!(due, Timestamp::from_unix_millis(END - 30 * DAY).unwrap().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_policy_plans_anew_and_a_name_that_is_no_channel_is_recorded_once() {
    let rig = Rig::new("", 20).await;
    let policy = POLICY.replace("informational = [\"Slack\"]", "informational = [\"Pigeon\\u0301\"]");
    rig.look_and_send().await;
    assert_eq!(rig.value::<i64>("SELECT epoch FROM expiry_watch").await, 1);
    let next = rig.office.policy.prepare(Policy::parse_stored(&policy).unwrap().0, Timestamp::EPOCH).unwrap();
    rig.office.policy.replace(next);
    rig.look_and_send().await;
    assert_eq!(rig.value::<i64>("SELECT epoch FROM expiry_watch").await, 2);
    let records = rig.records().await;
    assert!(records.contains("skipped_invalid_channel Pigeon? 30"), "{records}");
    assert!(records.contains("skipped_no_channels  30"), "{records}");
    rig.look_and_send().await;
    assert_eq!(rig.records().await, records);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_damaged_installation_nothing_new_is_sent() {
    let town = Town::build().await;
    let rig = Rig::new(&town.notify, 1).await;
    rig.watch.pass().await.unwrap();
    rig.office.health.raise(Damage { seq: None, rule: "ledger".into(), text: "a test".into() });
    for sender in &rig.senders {
        let filled = sender.fill(&mut Default::default(), &mut JoinSet::new()).await;
        assert_eq!(filled.unwrap_err().kind, ErrorKind::ReadOnly);
    }
    assert_eq!(town.got(), [0; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_recipients_the_next_attempt_goes_to_those_who_were_not_reached() {
    let mail = mail_server(Mta {
        recipients: vec![("later", "450 try again")],
        after_data: Some("250 kept"),
        ..Mta::default()
    })
    .await;
    let notify = format!(
        "email = {{ host = \"127.0.0.1\", port = {}, tls = \"none\", from = \"pki@corp.example\",
             to = [\"ops@corp.example\", \"later@corp.example\"] }}",
        mail.port
    );
    let rig = Rig::new(&notify, 1).await;
    let sent_to = || mail.kept.lock().unwrap().iter().map(|kept| kept.to.clone()).collect::<Vec<_>>();
    rig.look_and_send().await;
    assert_eq!(sent_to().concat().len(), 1);
    let remaining = "SELECT remaining || ' ' || attempts FROM outbox WHERE channel = 'Email'";
    assert_eq!(rig.value::<String>(remaining).await, "[\"later@corp.example\"] 1");
    rig.pass_time(2);
    rig.look_and_send().await;
    assert_eq!(rig.value::<String>(remaining).await, "[\"later@corp.example\"] 2");
    assert_eq!(sent_to().concat().len(), 1, "whoever has it does not get it again");
    let detail = "SELECT detail FROM notification_events WHERE channel = 'Email'";
    assert!(rig.value::<String>(detail).await.contains("later@corp.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_an_alert_does_not_get_it_again_because_another_address_is_wrong() {
    let mail = mail_server(Mta {
        recipients: vec![("wrong", "550 no such user")],
        after_data: Some("250 kept"),
        ..Mta::default()
    })
    .await;
    let notify = format!(
        "email = {{ host = \"127.0.0.1\", port = {}, tls = \"none\", from = \"pki@corp.example\",
             to = [\"ops@corp.example\", \"wrong@corp.example\"] }}",
        mail.port
    );
    let rig = Rig::new(&notify, 1).await;
    let sent_to = || mail.kept.lock().unwrap().iter().map(|kept| kept.to.clone()).collect::<Vec<_>>().concat();
    rig.look_and_send().await;
    assert_eq!(sent_to().len(), 1);
    let state = "SELECT state FROM notification_events WHERE channel = 'Email'";
    assert_eq!(rig.value::<String>(state).await, "dead");
    let again = |transaction: &mut Transaction<'_>| {
        let id = "SELECT id FROM notification_events WHERE channel = 'Email'";
        let id: i64 = transaction.connection().query_row(id, [], |row| row.get(0))?;
        Ok(outbox::requeue(transaction.connection(), id, transaction.tick())?)
    };
    assert!(rig.office.writer.write(again).await.unwrap());
    rig.look_and_send().await;
    assert_eq!(rig.value::<String>(state).await, "dead");
    assert_eq!(sent_to().len(), 1, "it went out to the wrong address alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_too_late_counts_as_sent_and_is_closed_at_once() {
    let rig = Rig::new("", 0).await;
    rig.watch.pass().await.unwrap();
    let under_way = |transaction: &mut Transaction<'_>| {
        let claimed = outbox::claim(transaction.connection(), Channel::PagerDuty, transaction.tick(), 9)?;
        // Meanwhile the certificate is renewed.
        let later = Timestamp::from_unix_millis(END + 90 * DAY).unwrap().to_string();
        let renewed = "UPDATE expiry_watch SET version = 2, not_after = ?1, due_at = NULL, epoch = 0";
        transaction.connection().execute(renewed, [later])?;
        Ok(claimed)
    };
    let claimed = rig.office.writer.write(under_way).await.unwrap();
    let states =
        "SELECT group_concat(channel || ' ' || kind || ' ' || state, ', ' ORDER BY id) FROM notification_events
                  WHERE channel = 'PagerDuty'";
    let taken_back = "PagerDuty expiration_alert skipped, PagerDuty certificate_renewed queued";
    assert_eq!(rig.value::<String>(states).await, taken_back, "it may be accepted all the same");
    for _ in 0..2 {
        let message = claimed[0].clone();
        let accepted = move |transaction: &mut Transaction<'_>| {
            complete(transaction, Channel::PagerDuty, &message, &Ended::Accepted)
        };
        rig.office.writer.write(accepted).await.unwrap();
        let expected = "PagerDuty expiration_alert sent, PagerDuty certificate_renewed queued";
        assert_eq!(rig.value::<String>(states).await, expected, "once, however often it is written down");
    }
    assert_eq!(rig.records().await, "sent PagerDuty 0");
}
