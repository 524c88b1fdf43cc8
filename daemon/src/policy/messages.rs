//! Checks of whom messages go to, and on what.

use super::check::Declared;
use super::document::{MessageChannels, MessagesTable, RecipientsTable};
use super::parts::RecipientRule;
use super::people::is_mailbox;
use super::read::{Entry, Reading};
use super::renewal::known;
use super::report::{Place, Report};
use super::subject::{IDENTIFIER_SHAPE, Member, is_identifier};

/// The most addresses of one table.
const MAX_MAIL: usize = 32;

/// What `[messages]` says, or nothing.
pub(super) fn messages(entry: Option<&Entry<MessagesTable>>, reading: Reading, report: &mut Report) -> MessageChannels {
    let Some(Entry { value: table, place }) = entry else {
        return MessageChannels::default();
    };
    let mut list = |key: &str, names: &Option<Vec<String>>| {
        names.as_ref().map(|names| known(names, (key, ""), reading, place, report).0)
    };
    let channels = MessageChannels {
        asked: list("asked", &table.asked),
        told: list("told", &table.told),
        alarmed: list("alarmed", &table.alarmed),
    };
    if channels.asked.as_ref().is_some_and(Vec::is_empty) {
        report.warning(place, "asked", "nobody is told of a request that waits");
    }
    channels
}

/// The tables `[[recipients]]`, in their order.
pub(super) fn recipients(
    entries: &[Entry<RecipientsTable>],
    declared: &Declared,
    report: &mut Report,
) -> Vec<RecipientRule> {
    let mut rules: Vec<RecipientRule> = Vec::with_capacity(entries.len());
    for Entry { value: table, place } in entries {
        if table.owner.is_none() && table.profiles.is_none() {
            report.error(place, "", "says of no owner and no profile whose certificates it is about: set one of both");
        }
        if table.team.is_none() && table.mail.as_ref().is_none_or(Vec::is_empty) {
            report.error(place, "", "names nobody: set team, mail, or both");
        }
        if table.team.as_ref().is_some_and(|team| !is_identifier(team)) {
            report.error(place, "team", IDENTIFIER_SHAPE);
        }
        let rule = RecipientRule {
            owner: owner(table, declared, place, report),
            profiles: profiles(table, declared, place, report),
            team: table.team.clone(),
            mail: mail(table, place, report),
        };
        if rules.iter().any(|earlier| (&earlier.owner, &earlier.profiles) == (&rule.owner, &rule.profiles)) {
            report.error(place, "", "a second table for the same certificates: it would never be taken");
        }
        rules.push(rule);
    }
    rules
}

/// The name service is asked about callers, not about the owners of certificates: see `owners_are_known`.
fn owner(table: &RecipientsTable, declared: &Declared, place: &Place, report: &mut Report) -> Option<Member> {
    let raw = table.owner.as_ref()?;
    match raw.parse::<Member>() {
        Ok(Member::UnixGroup(_)) => {
            let what = format!("`{raw}`: nobody is an owner by a unix group: name people or accounts");
            report.error(place, "owner", what);
            None
        }
        Ok(member) => declared.resolves(&member, place, "owner", report).then_some(member),
        Err(why) => {
            report.error(place, "owner", format!("`{raw}`: {why}"));
            None
        }
    }
}

fn profiles(table: &RecipientsTable, declared: &Declared, place: &Place, report: &mut Report) -> Option<Vec<String>> {
    let mut ids = table.profiles.clone()?;
    if ids.is_empty() {
        report.error(place, "profiles", "an empty list matches nothing: name profiles, or leave the key out for all");
    }
    for id in ids.iter().filter(|id| !declared.has("profile", id)) {
        report.error(place, "profiles", format!("there is no [[profile]] `{id}`"));
    }
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

fn mail(table: &RecipientsTable, place: &Place, report: &mut Report) -> Vec<String> {
    let mut mail = table.mail.clone().unwrap_or_default();
    if mail.len() > MAX_MAIL {
        report.error(place, "mail", format!("{} addresses; at most {MAX_MAIL} are allowed", mail.len()));
    }
    for address in mail.iter().filter(|address| !is_mailbox(address) || !address.is_ascii()) {
        report.error(place, "mail", format!("`{address}`: expected one address: payments@corp.example"));
    }
    mail.sort_unstable();
    mail.dedup();
    mail
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
