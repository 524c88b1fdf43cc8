//! Telling people: what is said ([`message`]), how each medium writes it ([`render`]), and the channels that carry it.
//!
//! [`Channels`] is made of the settings and of the secrets as they are at that moment; a reload makes new ones. An
//! attempt ends in a [`Receipt`] within the channel's time limit, whatever the other side does. When to send, to whom,
//! how often again, and what is written of it is the outbox's to know: nothing here touches the store or reads a clock.

use std::fmt;

use countersign_shared::time::Timestamp;

use crate::policy::Channel;

pub mod message;
pub mod outcome;
pub mod render;
pub mod secret;
mod send;
pub mod settings;
#[cfg(test)]
mod settings_tests;
#[cfg(test)]
pub(crate) mod testing;

pub use message::{Audience, Item, Kind, Message, Token};
pub use outcome::{Outcome, Reached, Receipt};
pub use settings::NotifySettings;

use send::command::CommandChannel;
use send::email::Email;
use send::local_log::LocalLog;
use send::service::{Dialect, Service};
use send::wall::Wall;

/// PagerDuty's own address.
const PAGERDUTY: &str = "https://events.pagerduty.com";
/// OpsGenie's own address.
const OPSGENIE: &str = "https://api.opsgenie.com";

/// What a channel is carried by.
#[derive(Clone, Debug)]
enum Carrier {
    Email(Email),
    Service(Service),
    Local(Local),
}

/// What is written on this host, by calls that block.
#[derive(Clone, Debug)]
enum Local {
    Log(LocalLog),
    Command(CommandChannel),
    Wall(Wall),
}

impl Local {
    fn send(&self, channel: &str, message: &Message, audience: &Audience) -> Receipt {
        match self {
            Self::Log(log) => Receipt::whole(channel, log.send(message)),
            Self::Command(command) => Receipt::whole(channel, command.send(message, audience)),
            Self::Wall(wall) => wall.send(message, audience),
        }
    }
}

/// A channel that is configured and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub channel: Channel,
    /// Why, safe to show.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[notify.{}]: {}", format!("{:?}", self.channel).to_lowercase(), self.why)
    }
}

/// The channels of this host, ready to send.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    carriers: Vec<(Channel, Result<Carrier, String>)>,
}

impl Channels {
    /// Reads secrets and authorities. A channel that cannot be used stands among the problems, and sending on it fails
    /// with the reason until the next reload; the others are not touched by it. A caller that reloads can keep the
    /// channels it has instead.
    pub fn open(settings: &NotifySettings) -> (Self, Vec<Problem>) {
        let service = |opened: Result<Service, String>| opened.map(Carrier::Service);
        let local = |opened: Result<Local, String>| opened.map(Carrier::Local);
        let NotifySettings { email, slack, teams, pagerduty, opsgenie, webhook, syslog, command, wall } = settings;
        let opened = [
            (Channel::Email, email.as_ref().map(|table| table.open().map(Carrier::Email))),
            (Channel::Slack, slack.as_ref().map(|table| service(table.open(Dialect::Slack)))),
            (Channel::Teams, teams.as_ref().map(|table| service(table.open(Dialect::Teams)))),
            (Channel::PagerDuty, pagerduty.as_ref().map(|table| service(table.open(Dialect::PagerDuty, PAGERDUTY)))),
            (Channel::OpsGenie, opsgenie.as_ref().map(|table| service(table.open(Dialect::OpsGenie, OPSGENIE)))),
            (Channel::Webhook, webhook.as_ref().map(|table| service(table.open()))),
            (Channel::Syslog, syslog.as_ref().map(|table| local(Ok(Local::Log(table.open()))))),
            (Channel::Command, command.as_ref().map(|table| local(table.open().map(Local::Command)))),
            (Channel::Wall, wall.as_ref().map(|table| local(Ok(Local::Wall(table.open()))))),
        ];
        let carriers: Vec<_> = opened.into_iter().filter_map(|(channel, carrier)| Some((channel, carrier?))).collect();
        let problems = carriers.iter().filter_map(|(channel, carrier)| {
            carrier.as_ref().err().map(|why| Problem { channel: *channel, why: why.clone() })
        });
        let problems = problems.collect();
        (Self { carriers }, problems)
    }

    /// As [`Channels::open`], where a channel that cannot be used any more stays as it is in `before`.
    pub fn reopen(settings: &NotifySettings, before: &Self) -> (Self, Vec<Problem>) {
        let (mut opened, problems) = Self::open(settings);
        for (channel, carrier) in opened.carriers.iter_mut().filter(|(_, carrier)| carrier.is_err()) {
            let usable = before.carriers.iter().find(|(known, carrier)| known == channel && carrier.is_ok());
            if let Some((_, kept)) = usable {
                *carrier = kept.clone();
            }
        }
        (opened, problems)
    }

    /// Those that are configured, usable or not.
    pub fn configured(&self) -> impl Iterator<Item = Channel> {
        self.carriers.iter().map(|(channel, _)| *channel)
    }

    /// One attempt. `now` goes into signatures. Local channels block a thread of their own while they write.
    pub async fn send(&self, channel: Channel, message: &Message, audience: &Audience, now: Timestamp) -> Receipt {
        let name = format!("{channel:?}");
        let known = self.carriers.iter().find(|(known, _)| *known == channel);
        let Some((_, carrier)) = known else {
            let why = format!("not configured; add [notify.{}] to countersign.toml", name.to_lowercase());
            return Receipt::whole(&name, Outcome::never(why));
        };
        match carrier {
            Err(why) => Receipt::whole(&name, Outcome::later(why.as_str())),
            Ok(Carrier::Email(email)) => email.send(message, audience).await,
            Ok(Carrier::Service(service)) => Receipt::whole(&name, service.send(message, now).await),
            Ok(Carrier::Local(local)) => {
                let (local, message, audience, named) =
                    (local.clone(), message.clone(), audience.clone(), name.clone());
                let attempt = tokio::task::spawn_blocking(move || local.send(&named, &message, &audience));
                attempt.await.unwrap_or_else(|_| Receipt::whole(&name, Outcome::later("the attempt was broken off")))
            }
        }
    }
}
