//! A real database, the watch and the senders, real servers, and a clock that the test moves.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_shared::protocol::AuditAction;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, params};
use tokio::task::JoinSet;

use super::*;
use crate::alerts::counts;
use crate::alerts::stage::DAY;
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
pub const END: i64 = 1_800_000_000_000;
pub const ACCEPTS: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}";
pub const TAKES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
pub const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

pub const POLICY: &str = r#"
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

pub struct Rig {
    _dir: tempfile::TempDir,
    pub clock: Arc<HeldClock>,
    pub watch: Watch,
    pub office: Office,
    pub senders: Vec<Sender>,
    pub metrics: Arc<Metrics>,
}

impl Rig {
    pub async fn new(notify: &str, days_before_end: i64) -> Self {
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
        let watch = Watch { writer, policy, line, watched: Arc::default(), planned: Arc::default() };
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

    pub fn pass_time(&self, minutes: i64) {
        self.clock.pass(Duration::from_secs(u64::try_from(minutes).unwrap() * 60));
    }

    /// One pass, and every attempt that is due after it.
    pub async fn look_and_send(&self) -> Option<i64> {
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

    pub async fn value<T: rusqlite::types::FromSql + Send + 'static>(&self, sql: &'static str) -> T {
        let read = move |connection: &Connection| Ok(connection.query_row(sql, [], |row| row.get(0))?);
        self.office.readers.read(read).await.unwrap()
    }

    /// Every record about alerts: action, channel, threshold.
    pub async fn records(&self) -> String {
        self.value(
            "SELECT coalesce(group_concat(substr(action, 18) || ' ' || coalesce(details ->> '$.channel', '') || ' '
                 || (details ->> '$.threshold'), ', ' ORDER BY seq), '')
             FROM audit_events WHERE action LIKE 'expiration_alert_%'",
        )
        .await
    }

    pub async fn metrics(&self) -> String {
        let now = self.office.line.wall();
        let read = move |connection: &Connection| {
            Ok(AlertGauges { queued: counts::queued(connection)?, days_left: counts::days_left(connection, now)? })
        };
        let alerts = self.office.readers.read(read).await.unwrap();
        let gauges = Gauges {
            now,
            queue_depth: 0,
            ledger_size: 0,
            anchoring: Default::default(),
            acknowledged_damage: 0,
            oldest_pending_at: None,
            jobs: Vec::new(),
            alerts,
            problems: Vec::new(),
        };
        self.metrics.text(&gauges).unwrap()
    }
}

/// One server for each channel of the matrix.
pub struct Town {
    pub slack: WebServer,
    pub pagerduty: WebServer,
    pub opsgenie: WebServer,
    pub mail: MailServer,
    pub pagerduty_says: Arc<Mutex<String>>,
    pub notify: String,
}

impl Town {
    pub async fn build() -> Self {
        let pagerduty_says = Arc::new(Mutex::new(ACCEPTS.to_owned()));
        let slack = web_server(Web::Says(TAKES.to_owned()), None).await;
        let pagerduty = web_server(Web::SaysNow(pagerduty_says.clone()), None).await;
        let opsgenie = web_server(Web::Says(ACCEPTS.to_owned()), None).await;
        let mail = mail_server(Mta { after_data: Some("250 kept"), ..Mta::default() }).await;
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

    pub fn got(&self) -> [usize; 4] {
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
