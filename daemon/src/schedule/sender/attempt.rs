//! One attempt: composed, sent, completed.

use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::complete::{Ended, complete};
use super::{Office, RETRY_MILLIS};
use crate::alerts::backoff::Refusal;
use crate::alerts::kept;
use crate::alerts::outbox::Claimed;
use crate::notify::outcome::MAX_WHY;
use crate::notify::{Audience, Outcome, Receipt};
use crate::policy::Channel;
use crate::store::Transaction;
use crate::store::rows::notifications;
use crate::tell::{self, Composed, House, Letter};

/// An attempt ends by then, whatever holds it up: above the longest limit that a channel can have.
const LONGEST: Duration = Duration::from_secs(720);

/// Makes the attempt, and writes down what came of it.
pub async fn make(office: Office, channel: Channel, claimed: Claimed) {
    let sent = guarded({
        let (office, claimed) = (office.clone(), claimed.clone());
        async move { send(&office, channel, &claimed).await }
    });
    let ended = sent.await.unwrap_or_else(|broken_off| broken_off);
    write_down(&office, channel, vec![(claimed, ended)]).await;
}

/// What came of a part of an attempt, whatever holds it up. On a task of its own: a fault in it is the failure of what it
/// is about, and no reason for the daemon to end.
pub(super) async fn guarded<T: Send + 'static>(part: impl Future<Output = T> + Send + 'static) -> Result<T, Ended> {
    let mut tasks = JoinSet::new();
    tasks.spawn(part);
    match tokio::time::timeout(LONGEST, tasks.join_next()).await {
        Ok(Some(Ok(done))) => Ok(done),
        Ok(_) => Err(Ended::later("a fault of the daemon broke the attempt off")),
        Err(_) => Err(Ended::later(&format!("it had not ended after {}s", LONGEST.as_secs()))),
    }
}

/// Writes down what came of messages, in one transaction. What the other side has accepted must not be sent again because
/// the disk was full for a while.
pub(super) async fn write_down(office: &Office, channel: Channel, ended: Vec<(Claimed, Ended)>) {
    let ids = ended.iter().map(|(claimed, _)| claimed.notification_id.to_string()).collect::<Vec<_>>().join(", ");
    loop {
        let ended = ended.clone();
        let completed = move |transaction: &mut Transaction<'_>| {
            ended.iter().try_for_each(|(claimed, ended)| complete(transaction, channel, claimed, ended))
        };
        match office.writer.write(completed).await {
            Ok(()) => return,
            // Nothing is written any more by this process; the next one sends it again, under the same id.
            Err(error) if error.kind == ErrorKind::ReadOnly => return,
            Err(error) => tracing::error!("what came of {ids} could not be written, tried again soon: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(RETRY_MILLIS.unsigned_abs())).await;
    }
}

async fn send(office: &Office, channel: Channel, claimed: &Claimed) -> Ended {
    match prepare(office, channel, claimed).await {
        Ok(letter) => {
            let before = claimed.remaining.as_deref().and_then(|text| Remaining::parse(text).ok());
            let refused = before.map(|before| before.split(claimed.attempts).1).unwrap_or_default();
            deliver(office, channel, &letter, refused).await
        }
        Err(ended) => ended,
    }
}

/// What is to be sent now, to those whom the attempts before did not reach; or what became of it without an attempt.
pub(super) async fn prepare(office: &Office, channel: Channel, claimed: &Claimed) -> Result<Letter, Ended> {
    let mut letter = match compose(office, claimed.notification_id).await {
        Ok(Some(Composed::Send(letter))) => *letter,
        Ok(Some(Composed::Moot(why))) => return Err(Ended::Moot(why)),
        Ok(None) => return Err(Ended::TakenBack),
        Err(error) => return Err(Ended::later(&format!("it cannot be composed: {}", error.message))),
    };
    // The addresses of a team's own table get what is the team's.
    letter.audience.and_default |= office.switchboard.channels().is_own(channel, letter.team.as_deref());
    if let Some(remaining) = &claimed.remaining {
        match Remaining::parse(remaining) {
            Ok(remaining) => narrow(&mut letter.audience, channel, remaining.split(claimed.attempts).0),
            Err(error) => return Err(Ended::later(&format!("its recipients cannot be read: {error}"))),
        }
        if is_nobody(&letter.audience, channel) {
            return Err(Ended::Moot("whoever was still to be reached is not told any more".to_owned()));
        }
    }
    Ok(letter)
}

/// Sends it. `refused` are those whom the attempts before found to be refused for good.
pub(super) async fn deliver(office: &Office, channel: Channel, letter: &Letter, refused: Vec<Untrusted>) -> Ended {
    let Letter { message, audience, team } = letter;
    let channels = office.switchboard.channels();
    let receipt = channels.send(channel, team.as_deref(), message, audience, office.line.wall()).await;
    judged(&receipt, channel, refused)
}

/// Composes it from one state of the database; none where it was taken back since it was claimed.
async fn compose(office: &Office, id: i64) -> Result<Option<Composed>, ApiError> {
    let (policy, directory) = (office.policy.now(), office.directory.clone());
    let (origin, host, line) = (office.origin.clone(), office.host.clone(), office.line.clone());
    let read = move |connection: &rusqlite::Connection| {
        let snapshot = connection.unchecked_transaction()?;
        let Some(notice) = notifications::open_notice(&snapshot, id)? else { return Ok(None) };
        let house = House {
            connection: &snapshot,
            policy: &policy,
            directory: directory.as_ref(),
            origin: &origin,
            host: &host,
            now: kept::now(&snapshot, &line)?,
            tick: line.tick(),
        };
        let composed = tell::compose(house, &notice)?;
        snapshot.finish()?;
        Ok(Some(composed))
    };
    office.readers.read(read).await
}

/// True for channels whose messages go to people one by one.
const fn addresses_people(channel: Channel) -> bool {
    matches!(channel, Channel::Email | Channel::Wall)
}

/// Leaves those whom the attempts before did not reach. Addresses that stand in the configuration alone are among them;
/// somebody who is not to be told any more is not.
fn narrow(audience: &mut Audience, channel: Channel, remaining: Vec<Untrusted>) {
    let named = if channel == Channel::Wall { &mut audience.accounts } else { &mut audience.mail };
    if channel == Channel::Email && (named.is_empty() || audience.and_default) {
        *named = remaining;
    } else {
        named.retain(|one| remaining.contains(one));
    }
    audience.and_default = false;
}

fn is_nobody(audience: &Audience, channel: Channel) -> bool {
    match channel {
        Channel::Email => audience.mail.is_empty(),
        Channel::Wall => audience.accounts.is_empty(),
        _ => false,
    }
}

/// Who is still to be reached, as the outbox keeps it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Remaining {
    /// Those whom an attempt did not reach.
    All(Vec<Untrusted>),
    /// Some were refused for good, and are left alone until the others have ended.
    Apart { again: Vec<Untrusted>, refused: Vec<Untrusted> },
}

impl Remaining {
    fn parse(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// Whom the next attempt goes to, and whom it leaves alone. The first one goes to all: somebody has queued it again.
    fn split(self, attempts: u32) -> (Vec<Untrusted>, Vec<Untrusted>) {
        match self {
            Self::All(all) => (all, Vec::new()),
            Self::Apart { again, refused } if attempts == 0 => (again.into_iter().chain(refused).collect(), Vec::new()),
            Self::Apart { again, refused } => (again, refused),
        }
    }
}

/// What is written down of a receipt. It is accepted when everybody was reached who was to be, by this attempt or one
/// before.
fn judged(receipt: &Receipt, channel: Channel, mut refused: Vec<Untrusted>) -> Ended {
    match receipt.outcome() {
        Outcome::Delivered if refused.is_empty() => Ended::Accepted,
        Outcome::Delivered => {
            let names: Vec<String> = refused.iter().map(|one| one.safe().to_string()).collect();
            let why = format!("the others were reached; refused at an earlier attempt: {}", names.join(", "));
            let why = why.chars().take(MAX_WHY).collect();
            let remaining = serde_json::to_string(&refused).ok();
            Ended::Failed { refusal: Refusal::Permanent, why, at_least: Span::from_millis(0), remaining }
        }
        Outcome::Temporary { why, retry_after } => {
            let again: Vec<Untrusted> = receipt.again().cloned().collect();
            refused.extend(receipt.unreached().filter(|one| !again.contains(one)).cloned());
            let remaining = if refused.is_empty() || !names_people(receipt, channel) {
                narrower(receipt, channel, again.iter().collect())
            } else {
                serde_json::to_string(&Remaining::Apart { again, refused }).ok()
            };
            let millis = retry_after.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            Ended::Failed { refusal: Refusal::Transient, why, at_least: Span::from_millis(millis), remaining }
        }
        Outcome::Permanent { why } => {
            // Queued again, by hand or a day later, it goes to nobody who has it.
            let remaining = if refused.is_empty() || !names_people(receipt, channel) {
                narrower(receipt, channel, receipt.unreached().collect())
            } else {
                refused.extend(receipt.unreached().cloned());
                serde_json::to_string(&refused).ok()
            };
            Ended::Failed { refusal: Refusal::Permanent, why, at_least: Span::from_millis(0), remaining }
        }
    }
}

/// Whether recipients are known one by one by it. A channel that could not be used stands in a receipt by its own name,
/// which must not take the place of those whom the outbox has.
const fn names_people(receipt: &Receipt, channel: Channel) -> bool {
    addresses_people(channel) && receipt.is_addressed()
}

/// JSON: those for whom it is still meant, where that is not everybody; `None` leaves what the outbox has.
fn narrower(receipt: &Receipt, channel: Channel, those: Vec<&Untrusted>) -> Option<String> {
    let narrower = names_people(receipt, channel) && those.len() < receipt.each().len();
    narrower.then(|| serde_json::to_string(&those).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Channels;
    use crate::notify::outcome::Reached;
    use crate::notify::testing::alert;

    fn names(names: &[&str]) -> Vec<Untrusted> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn the_next_attempt_goes_to_those_who_are_left_and_are_still_to_be_told() {
        for (mail, and_default, remaining, expected) in [
            (&["a", "b", "c"][..], false, &["b", "gone"][..], &["b"][..]),
            (&["a"], false, &["b"], &[]),
            (&[], false, &["ops"], &["ops"]),
            (&["a"], true, &["ops"], &["ops"]),
        ] {
            let mut audience =
                Audience { mail: names(mail), accounts: names(&["b"]), and_default, ..Audience::default() };
            narrow(&mut audience, Channel::Email, names(remaining));
            assert_eq!((audience.mail.clone(), audience.and_default), (names(expected), false));
            assert_eq!(is_nobody(&audience, Channel::Email), expected.is_empty());
        }
        let mut audience = Audience { accounts: names(&["a", "b"]), ..Audience::default() };
        narrow(&mut audience, Channel::Wall, names(&["a"]));
        assert_eq!(audience.accounts, names(&["a"]));
    }

    #[test]
    fn whoever_is_refused_for_good_is_not_forgotten_while_others_are_tried_again() {
        let receipt = |each: &[(&str, Outcome)]| {
            let each = each.iter().map(|(to, outcome)| Reached { to: (*to).into(), outcome: outcome.clone() });
            Receipt::of("Email", each.collect())
        };
        let later = Outcome::Temporary { why: "full".to_owned(), retry_after: None };
        let (done, never) = (Outcome::Delivered, Outcome::Permanent { why: "no such user".to_owned() });
        let first = receipt(&[("a", done.clone()), ("b", later.clone()), ("c", never.clone())]);
        let Ended::Failed { refusal: Refusal::Transient, remaining: Some(kept), .. } =
            judged(&first, Channel::Email, Vec::new())
        else {
            panic!("b is tried again")
        };
        let of = |attempts| Remaining::parse(&kept).unwrap().split(attempts);
        assert_eq!(of(1), (names(&["b"]), names(&["c"])));
        assert_eq!(of(0), (names(&["b", "c"]), vec![]), "queued again, it goes to both");
        // b is reached: c was not.
        let second = judged(&receipt(&[("b", done)]), Channel::Email, of(1).1);
        let Ended::Failed { refusal: Refusal::Permanent, why, remaining, .. } = second else { panic!("{second:?}") };
        assert_eq!((remaining.as_deref(), why.ends_with("attempt: c")), (Some("[\"c\"]"), true), "{why}");
        // b is not: again, and at last refused as well.
        let third = judged(&receipt(&[("b", later)]), Channel::Email, of(1).1);
        assert!(matches!(third, Ended::Failed { remaining: Some(same), .. } if same == kept));
        let fourth = judged(&receipt(&[("b", never)]), Channel::Email, of(1).1);
        assert!(matches!(fourth, Ended::Failed { remaining: Some(both), .. } if both == "[\"c\",\"b\"]"));
    }

    #[tokio::test]
    async fn a_channel_that_cannot_be_used_for_a_while_forgets_nobody() {
        let later = Outcome::Temporary { why: "451".to_owned(), retry_after: None };
        let never = Outcome::Permanent { why: "550".to_owned() };
        let each = [("a", Outcome::Delivered), ("b", later), ("c", never)];
        let each = each.into_iter().map(|(to, outcome)| Reached { to: to.into(), outcome });
        let first = judged(&Receipt::of("Email", each.collect()), Channel::Email, Vec::new());
        let Ended::Failed { remaining: Some(kept), .. } = first else { panic!("{first:?}") };
        let of = |attempts| Remaining::parse(&kept).unwrap().split(attempts);
        // Its secret cannot be read after a restart, or its table has gone.
        let place = tempfile::tempdir().unwrap();
        let secret = format!("file:{}", place.path().join("absent").display());
        let text = format!(
            "[email]\nhost = \"mail.example\"\nfrom = \"cs@x.example\"\nto = [\"ops@x.example\"]\ntls = \"starttls\"\n\
             username = \"cs\"\npassword = {secret:?}"
        );
        let (unreadable, problems) = Channels::open(&toml::from_str(&text).unwrap());
        assert_eq!(problems.len(), 1, "{problems:?}");
        let audience = Audience { mail: names(&["b"]), ..Audience::default() };
        let message = alert(7);
        for (channels, expected) in [(unreadable, Refusal::Transient), (Channels::default(), Refusal::Permanent)] {
            let receipt = channels.send(Channel::Email, None, &message, &audience, message.at).await;
            let Ended::Failed { refusal, remaining, .. } = judged(&receipt, Channel::Email, of(1).1) else {
                panic!("{receipt:?}")
            };
            assert_eq!((refusal, remaining), (expected, None), "what the outbox has stays: {kept}");
        }
        // Mended: b is told by the next attempt, both where it is queued again.
        for (attempts, expected) in [(2, &["b"][..]), (0, &["b", "c"])] {
            let mut audience = Audience { mail: names(&["a", "b", "c"]), ..Audience::default() };
            narrow(&mut audience, Channel::Email, of(attempts).0);
            assert_eq!(audience.mail, names(expected));
        }
    }
}
