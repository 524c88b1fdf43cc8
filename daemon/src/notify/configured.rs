//! Whom the channels of this host reach, as their configuration says: to show, before anything is sent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use countersign_shared::text::Untrusted;

use super::settings::NotifySettings;
use super::{OPSGENIE, PAGERDUTY};
use crate::policy::Channel;

/// Each channel that is configured, with whom it reaches for every message.
pub type Reaches = BTreeMap<Channel, Vec<Untrusted>>;

/// A handle to that of this moment; cheap to clone. A reload replaces it.
#[derive(Clone, Default)]
pub struct Configured(Arc<RwLock<Arc<Reaches>>>);

impl Configured {
    /// What the settings say.
    pub fn of(settings: &NotifySettings) -> Self {
        let configured = Self::default();
        configured.replace(settings);
        configured
    }

    /// That of this moment.
    pub fn now(&self) -> Arc<Reaches> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Other settings took force.
    pub fn replace(&self, settings: &NotifySettings) {
        let reaches = Channel::ALL.into_iter().filter_map(|channel| Some((channel, settings.reach(channel)?)));
        let reaches = reaches.map(|(channel, to)| (channel, to.into_iter().map(Untrusted::new).collect())).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(reaches);
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Configured").field(&self.now()).finish()
    }
}

impl NotifySettings {
    /// Whom a channel reaches for every message; `None` where it is not configured. Addresses of mail, the server that an
    /// HTTP service stands on, a program, a socket. No secret is read: of an incoming webhook no more is known than its
    /// relay. `Wall` reaches accounts of each message's own.
    pub fn reach(&self, channel: Channel) -> Option<Vec<String>> {
        let hook = |table: &super::settings::HookTable| match &table.base_url {
            Some(relay) => server(relay),
            None => "the server of its webhook".to_owned(),
        };
        let keyed = |table: &super::settings::KeyTable, own: &str| server(table.base_url.as_deref().unwrap_or(own));
        match channel {
            Channel::Email => self.email.as_ref().map(|mail| mail.to.iter().map(ToString::to_string).collect()),
            Channel::Slack => self.slack.as_ref().map(|table| vec![hook(table)]),
            Channel::Teams => self.teams.as_ref().map(|table| vec![hook(table)]),
            Channel::PagerDuty => self.pagerduty.as_ref().map(|table| vec![keyed(table, PAGERDUTY)]),
            Channel::OpsGenie => self.opsgenie.as_ref().map(|table| vec![keyed(table, OPSGENIE)]),
            Channel::Webhook => self.webhook.as_ref().map(|table| vec![server(&table.url)]),
            Channel::Syslog => self.syslog.as_ref().map(|table| {
                let socket = table.socket.as_deref().unwrap_or(table.protocol.socket());
                vec![socket.display().to_string()]
            }),
            Channel::Command => self.command.as_ref().map(|table| table.command.first().cloned().into_iter().collect()),
            Channel::Wall => self.wall.as_ref().map(|_| Vec::new()),
        }
    }
}

/// The server of an address, which alone is no secret.
fn server(address: &str) -> String {
    super::send::address::BaseAddress::parse(address, true).map_or_else(
        |why| format!("an address that {why}"),
        |base| format!("{}://{}", if base.tls { "https" } else { "http" }, base.authority),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_secret_and_what_is_left_out_is_not_configured() {
        let settings: NotifySettings = toml::from_str(
            r#"
email = { host = "mx", from = "pki@corp.example", to = ["ops@corp.example", "night@corp.example"] }
slack = { webhook = "file:/none" }
teams = { webhook = "file:/none", base_url = "https://relay:8443/teams/s3cret" }
opsgenie = { key = "file:/none" }
webhook = { url = "https://hook.corp.example/s3cret?token=s3cret", secret = "file:/none" }
syslog = { protocol = "journal" }
command = { command = ["/usr/local/bin/tell", "--token", "s3cret"] }
wall = {}
"#,
        )
        .unwrap();
        let configured = Configured::of(&settings);
        let reaches = configured.now();
        let to = |channel| reaches.get(&channel).map(|to| to.iter().map(Untrusted::raw).collect::<Vec<_>>().join(" "));
        for (channel, expected) in [
            (Channel::Email, Some("ops@corp.example night@corp.example")),
            (Channel::Slack, Some("the server of its webhook")),
            (Channel::Teams, Some("https://relay:8443")),
            (Channel::PagerDuty, None),
            (Channel::OpsGenie, Some("https://api.opsgenie.com")),
            (Channel::Webhook, Some("https://hook.corp.example")),
            (Channel::Syslog, Some("/run/systemd/journal/socket")),
            (Channel::Command, Some("/usr/local/bin/tell")),
            (Channel::Wall, Some("")),
        ] {
            assert_eq!(to(channel).as_deref(), expected, "{channel:?}");
        }
        assert!(!format!("{configured:?}").contains("s3cret"));
        configured.replace(&NotifySettings::default());
        assert!(configured.now().is_empty());
    }
}
