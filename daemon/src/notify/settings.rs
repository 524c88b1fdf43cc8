//! `[notify]` of `countersign.toml`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;
use lettre::Address;
use lettre::message::Mailbox;
use serde::{Deserialize, Deserializer, de};

use super::pace::{Collect, NotCollected, Pace, QuietHours, Rate};
use super::secret::SecretSource;
use super::send::address::BaseAddress;
use super::send::command::CommandChannel;
use super::send::email::{Email, Protection};
use super::send::http::HttpClient;
use super::send::local_log::{LocalLog, LogProtocol};
use super::send::service::{Dialect, Service};
use super::send::trust::trust;
use super::send::wall::Wall;
use crate::policy::{Channel, IDENTIFIER_SHAPE, is_identifier};

/// The time limit of a channel, when nothing is set: 30 s.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time limit: 10 min, what RFC 5321 gives a server for the end of a mail.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// The channels of this host. A table that is left out is a channel that is not configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifySettings {
    /// `[notify.email]`
    pub email: Option<EmailTable>,
    /// `[notify.slack]`
    pub slack: Option<HookTable>,
    /// `[notify.teams]`
    pub teams: Option<HookTable>,
    /// `[notify.pagerduty]`
    pub pagerduty: Option<KeyTable>,
    /// `[notify.opsgenie]`
    pub opsgenie: Option<KeyTable>,
    /// `[notify.webhook]`
    pub webhook: Option<WebhookTable>,
    /// `[notify.syslog]`
    pub syslog: Option<SyslogTable>,
    /// `[notify.command]`
    pub command: Option<CommandTable>,
    /// `[notify.wall]`
    pub wall: Option<WallTable>,
    /// `[notify.team.NAME]`: a team's own channels; where it has none, the host's carry its messages.
    #[serde(default, deserialize_with = "teams")]
    pub team: BTreeMap<String, NotifySettings>,
}

impl NotifySettings {
    /// How a channel is paced, whoever its messages are for.
    pub fn pace(&self, channel: Channel) -> Pace {
        macro_rules! of {
            ($table:expr, $digest:expr) => {
                $table.as_ref().map(|table| Pace {
                    quiet_hours: table.quiet_hours,
                    rate: table.rate,
                    digest: $digest(table.digest),
                })
            };
        }
        let collects = |digest: Option<Collect>| digest;
        let never = |digest: Option<NotCollected>| digest.map(|digest| match digest {});
        let pace = match channel {
            Channel::Email => of!(self.email, collects),
            Channel::Slack => of!(self.slack, collects),
            Channel::Teams => of!(self.teams, collects),
            Channel::PagerDuty => of!(self.pagerduty, never),
            Channel::OpsGenie => of!(self.opsgenie, never),
            Channel::Webhook => of!(self.webhook, collects),
            Channel::Syslog => of!(self.syslog, collects),
            Channel::Command => of!(self.command, collects),
            Channel::Wall => of!(self.wall, never),
        };
        pace.unwrap_or_default()
    }
}

/// Teams have channels and no teams, and are paced as the host is: what a channel took is counted once for all.
fn teams<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, NotifySettings>, D::Error> {
    let teams = BTreeMap::<String, NotifySettings>::deserialize(deserializer)?;
    for (name, own) in &teams {
        if !is_identifier(name) {
            let name = Untrusted::from(name.as_str());
            return Err(de::Error::custom(format!("team `{}`: {IDENTIFIER_SHAPE}", name.safe())));
        }
        if !own.team.is_empty() {
            return Err(de::Error::custom(format!("team `{name}` cannot have teams of its own")));
        }
        if let Some(channel) = Channel::ALL.into_iter().find(|channel| own.pace(*channel) != Pace::default()) {
            let table = channel.as_str().to_lowercase();
            return Err(de::Error::custom(format!(
                "team `{name}`: quiet_hours, rate and digest are those of [notify.{table}], for all teams: set them there"
            )));
        }
    }
    Ok(teams)
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// STARTTLS; port 587 when nothing is set.
    #[default]
    StartTls,
    /// TLS from the first octet; port 465 when nothing is set.
    Implicit,
    /// Not at all; port 25 when nothing is set. Takes no login.
    None,
}

/// `[notify.email]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmailTable {
    /// The mail server: a name, or an IP address.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// `starttls` when left out.
    #[serde(default)]
    pub tls: MailTls,
    /// The sender: `countersign <pki@corp.example>`.
    #[serde(deserialize_with = "mailbox")]
    pub from: Mailbox,
    /// Who gets what is addressed to nobody.
    #[serde(default, deserialize_with = "addresses")]
    pub to: Vec<Address>,
    /// What EHLO says; the domain of `from` when left out.
    pub hello: Option<String>,
    /// The account; together with `password`.
    pub username: Option<String>,
    /// Where its password stands.
    pub password: Option<SecretSource>,
    /// The authorities that are trusted (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one attempt; `30s` when left out.
    pub timeout: Option<Span>,
    /// When nothing goes out but what is critical.
    pub quiet_hours: Option<QuietHours>,
    /// `30/1h`: so many go out in a while, critical ones apart.
    pub rate: Option<Rate>,
    /// For how long messages to the same people are collected; critical ones are not.
    pub digest: Option<Collect>,
}

/// `[notify.slack]`, `[notify.teams]`: an incoming webhook, whose address is the secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookTable {
    /// Where the whole address stands.
    pub webhook: SecretSource,
    /// A relay that stands in for the server of the address: its path is put in front.
    pub base_url: Option<String>,
    /// True where `http://` may lead to another host.
    #[serde(default)]
    pub plain_http: bool,
    /// The authorities that are trusted (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one attempt; `30s` when left out.
    pub timeout: Option<Span>,
    /// When nothing goes out but what is critical.
    pub quiet_hours: Option<QuietHours>,
    /// `30/1h`: so many go out in a while, critical ones apart.
    pub rate: Option<Rate>,
    /// For how long messages to the same people are collected; critical ones are not.
    pub digest: Option<Collect>,
}

/// `[notify.pagerduty]`, `[notify.opsgenie]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyTable {
    /// Where the routing key or the API key stands.
    pub key: SecretSource,
    /// The service, or a relay to it; `https://events.pagerduty.com`, `https://api.opsgenie.com` when left out.
    pub base_url: Option<String>,
    /// True where `http://` may lead to another host.
    #[serde(default)]
    pub plain_http: bool,
    /// The authorities that are trusted (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one attempt; `30s` when left out.
    pub timeout: Option<Span>,
    /// When nothing goes out but what is critical.
    pub quiet_hours: Option<QuietHours>,
    /// `30/1h`: so many go out in a while, critical ones apart.
    pub rate: Option<Rate>,
    /// Refused.
    digest: Option<NotCollected>,
}

/// `[notify.webhook]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookTable {
    /// Where requests go.
    pub url: String,
    /// Where the key of the signature stands.
    pub secret: SecretSource,
    /// True where `http://` may lead to another host.
    #[serde(default)]
    pub plain_http: bool,
    /// The authorities that are trusted (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// For one attempt; `30s` when left out.
    pub timeout: Option<Span>,
    /// When nothing goes out but what is critical.
    pub quiet_hours: Option<QuietHours>,
    /// `30/1h`: so many go out in a while, critical ones apart.
    pub rate: Option<Rate>,
    /// For how long messages to the same people are collected; critical ones are not.
    pub digest: Option<Collect>,
}

/// `[notify.syslog]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogTable {
    /// `journal` or `rfc5424`.
    pub protocol: LogProtocol,
    /// The protocol's own when left out.
    pub socket: Option<PathBuf>,
    /// When nothing goes out but what is critical.
    pub quiet_hours: Option<QuietHours>,
    /// `30/1h`: so many go out in a while, critical ones apart.
    pub rate: Option<Rate>,
    /// For how long messages to the same people are collected; critical ones are not.
    pub digest: Option<Collect>,
}

/// `[notify.command]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandTable {
    /// The program by its absolute path, and its arguments. They are visible to every user of the host.
    pub command: Vec<String>,
    /// For one run; `30s` when left out.
    pub timeout: Option<Span>,
    /// When nothing goes out but what is critical.
    pub quiet_hours: Option<QuietHours>,
    /// `30/1h`: so many go out in a while, critical ones apart.
    pub rate: Option<Rate>,
    /// For how long messages to the same people are collected; critical ones are not.
    pub digest: Option<Collect>,
}

/// `[notify.wall]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WallTable {
    /// utmp(5); `/run/utmp` when left out.
    pub utmp: Option<PathBuf>,
    /// When nothing goes out but what is critical.
    pub quiet_hours: Option<QuietHours>,
    /// `30/1h`: so many go out in a while, critical ones apart.
    pub rate: Option<Rate>,
    /// Refused.
    digest: Option<NotCollected>,
}

fn mailbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mailbox, D::Error> {
    let raw = String::deserialize(deserializer)?;
    let mailbox: Mailbox = raw.parse().map_err(|_| de::Error::custom("is no mail address"))?;
    ascii(mailbox.email.clone()).map_err(de::Error::custom)?;
    Ok(mailbox)
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
    let raw = Vec::<String>::deserialize(deserializer)?;
    let parsed = raw.iter().map(|one| one.parse::<Address>().map_err(|_| "is no mail address").and_then(ascii));
    parsed.collect::<Result<_, _>>().map_err(de::Error::custom)
}

fn ascii(address: Address) -> Result<Address, &'static str> {
    if address.to_string().is_ascii() {
        Ok(address)
    } else {
        Err("has letters that need SMTPUTF8, which is not spoken")
    }
}

fn limit(timeout: Option<Span>) -> Result<Duration, String> {
    let timeout = timeout.map_or(TIMEOUT, |span| Duration::from_millis(span.millis()));
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        return Err(format!("`timeout` is not above 0s and at most {}s", MAX_TIMEOUT.as_secs()));
    }
    Ok(timeout)
}

fn http(base: &BaseAddress, ca_file: Option<&Path>, timeout: Option<Span>) -> Result<HttpClient, String> {
    // A plain relay needs no trust; the system may have none to offer.
    let trust = if base.tls { Some(trust(ca_file)?) } else { None };
    Ok(HttpClient { trust, timeout: limit(timeout)? })
}

fn base(key: &str, raw: &str, plain: bool) -> Result<BaseAddress, String> {
    BaseAddress::parse(raw, plain).map_err(|why| format!("`{key}` {why}"))
}

impl EmailTable {
    pub(super) fn open(&self) -> Result<Email, String> {
        let encrypted = || trust(self.ca_file.as_deref());
        let (protection, port) = match self.tls {
            MailTls::StartTls => (Protection::StartTls(encrypted()?), 587),
            MailTls::Implicit => (Protection::Implicit(encrypted()?), 465),
            MailTls::None => (Protection::Plain, 25),
        };
        let login = match (&self.username, &self.password) {
            (None, None) => None,
            (Some(_), Some(_)) if self.tls == MailTls::None => {
                return Err("`password` would be sent in the clear; set `tls` to `starttls` or `implicit`".to_owned());
            }
            (Some(user), Some(password)) => Some((user.clone(), password.read()?)),
            _ => return Err("`username` and `password` belong together".to_owned()),
        };
        let hello = self.hello.clone().unwrap_or_else(|| self.from.email.domain().to_owned());
        for (key, host) in [("host", &self.host), ("hello", &hello)] {
            if host.is_empty() || !host.bytes().all(|octet| octet.is_ascii_graphic()) {
                return Err(format!("`{key}` is no host name: {}", Untrusted::from(host.as_str()).safe()));
            }
        }
        Ok(Email {
            host: self.host.clone(),
            port: self.port.unwrap_or(port),
            protection,
            login,
            from: self.from.clone(),
            to: self.to.clone(),
            hello,
            timeout: limit(self.timeout)?,
        })
    }
}

impl HookTable {
    pub(super) fn open(&self, dialect: fn(super::secret::Secret) -> Dialect) -> Result<Service, String> {
        let secret = self.webhook.read()?;
        // The address of the service itself is never called where a relay stands in for it.
        let own = base("webhook", secret.reveal(), self.plain_http || self.base_url.is_some())?;
        let base = match &self.base_url {
            Some(relay) => base("base_url", relay, self.plain_http)?.standing_in_for(&own),
            None => own,
        };
        let http = http(&base, self.ca_file.as_deref(), self.timeout)?;
        Ok(Service { dialect: dialect(secret), base, http })
    }
}

impl KeyTable {
    pub(super) fn open(&self, dialect: fn(super::secret::Secret) -> Dialect, own: &str) -> Result<Service, String> {
        let base = base("base_url", self.base_url.as_deref().unwrap_or(own), self.plain_http)?;
        let http = http(&base, self.ca_file.as_deref(), self.timeout)?;
        Ok(Service { dialect: dialect(self.key.read()?), base, http })
    }
}

impl WebhookTable {
    pub(super) fn open(&self) -> Result<Service, String> {
        let base = base("url", &self.url, self.plain_http)?;
        let http = http(&base, self.ca_file.as_deref(), self.timeout)?;
        Ok(Service { dialect: Dialect::Webhook(self.secret.read()?), base, http })
    }
}

impl SyslogTable {
    pub(super) fn open(&self) -> LocalLog {
        let socket = self.socket.clone().unwrap_or_else(|| self.protocol.socket().to_owned());
        LocalLog { protocol: self.protocol, socket, timeout: TIMEOUT }
    }
}

impl CommandTable {
    pub(super) fn open(&self) -> Result<CommandChannel, String> {
        let (program, args) =
            self.command.split_first().ok_or("`command` is empty; it begins with a program's path")?;
        let program = PathBuf::from(program);
        if !program.is_absolute() {
            return Err("`command` does not begin with an absolute path".to_owned());
        }
        Ok(CommandChannel::new(program, args.iter().map(OsString::from).collect(), limit(self.timeout)?))
    }
}

impl WallTable {
    pub(super) fn open(&self) -> Wall {
        Wall { utmp: self.utmp.clone().unwrap_or_else(|| "/run/utmp".into()), devices: "/dev".into() }
    }
}
