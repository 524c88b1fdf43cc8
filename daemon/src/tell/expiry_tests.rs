//! What an alert says at the moment of an attempt, and when it has nothing to say any more.

use countersign_shared::digest::Digest;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::identity::directory::FixedDirectory;
use crate::policy::{Policy, Severity};
use crate::store::migrations;

const ID: &str = "mc-00jb6vw2w0h8d3rt";
const POLICY: &str = r#"
version = 1
person = [{ name = "alice", accounts = ["alice"], email = "alice@corp.example" }]
[[grant]]
role = "operator"
to = "uid:61001"
[[grant]]
role = "operator"
to = "user:bob"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

struct Scene {
    connection: Connection,
    policy: Policy,
    now: Timestamp,
}

impl Scene {
    fn new() -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut connection, migrations::newest()).unwrap();
        connection
            .execute_batch(&format!(
                "INSERT INTO audit_events VALUES (0, 'e', '', 'a', 'System', 'x', 'config', 't', 'i', '{{}}', x'7b7d');
                 INSERT INTO certificates (id, profile_id, environment, primary_name, owner_uid, owner_account, owner_person,
                     created_at) VALUES ('{ID}', 'p-web', 'production', 'www.corp.example', 61000, 'alice', 'alice',
                     '2026-01-01T00:00:00.000Z');
                 INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, epoch, seq)
                     VALUES ('{ID}', 2, '2026-01-01T00:00:00.000Z', '2027-01-31T08:00:00.000Z', 0, 0)"
            ))
            .unwrap();
        Self { connection, policy: Policy::parse_stored(POLICY).unwrap().0, now: at("2027-01-25T00:00:00Z") }
    }

    fn notice(&self, kind: &str, channel: Channel, params: &Value) -> Notice {
        let (severity, text) = (Severity::Warning, params.to_string());
        let message = notifications::NewMessage { kind, resource_id: ID, severity, params: &text, seq: 0 };
        let id = notifications::queue(&self.connection, &message, channel, (self.now, 0)).unwrap();
        Notice {
            id,
            kind: kind.to_owned(),
            resource_id: ID.to_owned(),
            channel,
            severity,
            created_at: self.now,
            seq: 0,
            params: params.clone(),
        }
    }

    fn alert(&self, version: u64, days: i32, channel: Channel) -> Notice {
        let notice = self.notice(ALERT, channel, &json!({}));
        self.connection
            .execute(
                "INSERT INTO alert_events VALUES (?1, ?2, ?3, ?4, 'warning', '2027-01-24T00:00:00.000Z', ?5)",
                params![ID, version, days, channel.as_str(), notice.id],
            )
            .unwrap();
        notice
    }

    fn composed(&self, notice: &Notice) -> Composed {
        let account = Account { uid: 61_001, name: Some("night".into()), unix_groups: Vec::new() };
        let directory = FixedDirectory { accounts: vec![account] };
        let host = "pki1".into();
        let (connection, policy) = (&self.connection, &self.policy);
        let house =
            House { connection, policy, directory: &directory, origin: "o-1", host: &host, now: self.now, tick: 0 };
        compose(house, notice).unwrap()
    }

    fn letter(&self, notice: &Notice) -> Letter {
        match self.composed(notice) {
            Composed::Send(letter) => *letter,
            Composed::Moot(why) => panic!("{why}"),
        }
    }

    fn moot(&self, notice: &Notice) -> String {
        match self.composed(notice) {
            Composed::Send(letter) => panic!("{letter:?}"),
            Composed::Moot(why) => why,
        }
    }
}

#[test]
fn an_alert_says_how_things_stand_now_and_keeps_its_id() {
    let mut scene = Scene::new();
    let notice = scene.alert(2, 7, Channel::Email);
    let Letter { message, audience, team } = scene.letter(&notice);
    assert_eq!(message.kind, Kind::ExpirationAlert { days_left: 6, threshold_days: 7 });
    assert_eq!((message.names, message.about.as_str()), (vec!["www.corp.example".into()], ID));
    assert_eq!(message.command, Some(format!("countersign renew {ID}").into()));
    assert_eq!(
        message.risk,
        ["it stands under profile p-web, environment production".into(), "nobody has asked for its renewal".into()]
    );
    assert_eq!((message.test, message.requester, team), (false, Some("alice".into()), None));
    assert!(audience.and_default && audience.accounts.is_empty());
    assert_eq!(audience.mail, ["alice@corp.example".into()]);
    // Tried again after the end: the same message by its id, and other words.
    scene.now = at("2027-01-31T08:00:01Z");
    let later = scene.letter(&notice).message;
    assert_eq!((&later.id, later.at), (&message.id, message.at));
    assert_eq!(later.id.as_str(), format!("cs-{}-{}", &Digest::of(&[b"o-1"]).to_string()[..12], notice.id));
    assert_eq!(later.kind, Kind::ExpirationAlert { days_left: -1, threshold_days: 7 });
    assert!(later.risk[0].raw().starts_with("it has ended (version 2)"));
}

#[test]
fn operators_are_told_on_their_terminals_by_name() {
    let scene = Scene::new();
    let audience = scene.letter(&scene.alert(2, 7, Channel::Wall)).audience;
    assert_eq!(audience.accounts, ["bob".into(), "night".into()]);
}

#[test]
fn what_was_replaced_or_dealt_with_is_not_alerted() {
    let scene = Scene::new();
    let (old, current) = (scene.alert(1, 0, Channel::Email), scene.alert(2, 7, Channel::Email));
    assert_eq!(scene.moot(&old), "a newer version took its place");
    let trial = scene.notice(TEST, Channel::Email, &json!({"threshold": 7, "by": "bob"}));
    scene.connection.execute("DELETE FROM expiry_watch", []).unwrap();
    assert_eq!(scene.moot(&current), "the certificate was dealt with");
    assert!(scene.moot(&trial).contains("no version"));
}

#[test]
fn a_trial_is_marked_and_has_one_attempt() {
    let scene = Scene::new();
    let trial = scene.notice(TEST, Channel::PagerDuty, &json!({"threshold": 30, "by": "bob\u{202e}"}));
    let message = scene.letter(&trial).message;
    assert!(message.test);
    assert_eq!(message.kind, Kind::ExpirationAlert { days_left: 6, threshold_days: 30 });
    assert_eq!(message.requester, Some("bob\u{202e}".into()));
    let attempts = |id: i64| -> i64 {
        let sql = "SELECT attempts FROM outbox WHERE notification_id = ?1";
        scene.connection.query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    assert_eq!((attempts(trial.id), attempts(scene.alert(2, 7, Channel::Email).id)), (4, 0));
    let strange = scene.notice(TEST, Channel::Email, &json!({"threshold": -1, "by": "bob"}));
    let host = "h".into();
    let (connection, policy) = (&scene.connection, &scene.policy);
    let directory = FixedDirectory::default();
    let house = House { connection, policy, directory: &directory, origin: "o", host: &host, now: scene.now, tick: 0 };
    assert!(compose(house, &strange).unwrap_err().message.contains("do not fit"));
}

#[test]
fn a_late_close_never_closes_what_was_opened_since() {
    let scene = Scene::new();
    let renewed = scene.notice(RENEWED, Channel::PagerDuty, &json!({"version": 2}));
    let message = scene.letter(&renewed).message;
    assert_eq!((message.kind.closes(), message.incident()), (true, format!("countersign:{ID}")));
    scene.alert(2, 30, Channel::Email);
    scene.letter(&renewed);
    scene.alert(2, 30, Channel::PagerDuty);
    assert!(scene.moot(&renewed).contains("alerted meanwhile"));
}

#[test]
fn days_are_whole_ones() {
    let end = at("2027-01-31T08:00:00Z");
    for (now, days) in [
        ("2027-01-24T08:00:00Z", 7),
        ("2027-01-24T08:00:00.001Z", 6),
        ("2027-01-31T08:00:00Z", 0),
        ("2027-01-31T08:00:00.001Z", -1),
        ("2027-02-01T08:00:00Z", -1),
        ("2027-02-01T08:00:00.001Z", -2),
    ] {
        assert_eq!(days_left(end, at(now)), days, "{now}");
    }
}
