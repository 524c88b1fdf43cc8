//! `kill -9` in the middle of a fan-out of a thousand alerts: none is lost, and a repeat carries the same id.

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::id::CertificateId;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, params};

use crate::alerts::{alerting, configure, secret};
use crate::support::web::{ACCEPTS, Web};
use crate::support::{CAROL, Host, PATIENCE, can_be_people, until};

const COUNT: usize = 1000;
const DAY: i64 = 86_400_000;

/// So many certificates of `p-dev` that end in five days, as if they had been issued just now.
fn watch(host: &Host) {
    let mut db = Connection::open(host.database()).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let time = |millis| Timestamp::from_unix_millis(millis).unwrap().to_string();
    let transaction = db.transaction().unwrap();
    for number in 0..u32::try_from(COUNT).unwrap() {
        let id = CertificateId::fresh(u64::try_from(now).unwrap(), number * 4_000_000);
        transaction
            .execute(
                "INSERT INTO certificates (id, profile_id, environment, primary_name, owner_uid, owner_account, created_at)
                 VALUES (?1, 'p-dev', 'dev', ?2, 62001, 'uid:62001', ?3)",
                params![id.as_str(), format!("n{number}.dev.test.example"), time(now)],
            )
            .unwrap();
        transaction
            .execute(
                "INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, epoch, seq)
                 VALUES (?1, 1, ?2, ?3, 0, 0)",
                params![id.as_str(), time(now - DAY), time(now + 5 * DAY)],
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn none_is_lost_and_a_repeat_carries_the_same_id() {
    if !can_be_people() {
        return;
    }
    let mut host = Host::serving(&alerting(r#"["Webhook"]"#));
    host.stop();
    watch(&host);
    let webhook = Web::serving(ACCEPTS);
    let key = secret(&host, "key", "k1");
    configure(&host, &format!("[notify.webhook]\nsecret = \"{key}\"\nurl = \"{}\"\n", webhook.address()));
    let kills = [1, 150, 400, 800];
    for after in kills {
        host.start();
        until("some have come", || webhook.count() >= after);
        host.kill();
    }
    host.start();
    until("all are sent", || host.value::<i64>("SELECT count(*) FROM messages WHERE accepted_at IS NOT NULL") == 1000);
    assert_eq!(host.value::<i64>("SELECT count(*) FROM outbox"), 0);

    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for got in webhook.got() {
        assert_eq!(got.body["id"], got.id());
        ids.entry(got.id()).or_default().insert(got.body["object"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), COUNT, "each alert has come");
    assert!(ids.values().all(|objects| objects.len() == 1), "an id is of one alert");
    let objects: BTreeSet<&String> = ids.values().flatten().collect();
    assert_eq!(objects.len(), COUNT, "an alert has one id");
    // What was under way when the process died, and nothing else, has come again.
    let repeats = webhook.count() - COUNT;
    assert!(repeats <= kills.len() * 40, "{repeats} repeats");
    eprintln!("{repeats} of {COUNT} came again after {} kills", kills.len());

    let sent = "SELECT count(DISTINCT details ->> '$.notification') || ' ' || count(*) FROM audit_events
                WHERE action = 'expiration_alert_sent'";
    assert_eq!(host.value::<String>(sent), "1000 1000", "each is on record once");
    let counted = |host: &Host| {
        let text = host.user(CAROL).metrics();
        let lines = text.lines().filter(|line| line.starts_with("countersign_expiry_alerts_total"));
        lines.filter(|line| !line.contains("deduped")).map(|line| format!("{line}\n")).collect::<String>()
    };
    let before = counted(&host);
    assert!(before.contains("{channel=\"Webhook\",result=\"success\",threshold=\"7\"} 1000\n"), "{before}");
    host.kill();
    host.start();
    assert_eq!(counted(&host), before);
    assert_eq!(host.oneself().status().damage, None);
}
