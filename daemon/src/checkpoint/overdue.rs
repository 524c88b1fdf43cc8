//! Too much of the ledger is anchored nowhere else: raised once where a limit of the policy is passed, again each day for as
//! long as that lasts, and closed when it is over. Each alarm is a record and messages in one transaction.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{AuditAction, Category};
use countersign_shared::time::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::alerts::stage::DAY;
use crate::policy::{LedgerRules, Severity};
use crate::service::actor::{SCHEDULER, system_draft};
use crate::store::Transaction;
use crate::store::rows::anchors::{self, Standing};
use crate::store::rows::notifications::{LEDGER_ANCHORED, NewMessage};
use crate::store::transaction::Failure;

/// What messages about a ledger are about: another one for each origin, and fit for every medium.
pub fn object(origin: &str) -> String {
    let hash = Digest::of(&[origin.as_bytes()]).to_string();
    format!("ledger-{}", hash.get(..12).unwrap_or(&hash))
}

/// Whether more is anchored nowhere than the policy allows.
pub fn is_overdue(rules: LedgerRules, standing: &Standing, size: u64, now: Timestamp) -> bool {
    let Some(since) = standing.since else { return false };
    let age = now.unix_millis() - since.unix_millis();
    rules.max_age.is_some_and(|limit| age > millis(limit))
        || rules.max_records.is_some_and(|limit| size.saturating_sub(standing.anchored) > limit)
}

/// How it stands at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What has to be said, if anything.
    pub due: Option<Due>,
    /// The tick at which time alone may change that.
    pub next: Option<i64>,
    /// How far the ledger is anchored.
    pub standing: Standing,
}

/// What has to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// That a limit is passed.
    Alarm,
    /// That it is no more.
    AllClear,
}

/// Looks at a ledger of `size` records.
pub fn look(
    connection: &Connection,
    (rules, origin): (LedgerRules, &str),
    size: u64,
    (now, tick): (Timestamp, i64),
) -> rusqlite::Result<Look> {
    let standing = anchors::standing(connection)?;
    let said = open_alarm(connection, &object(origin))?;
    if is_overdue(rules, &standing, size, now) {
        // A tick that lies ahead is of a time line that was begun anew: it is said again.
        let again = said.filter(|said| *said <= tick).map(|said| said.saturating_add(DAY));
        let due = again.is_none_or(|again| again <= tick).then_some(Due::Alarm);
        return Ok(Look {
            due,
            next: Some(again.filter(|again| *again > tick).unwrap_or(tick.saturating_add(DAY))),
            standing,
        });
    }
    let next = rules.max_age.zip(standing.since).map(|(age, since)| {
        let left = since.unix_millis().saturating_add(millis(age)).saturating_sub(now.unix_millis());
        tick.saturating_add(left.max(1000))
    });
    Ok(Look { due: said.map(|_| Due::AllClear), next, standing })
}

/// Looks within a transaction, and says what is due.
pub fn settle(transaction: &mut Transaction<'_>, rules: LedgerRules, origin: &str) -> Result<Look, Failure> {
    let size = transaction.ledger_size();
    let moment = (transaction.now(), transaction.tick());
    let look = look(transaction.connection(), (rules, origin), size, moment)?;
    let about = object(origin);
    match look.due {
        None => {}
        Some(Due::Alarm) => {
            let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            let draft = system_draft(SCHEDULER, AuditAction::LedgerUnanchored, Category::Auth, "ledger", origin)
                .number("unanchored", number(size.saturating_sub(look.standing.anchored)))
                .text_if("since", look.standing.since)
                .text_if("max_unanchored", rules.max_age)
                .number_if("max_unanchored_records", rules.max_records.map(number));
            let recorded = transaction.record(draft)?;
            transaction.tell(AuditAction::LedgerUnanchored, &about, recorded)?;
        }
        Some(Due::AllClear) => {
            let message = NewMessage {
                kind: LEDGER_ANCHORED,
                resource_id: &about,
                severity: Severity::Informational,
                params: "{}",
                seq: transaction.newest_record()?,
            };
            transaction.tell_as(AuditAction::LedgerUnanchored, &message)?;
        }
    }
    Ok(look)
}

/// When the alarm was raised last that is still open, on the time line.
fn open_alarm(connection: &Connection, object: &str) -> rusqlite::Result<Option<i64>> {
    let newest: Option<(String, Option<i64>)> = connection
        .prepare_cached(
            "SELECT n.kind, e.details ->> '$.tick' AS tick FROM notification_events n
             JOIN audit_events e ON e.seq = n.seq
             WHERE n.resource_id = ?1 AND n.kind IN (?2, ?3) ORDER BY n.id DESC LIMIT 1",
        )?
        .query_row(params![object, AuditAction::LedgerUnanchored.as_str(), LEDGER_ANCHORED], |row| {
            Ok((row.get("kind")?, row.get("tick")?))
        })
        .optional()?;
    Ok(newest.filter(|(kind, _)| kind == AuditAction::LedgerUnanchored.as_str()).map(|(_, tick)| tick.unwrap_or(0)))
}

fn millis(span: Span) -> i64 {
    i64::try_from(span.millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdue_by_age_or_by_number_and_never_for_records_of_anchors_alone() {
        let at = |seconds: i64| Timestamp::from_unix_millis(seconds * 1000).unwrap();
        let rules = |age: Option<u64>, records| LedgerRules { max_age: age.map(Span::from_secs), max_records: records };
        let begin = 1_790_000_000;
        let since = |seconds: Option<i64>| Standing { anchored: 10, since: seconds.map(|s| at(begin + s)) };
        for (limits, standing, size, overdue) in [
            (rules(None, None), since(Some(-1_000_000)), 1_000_000, false),
            (rules(Some(60), None), since(Some(-60)), 11, false),
            (rules(Some(60), None), since(Some(-61)), 11, true),
            (rules(None, Some(5)), since(Some(0)), 15, false),
            (rules(None, Some(5)), since(Some(0)), 16, true),
            (rules(Some(60), Some(5)), since(Some(-61)), 11, true),
            (rules(Some(60), Some(0)), since(None), 11, false),
            // The wall clock was set back.
            (rules(Some(60), None), since(Some(100)), 11, false),
        ] {
            assert_eq!(is_overdue(limits, &standing, size, at(begin)), overdue, "{limits:?} {standing:?} {size}");
        }
    }

    #[test]
    fn it_is_said_once_then_daily_and_closed_when_it_is_over() {
        let mut db = Connection::open_in_memory().unwrap();
        crate::store::migrations::migrate(&mut db, crate::store::migrations::newest()).unwrap();
        let record = |seq: i64, action: &str, tick: i64| {
            let sql = "INSERT INTO audit_events (seq, event_id, created_at, actor, actor_type, action, category,
                           resource_type, resource_id, details, record)
                       VALUES (?1, ?1, '2027-01-31T08:00:00.000Z', 'a', 'System', ?2, 'auth', 'ledger', 'o',
                           json_object('tick', ?3), x'7b7d')";
            db.execute(sql, params![seq, action, tick]).unwrap();
        };
        let told = |kind: &str, seq: i64| {
            let sql = "INSERT INTO notification_events (created_at, kind, resource_id, channel, state, detail, seq)
                       VALUES ('2027-01-31T08:00:00.000Z', ?1, ?2, NULL, 'skipped', '', ?3)";
            db.execute(sql, params![kind, object("o"), seq]).unwrap();
        };
        let now: Timestamp = "2027-01-31T09:00:00Z".parse().unwrap();
        let rules = |seconds| LedgerRules { max_age: Some(Span::from_secs(seconds)), max_records: None };
        let of = |rules, tick| {
            let look = look(&db, (rules, "o"), 1, (now, tick)).unwrap();
            (look.due, look.next)
        };
        record(0, "x", 5);
        assert_eq!(of(rules(7200), 50), (None, Some(50 + 3_600_000)));
        assert_eq!(of(rules(60), 50), (Some(Due::Alarm), Some(50 + DAY)));
        record(1, "ledger_unanchored", 50);
        told("ledger_unanchored", 1);
        assert_eq!(of(rules(60), 60), (None, Some(50 + DAY)));
        assert_eq!(of(rules(60), 50 + DAY), (Some(Due::Alarm), Some(50 + 2 * DAY)));
        assert_eq!(of(rules(60), 40), (Some(Due::Alarm), Some(40 + DAY)), "the time line was begun anew");
        assert_eq!(of(rules(7200), 60).0, Some(Due::AllClear));
        assert_eq!(of(LedgerRules::default(), 60), (Some(Due::AllClear), None));
        told("ledger_anchored", 1);
        assert_eq!(of(rules(7200), 60).0, None);
        assert_eq!(of(rules(60), 60).0, Some(Due::Alarm), "it is a new one");
    }
}
