//! The watch and the senders on a real database, against real servers, under a clock that the test moves.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_shared::protocol::{AuditAction, Damage};
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, params};
use tokio::task::JoinSet;

use super::*;
use crate::alerts::counts;
use crate::alerts::stage::DAY;
use crate::boot::messages;
use crate::clock::held::HeldClock;
use crate::gate::Approved;
use crate::identity::directory::FixedDirectory;
use crate::issuer::{IssueError, Issuer, Order};
use crate::ledger::Tail;
use crate::metrics::{AlertGauges, Gauges, Metrics};
use crate::notify::servers::{MailServer, Mta, Web, WebServer, mail_server, web_server};
use crate::notify::{Channels, NotifySettings};
use crate::policy::{self, Channel, Policy};
use crate::schedule::sender::{Office, Sender};
use crate::store::migrations::{migrate, newest};
use crate::store::settings::{apply_to_writer, writer_flags};
use crate::store::{Health, Readers, Routing};
use crate::tell::Switchboard;

/// 2027-01-15T08:00:00Z
const END: i64 = 1_800_000_000_000;
const ACCEPTS: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
const TAKES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

const POLICY: &str = r#"
version = 1
[[renewal_policy]]
id = "rp-web"
alert_channels = { informational = ["Slack"], warning = ["Slack", "Email"], critical = ["PagerDuty", "OpsGenie", "Email"] }
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
issuer = "local-ca"
keys = ["ed25519"]
max_validity = "90d"
renewal_policy = "rp-web"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

/// Signs nothing.
struct Nobody;

impl Issuer for Nobody {
    fn issue(&self, _: &Approved, _: &Order) -> Result<Vec<u8>, IssueError> {
        Err(IssueError::Refused("it signs nothing".into()))
    }
    fn survives_restart(&self) -> bool {
        true
    }
}

struct Rig {
    _dir: tempfile::TempDir,
    clock: Arc<HeldClock>,
    watch: Watch,
    office: Office,
    senders: Vec<Sender>,
    metrics: Arc<Metrics>,
}

impl Rig {
    async fn new(notify: &str, days_before_end: i64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("countersign.db");
        let mut connection = Connection::open_with_flags(&path, writer_flags()).unwrap();
        apply_to_writer(&connection).unwrap();
        migrate(&mut connection, newest()).unwrap();
        let clock = Arc::new(HeldClock::at(END - days_before_end * DAY));
        let line = TimeLine::resume(clock.clone(), None, 0);
        let health = Health::default();
        let opener = |_: &policy::Issuer, _| Ok(Arc::new(Nobody) as Arc<dyn Issuer>);
        let policy = Policy::parse(POLICY).unwrap().0;
        let policy = PolicyInForce::begin(policy, Arc::new(opener), Timestamp::EPOCH).unwrap();
        let metrics = Arc::new(Metrics::new(["p-web"]).unwrap());
        metrics.alerts().know(&policy.now());
        let settings: NotifySettings = toml::from_str(notify).unwrap();
        let (channels, problems) = Channels::open(&settings);
        assert_eq!(problems, []);
        let switchboard = Switchboard::new(channels, Routing::default());
        let counted = metrics.clone();
        let count = move |effects: Vec<Effect>| effects.iter().for_each(|effect| counted.apply(effect));
        let (writer, _) = Writer::start(connection, Tail::default(), line.clone(), health.clone(), count).unwrap();
        let office = Office {
            writer: writer.clone(),
            readers: Readers::open(&path, health.clone()).unwrap(),
            health,
            policy: policy.clone(),
            directory: Arc::new(FixedDirectory::default()),
            switchboard,
            line: line.clone(),
            origin: "o-1".into(),
            host: Arc::new("pki1".into()),
        };
        let senders = Channel::ALL.map(|channel| Sender::new(&office, channel, Arc::default())).into();
        let watch = Watch { writer, policy, line, watched: Arc::default() };
        let rig = Self { _dir: dir, clock, watch, office, senders, metrics };
        rig.certificate().await;
        rig
    }

    /// A certificate under `p-web` that ends at [`END`].
    async fn certificate(&self) {
        let make = |transaction: &mut Transaction<'_>| {
            let id = transaction.fresh_certificate()?;
            let recorded = transaction.record(about(AuditAction::CertificateIssued, id.as_str()))?;
            let time = |millis| Timestamp::from_unix_millis(millis).unwrap().to_string();
            transaction.connection().execute(
                "INSERT INTO certificates (id, profile_id, environment, primary_name, owner_uid, owner_account, created_at)
                 VALUES (?1, 'p-web', 'production', 'www.corp.example', 1, 'alice', '2026-10-17T08:00:00.000Z')",
                [id.as_str()],
            )?;
            transaction.connection().execute(
                "INSERT INTO expiry_watch (certificate_id, version, not_before, not_after, epoch, seq)
                 VALUES (?1, 1, ?2, ?3, 0, ?4)",
                params![id.as_str(), time(END - 90 * DAY), time(END), recorded.seq],
            )?;
            Ok(())
        };
        self.office.writer.write(make).await.unwrap();
    }

    fn pass_time(&self, minutes: i64) {
        self.clock.pass(Duration::from_secs(u64::try_from(minutes).unwrap() * 60));
    }

    /// One pass, and every attempt that is due after it.
    async fn look_and_send(&self) -> Option<i64> {
        let next = self.watch.pass().await.unwrap();
        for sender in &self.senders {
            let mut under_way = JoinSet::new();
            let mut claimed = Default::default();
            loop {
                sender.fill(&mut claimed, &mut under_way).await.unwrap();
                if under_way.join_next().await.transpose().unwrap().is_none() {
                    break;
                }
            }
        }
        next
    }

    async fn value<T: rusqlite::types::FromSql + Send + 'static>(&self, sql: &'static str) -> T {
        let read = move |connection: &Connection| Ok(connection.query_row(sql, [], |row| row.get(0))?);
        self.office.readers.read(read).await.unwrap()
    }

    /// Every record about alerts: action, channel, threshold.
    async fn records(&self) -> String {
        self.value(
            "SELECT coalesce(group_concat(substr(action, 18) || ' ' || coalesce(details ->> '$.channel', '') || ' '
                 || (details ->> '$.threshold'), ', ' ORDER BY seq), '')
             FROM audit_events WHERE action LIKE 'expiration_alert_%'",
        )
        .await
    }

    async fn metrics(&self) -> String {
        let now = self.office.line.wall();
        let read = move |connection: &Connection| {
            Ok(AlertGauges { queued: counts::queued(connection)?, days_left: counts::days_left(connection, now)? })
        };
        let alerts = self.office.readers.read(read).await.unwrap();
        let gauges = Gauges { now, queue_depth: 0, ledger_size: 0, oldest_pending_at: None, jobs: Vec::new(), alerts };
        self.metrics.text(&gauges).unwrap()
    }
}

/// One server for each channel of the matrix.
struct Town {
    slack: WebServer,
    pagerduty: WebServer,
    opsgenie: WebServer,
    mail: MailServer,
    pagerduty_says: Arc<Mutex<String>>,
    notify: String,
}

impl Town {
    async fn build() -> Self {
        let pagerduty_says = Arc::new(Mutex::new(ACCEPTS.to_owned()));
        let slack = web_server(Web::Says(TAKES.to_owned()), None).await;
        let pagerduty = web_server(Web::SaysNow(pagerduty_says.clone()), None).await;
        let opsgenie = web_server(Web::Says(ACCEPTS.to_owned()), None).await;
        let mail = mail_server(Mta { after_data: Some("250 kept\r\n"), ..Mta::default() }).await;
        let notify = format!(
            "slack = {{ webhook = \"file:{secrets}/slack\", base_url = \"http://127.0.0.1:{}\" }}
             pagerduty = {{ key = \"file:{secrets}/key\", base_url = \"http://127.0.0.1:{}\" }}
             opsgenie = {{ key = \"file:{secrets}/key\", base_url = \"http://127.0.0.1:{}\" }}
             email = {{ host = \"127.0.0.1\", port = {}, tls = \"none\", from = \"pki@corp.example\", to = [\"ops@corp.example\"] }}",
            slack.port,
            pagerduty.port,
            opsgenie.port,
            mail.port,
            secrets = secrets().display(),
        );
        Self { slack, pagerduty, opsgenie, mail, pagerduty_says, notify }
    }

    fn got(&self) -> [usize; 4] {
        let web = [&self.slack, &self.pagerduty, &self.opsgenie].map(|server| server.got.lock().unwrap().len());
        [web[0], web[1], web[2], self.mail.kept.lock().unwrap().len()]
    }
}

/// A directory with a key and the address of an incoming webhook, for as long as the process lives.
fn secrets() -> std::path::PathBuf {
    let dir = tempfile::Builder::new().prefix("cs-secrets-").tempdir().unwrap().keep();
    for (name, secret) in [("key", "k1"), ("slack", "https://hooks.slack.com/services/T0/B0/x")] {
        std::fs::write(dir.join(name), secret).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

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
        "countersign_certificates_days_left{le=\"0\"} 1",
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
        oldest_pending_at: None,
        jobs: Vec::new(),
        alerts: AlertGauges::default(),
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
    assert_eq!(got[0].body, got[1].body, "the same message, under the same id");
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
