//! Which messages of a channel wait: for the end of its quiet hours, for room under its rate, for others to go out with, and
//! informational alerts for the office to open.

use countersign_shared::error::ApiError;
use countersign_shared::time::{Span, Timestamp};
use rusqlite::{Connection, params};

use crate::alerts::outbox::Claimed;
use crate::notify::pace::{self, Pace};
use crate::policy::{Channel, Policy, Severity};
use crate::store::rows::notifications::{self, CHECKPOINT};
use crate::store::rows::parsed;
use crate::store::transaction::Failure;
use crate::tell::{Notice, certificate, expiry};

/// What a channel lets through at one moment.
pub struct Valve<'a> {
    connection: &'a Connection,
    policy: &'a Policy,
    pace: Pace,
    now: Timestamp,
    /// When messages were accepted, as far back as the rate looks, and those that are under way.
    accepted: Vec<Timestamp>,
    /// Whether some go out together, which is one message to those who get it.
    together: bool,
}

impl<'a> Valve<'a> {
    /// To be asked before anything is claimed: what is under way counts as accepted.
    pub fn of(
        connection: &'a Connection,
        policy: &'a Policy,
        pace: Pace,
        channel: Channel,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let accepted = match pace.rate {
            Some(rate) => accepted(connection, channel, now, rate.within(), pace.digest.is_some())?,
            None => Vec::new(),
        };
        Ok(Self { connection, policy, pace, now, accepted, together: false })
    }

    /// From when on a message may go out; none where it goes now, which then counts. A trial and a checkpoint go at once.
    pub fn held_until(&mut self, message: &Claimed) -> Result<Option<Timestamp>, Failure> {
        if message.severity == Severity::Critical {
            return Ok(None);
        }
        if self.pace == Pace::default() && message.severity != Severity::Informational {
            return Ok(None);
        }
        let notice = notifications::open_notice(self.connection, message.notification_id)?;
        let Some(notice) = notice.filter(|notice| ![expiry::TEST, CHECKPOINT].contains(&notice.kind.as_str())) else {
            return Ok(None);
        };
        let collected = pace::collected_until(&self.pace, message.severity, notice.created_at, self.now);
        let held = match collected {
            // An attempt that failed has waited already.
            Some(until) if message.attempts == 0 => Some(until),
            _ => pace::held_until(&self.pace, message.severity, self.now, &self.accepted),
        };
        let held = held.max(self.office_opens(&notice)?);
        if held.is_none() {
            let collected = self.is_collected(message)?;
            let counts = !(collected && self.together);
            if counts {
                self.accepted.push(self.now);
            }
            self.together |= collected;
        }
        Ok(held)
    }

    /// Whether a message goes out with others: only on its first attempt, since later ones go to whoever is left.
    pub fn is_collected(&self, message: &Claimed) -> rusqlite::Result<bool> {
        let collects = self.pace.digest.is_some() && message.severity != Severity::Critical && message.attempts == 0;
        Ok(collects && !notifications::is_apart(self.connection, message.notification_id)?)
    }

    /// Informational alerts wait for the calendar of the certificate's renewal policy.
    fn office_opens(&self, notice: &Notice) -> Result<Option<Timestamp>, ApiError> {
        if notice.kind != expiry::ALERT || notice.severity != Severity::Informational {
            return Ok(None);
        }
        let subject = certificate::subject(self.connection, &notice.resource_id)?;
        let renewal = match &subject.profile {
            Some((profile, _)) => {
                self.policy.profile(profile).and_then(|profile| profile.rules().renewal_policy.as_deref())
            }
            // What no profile owns has the plan of what was found.
            None => self.policy.found_plan(),
        };
        let renewal = renewal.and_then(|id| self.policy.renewal_policy(id));
        let calendar = renewal.and_then(|renewal| renewal.informational_calendar.as_ref());
        let opens = calendar.map(|calendar| calendar.after(self.now, Span::from_millis(0)));
        Ok(opens.filter(|opens| *opens > self.now))
    }
}

/// Those that went out together were accepted at one moment, and are one.
fn accepted(
    connection: &Connection,
    channel: Channel,
    now: Timestamp,
    within: Span,
    together: bool,
) -> Result<Vec<Timestamp>, Failure> {
    let since = now.unix_millis().saturating_sub(i64::try_from(within.millis()).unwrap_or(i64::MAX));
    let since = Timestamp::from_unix_millis(since).unwrap_or(Timestamp::EPOCH).to_string();
    let distinct = if together { "DISTINCT " } else { "" };
    let sql = format!("SELECT {distinct}accepted_at FROM messages WHERE channel = ?1 AND accepted_at > ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![channel.as_str(), since], |row| parsed(row, "accepted_at"))?;
    let mut accepted = rows.collect::<rusqlite::Result<Vec<Timestamp>>>()?;
    let under_way: usize = connection
        .prepare_cached("SELECT count(*) FROM outbox WHERE channel = ?1 AND claimed_tick IS NOT NULL")?
        .query_row([channel.as_str()], |row| row.get(0))?;
    accepted.extend(std::iter::repeat_n(now, under_way));
    Ok(accepted)
}
