//! Alerts of certificates that end, the trial of an alert, and the message that a certificate was renewed.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::PersonRef;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::certificate::{self, Subject, Watch};
use super::{Composed, House, Letter, Notice, database, recipients};
use crate::alerts::stage::DAY;
use crate::identity::directory::Account;
use crate::notify::{Audience, Kind, Message};
use crate::policy::{AccountName, Channel, Policy};
use crate::store::rows::notifications;

/// An alert that a threshold raised.
pub const ALERT: &str = crate::alerts::rows::KIND;
/// An alert that somebody tries.
pub const TEST: &str = notifications::TEST;
/// What earlier alerts opened elsewhere is closed.
pub const RENEWED: &str = notifications::RENEWED;

/// The same, where nothing took the place of the certificate.
pub const DEALT_WITH: &str = notifications::DEALT_WITH;

/// The parameters of a [`TEST`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The threshold that is tried, in days.
    pub threshold: u16,
    /// Who tries it.
    pub by: String,
}

/// The parameters of [`RENEWED`] and of [`DEALT_WITH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// The version that took the place of the one that was alerted; of what was dealt with, the last one.
    pub version: u64,
}

/// Composes one of the four.
pub fn compose(house: House<'_>, notice: &Notice) -> Result<Composed, ApiError> {
    let watch = certificate::watch(house.connection, &notice.resource_id)?;
    match notice.kind.as_str() {
        ALERT => alert(house, notice, watch),
        TEST => trial(house, notice, watch),
        RENEWED => renewed(house, notice, watch),
        DEALT_WITH => dealt_with(house, notice, watch),
        other => Err(ApiError::internal(format!("{other} is no message about the end of a certificate"))),
    }
}

fn alert(house: House<'_>, notice: &Notice, watch: Option<Watch>) -> Result<Composed, ApiError> {
    let (version, stage) = raised(house, notice.id)?;
    let Some(watch) = watch else { return Ok(Composed::Moot("the certificate was dealt with".to_owned())) };
    if watch.version > version {
        return Ok(Composed::Moot("a newer version took its place".to_owned()));
    }
    // After the end the last threshold stands for every day.
    let threshold = u16::try_from(stage.max(0)).unwrap_or(u16::MAX);
    Ok(Composed::Send(Box::new(ending(house, notice, watch, threshold)?)))
}

fn trial(house: House<'_>, notice: &Notice, watch: Option<Watch>) -> Result<Composed, ApiError> {
    let params: Trial = parsed(notice)?;
    let Some(watch) = watch else {
        return Ok(Composed::Moot("the certificate has no version that anybody looks after".to_owned()));
    };
    let mut letter = ending(house, notice, watch, params.threshold)?;
    letter.message.test = true;
    letter.message.requester = Some(params.by.into());
    Ok(Composed::Send(Box::new(letter)))
}

fn renewed(house: House<'_>, notice: &Notice, watch: Option<Watch>) -> Result<Composed, ApiError> {
    let params: Renewal = parsed(notice)?;
    // Messages about one certificate are one incident: what closes an old one late must not close a new one.
    if alerted_since(house, notice, params.version)? {
        return Ok(Composed::Moot("the version that took its place was alerted meanwhile".to_owned()));
    }
    let subject = certificate::subject(house.connection, &notice.resource_id)?;
    let message = Message {
        not_after: watch.map(|watch| watch.not_after),
        command: Some(format!("countersign show {}", notice.resource_id).into()),
        ..house.message(notice, Kind::Renewed, subject.names.clone())?
    };
    Ok(Composed::Send(Box::new(letter(house, notice, message, &subject)?)))
}

fn dealt_with(house: House<'_>, notice: &Notice, watch: Option<Watch>) -> Result<Composed, ApiError> {
    let params: Renewal = parsed(notice)?;
    if watch.is_some() {
        return Ok(Composed::Moot("it is looked after again".to_owned()));
    }
    let subject = certificate::subject(house.connection, &notice.resource_id)?;
    let how = certificate::ending(house.connection, &notice.resource_id, params.version)?;
    let message = Message {
        command: Some(format!("countersign show {}", notice.resource_id).into()),
        ..house.message(notice, Kind::DealtWith { how }, subject.names.clone())?
    };
    Ok(Composed::Send(Box::new(letter(house, notice, message, &subject)?)))
}

/// The version and the stage that an alert was raised for.
fn raised(house: House<'_>, id: i64) -> Result<(u64, i32), ApiError> {
    let found = house
        .connection
        .prepare_cached("SELECT version, days FROM alert_events WHERE notification_id = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional());
    let found = found.map_err(|error| database(&error))?;
    found.ok_or_else(|| ApiError::internal(format!("no row says what alert {id} was raised for")))
}

/// Whether an alert of `version`, or of a later one, was or may have been sent on the channel.
fn alerted_since(house: House<'_>, notice: &Notice, version: u64) -> Result<bool, ApiError> {
    house
        .connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM alert_events a CROSS JOIN notification_events n ON n.id = a.notification_id
                 WHERE a.certificate_id = ?1 AND a.version >= ?2 AND a.target = ?3 AND n.state <> 'skipped')",
        )
        .and_then(|mut statement| {
            statement.query_row(params![notice.resource_id, version, notice.channel.as_str()], |row| row.get(0))
        })
        .map_err(|error| database(&error))
}

fn ending(house: House<'_>, notice: &Notice, watch: Watch, threshold_days: u16) -> Result<Letter, ApiError> {
    let subject = certificate::subject(house.connection, &notice.resource_id)?;
    let progress = certificate::progress(house.connection, &notice.resource_id, watch.version)?;
    let days_left = days_left(watch.not_after, house.now);
    let kind = Kind::ExpirationAlert { days_left, threshold_days };
    let mut risk = Vec::new();
    if days_left < 0 {
        risk.push(format!("it has ended (version {}): whoever checks it refuses it", watch.version));
    }
    if let Some((profile, environment)) = &subject.profile {
        risk.push(format!("it stands under profile {profile}, environment {environment}"));
    }
    let command = match &subject.found {
        Some(sentences) => {
            risk.extend(sentences.iter().cloned());
            format!("countersign show {}", notice.resource_id)
        }
        None => {
            risk.push(progress.words());
            progress.command(&notice.resource_id)
        }
    };
    let message = Message {
        not_after: Some(watch.not_after),
        risk: risk.into_iter().map(Untrusted::new).collect(),
        // The owner is who asked for the first version.
        requester: subject.owner.as_ref().map(|owner| owner.account.as_str().into()),
        command: Some(command.into()),
        ..house.message(notice, kind, subject.names.clone())?
    };
    letter(house, notice, message, &subject)
}

/// Whole days until the end, −1 within the first day after it.
pub fn days_left(not_after: Timestamp, now: Timestamp) -> i32 {
    let days = not_after.unix_millis().saturating_sub(now.unix_millis()).div_euclid(DAY);
    i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
}

fn parsed<T: serde::de::DeserializeOwned>(notice: &Notice) -> Result<T, ApiError> {
    serde_json::from_value(notice.params.clone()).map_err(|error| {
        ApiError::internal(format!("the parameters of notification {} do not fit: {error}", notice.id))
    })
}

/// To those who look after it, and to those whom the policy tells of certificates of this owner.
fn letter(house: House<'_>, notice: &Notice, message: Message, subject: &Subject) -> Result<Letter, ApiError> {
    let profile = subject.profile.as_ref().map_or("", |(profile, _)| profile);
    let more = recipients(house.policy, subject.owner.as_ref(), profile);
    let mut audience = audience(house, notice, subject)?;
    let known: Vec<Untrusted> = more.mail.into_iter().filter(|address| !audience.mail.contains(address)).collect();
    audience.mail.extend(known);
    Ok(Letter { message, audience, team: more.team })
}

/// The owner by mail, besides the addresses that get everything; operators of the profile on their terminals.
fn audience(house: House<'_>, notice: &Notice, subject: &Subject) -> Result<Audience, ApiError> {
    let address = subject.owner.as_ref().and_then(|owner| address(house.policy, owner));
    let mail = address.into_iter().map(Untrusted::from).collect();
    let accounts = match notice.channel {
        Channel::Wall | Channel::Command => operators(house, subject)?,
        _ => Vec::new(),
    };
    Ok(Audience { mail, accounts, and_default: true, never: Vec::new() })
}

/// Where the owner reads mail: as the person that they were then, where the policy still has that person; else as whoever
/// the account belongs to now.
pub fn address<'p>(policy: &'p Policy, owner: &PersonRef) -> Option<&'p str> {
    let then = owner.person.as_deref().filter(|person| policy.people().iter().any(|one| one.name == *person));
    let account = Account { uid: owner.uid, name: Some(owner.account.clone()), unix_groups: Vec::new() };
    let person = then.or_else(|| policy.person_of(&account))?;
    policy.email_of(person)
}

fn operators(house: House<'_>, subject: &Subject) -> Result<Vec<Untrusted>, ApiError> {
    let profile = subject.profile.as_ref().map_or("", |(profile, _)| profile);
    let mut accounts = Vec::new();
    for operator in house.policy.operators(profile, house.now) {
        let name = match operator {
            AccountName::Name(name) => Some(name),
            AccountName::Uid(uid) => {
                let failed = |error| {
                    ApiError::new(
                        ErrorKind::Unavailable,
                        format!("the account of uid {uid} cannot be looked up: {error}"),
                    )
                };
                house.directory.account(uid, false).map_err(failed)?.name
            }
        };
        accounts.extend(name.map(Untrusted::new).filter(|name| !accounts.contains(name)));
    }
    Ok(accounts)
}

#[cfg(test)]
#[path = "expiry_tests.rs"]
mod tests;
