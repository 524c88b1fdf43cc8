//! Telling people: what is said ([`message`]), how each medium writes it ([`render`]), and the channels that carry it.
//!
//! [`Channels`] is made of the settings and of the secrets as they are at that moment; a reload makes new ones. An
//! attempt ends in a [`Receipt`] within the channel's time limit, whatever the other side does. When to send, to whom,
//! how often again, and what is written of it is the outbox's to know: nothing here touches the store or reads a clock.

use std::collections::BTreeMap;
use std::fmt;

use countersign_shared::time::Timestamp;

use crate::policy::Channel;

mod configured;
pub mod message;
pub mod outcome;
pub mod pace;
pub mod render;
pub mod secret;
mod send;
pub mod settings;
#[cfg(test)]
mod settings_tests;
#[cfg(test)]
pub(crate) mod testing;

pub use configured::{Configured, Reaches};
pub use message::{Audience, Ending, Item, Kind, Message, Token};
pub use outcome::{Outcome, Reached, Receipt};
pub use pace::Pace;
#[cfg(test)]
pub(crate) use send::servers;
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
    /// Whose; the host's own where there is none.
    pub team: Option<String>,
    /// Which.
    pub channel: Channel,
    /// Why, safe to show.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let team = self.team.as_ref().map(|team| format!("team.{team}.")).unwrap_or_default();
        write!(f, "[notify.{team}{}]: {}", self.channel.as_str().to_lowercase(), self.why)
    }
}

/// Each channel that is configured, or why it cannot be used.
type Carriers = BTreeMap<Channel, Result<Carrier, String>>;

/// The channels of this host, ready to send.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    carriers: Carriers,
    teams: BTreeMap<String, Carriers>,
    paces: BTreeMap<Channel, Pace>,
}

impl Channels {
    /// Reads secrets and authorities. A channel that cannot be used stands among the problems, and sending on it fails
    /// with the reason until the next reload; the others are not touched by it. A caller that reloads can keep the
    /// channels it has instead.
    pub fn open(settings: &NotifySettings) -> (Self, Vec<Problem>) {
        let carriers = carriers(settings);
        let teams: BTreeMap<_, _> =
            settings.team.iter().map(|(team, own)| (team.clone(), self::carriers(own))).collect();
        let mut problems = problems(None, &carriers);
        problems.extend(teams.iter().flat_map(|(team, own)| self::problems(Some(team), own)));
        let paces = Channel::ALL.into_iter().map(|channel| (channel, settings.pace(channel))).collect();
        (Self { carriers, teams, paces }, problems)
    }

    /// As [`Channels::open`], where a channel that cannot be used any more stays as it is in `before`.
    pub fn reopen(settings: &NotifySettings, before: &Self) -> (Self, Vec<Problem>) {
        let (mut opened, problems) = Self::open(settings);
        keep_usable(&mut opened.carriers, &before.carriers);
        for (team, own) in &mut opened.teams {
            if let Some(before) = before.teams.get(team) {
                keep_usable(own, before);
            }
        }
        (opened, problems)
    }

    /// Those of the host that are configured, usable or not.
    pub fn configured(&self) -> impl Iterator<Item = Channel> {
        self.carriers.keys().copied()
    }

    /// How a channel is paced.
    pub fn pace(&self, channel: Channel) -> Pace {
        self.paces.get(&channel).copied().unwrap_or_default()
    }

    /// Whether a team has a channel of its own, on which its messages go out.
    pub fn is_own(&self, channel: Channel, team: Option<&str>) -> bool {
        self.of_team(channel, team).is_some()
    }

    fn of_team(&self, channel: Channel, team: Option<&str>) -> Option<&Result<Carrier, String>> {
        self.teams.get(team?)?.get(&channel)
    }

    /// One attempt, on the team's own channel where it has one. `now` goes into signatures. Local channels block a thread of their own while they write.
    pub async fn send(
        &self,
        channel: Channel,
        team: Option<&str>,
        message: &Message,
        audience: &Audience,
        now: Timestamp,
    ) -> Receipt {
        let name = channel.as_str().to_owned();
        let Some(carrier) = self.of_team(channel, team).or_else(|| self.carriers.get(&channel)) else {
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

fn carriers(settings: &NotifySettings) -> Carriers {
    let service = |opened: Result<Service, String>| opened.map(Carrier::Service);
    let local = |opened: Result<Local, String>| opened.map(Carrier::Local);
    let NotifySettings { email, slack, teams, pagerduty, opsgenie, webhook, syslog, command, wall, team: _ } = settings;
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
    opened.into_iter().filter_map(|(channel, carrier)| Some((channel, carrier?))).collect()
}

fn problems(team: Option<&String>, carriers: &Carriers) -> Vec<Problem> {
    let problem = |(channel, carrier): (&Channel, &Result<Carrier, String>)| {
        let why = carrier.as_ref().err()?.clone();
        Some(Problem { team: team.cloned(), channel: *channel, why })
    };
    carriers.iter().filter_map(problem).collect()
}

fn keep_usable(opened: &mut Carriers, before: &Carriers) {
    for (channel, carrier) in opened.iter_mut().filter(|(_, carrier)| carrier.is_err()) {
        if let Some(kept) = before.get(channel).filter(|kept| kept.is_ok()) {
            *carrier = kept.clone();
        }
    }
}
