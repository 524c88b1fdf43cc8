//! Several messages at once, where a channel collects them: those to the same people go out as one.

use countersign_shared::digest::Digest;
use countersign_shared::error::ApiError;
use countersign_shared::text::Untrusted;

use super::Office;
use super::attempt::{deliver, guarded, prepare, write_down};
use super::complete::Ended;
use crate::alerts::outbox::Claimed;
use crate::notify::message::MAX_ITEMS;
use crate::notify::render::plain;
use crate::notify::{Item, Kind, Message};
use crate::policy::Channel;
use crate::tell::Letter;

/// Makes one attempt for each audience, and writes down what came of each message.
pub async fn make(office: Office, channel: Channel, claimed: Vec<Claimed>) {
    let mut parcels: Vec<(Letter, Vec<(Claimed, Message)>)> = Vec::new();
    let mut ended = Vec::new();
    for claimed in claimed {
        let prepared = guarded({
            let (office, claimed) = (office.clone(), claimed.clone());
            async move { prepare(&office, channel, &claimed).await }
        });
        match prepared.await.and_then(|prepared| prepared) {
            Err(without_attempt) => ended.push((claimed, without_attempt)),
            Ok(letter) => {
                let same = |(other, _): &&mut (Letter, _)| to_the_same(channel, other, &letter);
                match parcels.iter_mut().find(same) {
                    Some((_, messages)) => messages.push((claimed, letter.message)),
                    None => parcels.push((letter.clone(), vec![(claimed, letter.message)])),
                }
            }
        }
    }
    write_down(&office, channel, ended).await;
    for (letter, messages) in parcels {
        let (claimed, messages): (Vec<Claimed>, Vec<Message>) = messages.into_iter().unzip();
        let outcome = match digest(&messages) {
            Ok(message) => {
                let (office, letter) = (office.clone(), Letter { message, ..letter });
                let sent = guarded(async move { deliver(&office, channel, &letter, Vec::new()).await });
                sent.await.unwrap_or_else(|broken_off| broken_off)
            }
            Err(error) => Ended::later(&format!("the digest cannot be made: {}", error.message)),
        };
        let each = claimed.into_iter().map(|claimed| (claimed, outcome.clone())).collect();
        write_down(&office, channel, each).await;
    }
}

/// True where whoever gets one gets the other: channels that address nobody have one audience for each team.
fn to_the_same(channel: Channel, one: &Letter, other: &Letter) -> bool {
    let by_people = matches!(channel, Channel::Email | Channel::Command | Channel::Wall);
    one.team == other.team && (!by_people || one.audience == other.audience)
}

/// One message that names all; one alone stays as it is. The same messages give the same id, by which the other side
/// recognises a repeat.
fn digest(messages: &[Message]) -> Result<Message, ApiError> {
    let first = messages.first().ok_or_else(|| ApiError::internal("a digest of nothing"))?;
    if messages.len() == 1 {
        return Ok(first.clone());
    }
    let ids: Vec<&[u8]> = messages.iter().flat_map(|message| [message.id.as_str().as_bytes(), b"\0"]).collect();
    let hash = Digest::of(&ids).to_string();
    let token = |text: String| {
        let parsed = text.parse();
        parsed.map_err(|why: &str| ApiError::internal(format!("{text}: {why}")))
    };
    let item = |message: &Message| Item {
        title: Untrusted::new(plain::title(message)),
        about: message.about.clone(),
        command: message.command.clone(),
    };
    Ok(Message {
        id: token(format!("{}-digest-{}", first.id, hash.get(..12).unwrap_or_default()))?,
        about: token(format!("digest-{}", hash.get(..12).unwrap_or_default()))?,
        kind: Kind::Digest {
            items: messages.iter().take(MAX_ITEMS).map(item).collect(),
            more: u32::try_from(messages.len().saturating_sub(MAX_ITEMS)).unwrap_or(u32::MAX),
        },
        severity: messages.iter().map(|message| message.severity).max().unwrap_or(first.severity),
        at: messages.iter().map(|message| message.at).max().unwrap_or(first.at),
        host: first.host.clone(),
        names: Vec::new(),
        not_after: None,
        deadline: messages.iter().filter_map(|message| message.deadline).min(),
        risk: Vec::new(),
        requester: None,
        reason: None,
        command: None,
        test: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::alert;
    use crate::policy::Severity;

    fn messages(count: usize) -> Vec<Message> {
        let one = |number: usize| Message { id: format!("cs-1-{number}").parse().unwrap(), ..alert(7) };
        (0..count).map(one).collect()
    }

    #[test]
    fn a_digest_names_what_it_holds_and_counts_the_rest() {
        assert_eq!(digest(&messages(1)).unwrap(), messages(1)[0]);
        assert!(digest(&[]).is_err());
        let mut many = messages(25);
        many[7].severity = Severity::Critical;
        let one = digest(&many).unwrap();
        let Kind::Digest { items, more } = &one.kind else { panic!("{one:?}") };
        assert_eq!((items.len(), *more, one.severity), (20, 5, Severity::Critical));
        let body = plain::body(&one);
        assert!(body.starts_with("[CRITICAL] 25 messages\n"), "{body}");
        let line = "Item: [WARNING] www.corp.example and 1 more expires in 7 days: countersign renew mc-01\n";
        assert_eq!(body.matches(line).count(), 19, "and the critical one");
        assert!(body.contains("Item: and 5 more: countersign ls\n"), "{body}");
    }

    #[test]
    fn people_are_kept_apart_where_a_channel_addresses_them_and_teams_everywhere() {
        let to = |mail: &str, team: Option<&str>| Letter {
            message: alert(7),
            audience: crate::notify::Audience { mail: vec![mail.into()], ..Default::default() },
            team: team.map(str::to_owned),
        };
        let (a, b, web) = (to("a@x", None), to("b@x", None), to("a@x", Some("web")));
        for (channel, apart) in [(Channel::Email, true), (Channel::Command, true), (Channel::Slack, false)] {
            assert!(to_the_same(channel, &a, &a));
            assert_eq!(to_the_same(channel, &a, &b), !apart);
            assert!(!to_the_same(channel, &a, &web));
        }
    }

    #[test]
    fn the_same_messages_are_the_same_digest() {
        let (two, three) = (digest(&messages(2)).unwrap(), digest(&messages(3)).unwrap());
        assert_eq!(two.id, digest(&messages(2)).unwrap().id);
        assert_ne!(two.id, three.id);
        assert_ne!(two.id, messages(2)[0].id);
    }
}
