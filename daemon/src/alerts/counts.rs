//! What the metrics show of alerts and of the outbox.

use countersign_shared::protocol::AlertsStatus;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, params};

use super::stage::{DAY, Stage};
use crate::policy::Channel;
use crate::store::rows::{meta, parsed};

/// Upper bounds of the days that certificates have left; 0 is those that have ended.
pub const DAYS_LEFT: [u32; 9] = [0, 1, 7, 14, 30, 60, 90, 180, 365];
/// Under this key `meta` has how many notifications have died: one that is queued again and dies again counts twice.
const DEAD: &str = "notifications_dead";

const ATTEMPTS: &str = "SELECT details ->> '$.channel' AS channel, details ->> '$.threshold' AS days, count(*) AS count
     FROM audit_events INDEXED BY audit_by_action WHERE action = ?1 GROUP BY 1, 2";
const ENDS: &str = "SELECT count(*) FROM expiry_watch INDEXED BY expiry_watch_ends WHERE not_after <= ?1";
/// What is in the outbox and has not failed is queued: no index is written for what goes out at once.
const OPEN: &str = "SELECT max((SELECT count(*) FROM outbox) - failed, 0) AS queued, failed, dead FROM (SELECT
         (SELECT count(*) FROM notification_events INDEXED BY notifications_failed WHERE state = 'failed') AS failed,
         (SELECT count(*) FROM notification_events INDEXED BY notifications_dead WHERE state = 'dead') AS dead)";

/// Calls `each` with every channel and stage of the attempts that are on record under `action`, and how many there were.
pub fn attempts(
    connection: &Connection,
    action: &str,
    mut each: impl FnMut(Channel, Stage, u64),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(ATTEMPTS)?;
    let mut rows = statement.query([action])?;
    while let Some(row) = rows.next()? {
        each(parsed(row, "channel")?, Stage::new(row.get("days")?), row.get("count")?);
    }
    Ok(())
}

/// Messages in the outbox, for each channel that has some.
pub fn queued(connection: &Connection) -> rusqlite::Result<Vec<(Channel, u64)>> {
    let mut statement = connection.prepare_cached("SELECT channel, count(*) AS count FROM outbox GROUP BY channel")?;
    let rows = statement.query_map([], |row| Ok((parsed(row, "channel")?, row.get("count")?)))?;
    rows.collect()
}

/// Certificates that are watched and have no more days left than each of [`DAYS_LEFT`] says, and all of them last.
pub fn days_left(connection: &Connection, now: Timestamp) -> rusqlite::Result<Vec<u64>> {
    let mut statement = connection.prepare_cached(ENDS)?;
    let mut counts = Vec::with_capacity(DAYS_LEFT.len() + 1);
    for days in DAYS_LEFT {
        let end = now.unix_millis().saturating_add(i64::from(days).saturating_mul(DAY));
        // Beyond the years that a timestamp can say, every certificate has fewer days left.
        let end =
            Timestamp::from_unix_millis(end).map_or_else(|| "9999-12-31T23:59:59.999Z".into(), |end| end.to_string());
        counts.push(statement.query_row([end], |row| row.get(0))?);
    }
    counts.push(connection.prepare_cached("SELECT count(*) FROM expiry_watch")?.query_row([], |row| row.get(0))?);
    Ok(counts)
}

/// What has not reached the other side, for `daemon.status`.
pub fn status(connection: &Connection) -> rusqlite::Result<AlertsStatus> {
    connection.prepare_cached(OPEN)?.query_row([], |row| {
        Ok(AlertsStatus { queued: row.get("queued")?, failed: row.get("failed")?, dead: row.get("dead")? })
    })
}

/// How many notifications have died.
pub fn dead(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(meta::get(connection, DEAD)?.and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// Counts one more.
pub fn died(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, '1')
               ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)";
    connection.prepare_cached(sql)?.execute(params![DEAD]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::backoff::Refusal;
    use super::super::pass_tests::{END, time};
    use super::super::plan_tests::plan;
    use super::super::rows_tests::House;
    use super::*;

    #[test]
    fn days_left_are_counted_up_to_each_bound() {
        let house = House::new(plan(""));
        for (id, days) in [("a", -1), ("b", 0), ("c", 1), ("d", 30), ("e", 31), ("f", 400)] {
            house.watch(id, 1, END + days * DAY);
        }
        let counts = days_left(&house.connection, time(END)).unwrap();
        assert_eq!(counts, [2, 3, 3, 3, 4, 5, 5, 5, 5, 6]);
    }

    #[test]
    fn what_is_queued_and_what_has_died() {
        let mut house = House::new(plan(""));
        house.watch("a", 1, END);
        house.watch("b", 1, END);
        house.pass(time(END));
        assert_eq!(queued(&house.connection).unwrap(), [(Channel::Email, 2)]);
        assert_eq!(dead(&house.connection).unwrap(), 0);
        died(&house.connection).unwrap();
        died(&house.connection).unwrap();
        assert_eq!(dead(&house.connection).unwrap(), 2);
    }

    #[test]
    fn what_has_not_arrived_is_counted_by_how_it_stands() {
        let mut house =
            House::new(plan("alert_channels = { critical = [\"Slack\", \"Email\", \"Webhook\", \"Wall\"] }"));
        house.watch("a", 1, END);
        let stands = |house: &House| {
            let AlertsStatus { queued, failed, dead } = status(&house.connection).unwrap();
            (queued, failed, dead)
        };
        assert_eq!(stands(&house), (0, 0, 0));
        house.pass(time(END));
        assert_eq!(stands(&house), (4, 0, 0));
        house.send(END, |channel| match channel {
            Channel::Slack => Ok(()),
            Channel::Email => Err(Refusal::Permanent),
            _ => Err(Refusal::Transient),
        });
        assert_eq!(stands(&house), (0, 2, 1));
        let of = "SELECT (SELECT count(*) FROM notification_events WHERE state = 'queued') || ' ' ||
                      (SELECT count(*) FROM notification_events WHERE state = 'failed')";
        let of: String = house.connection.query_row(of, [], |row| row.get(0)).unwrap();
        assert_eq!(of, "0 2", "the states agree");
    }

    #[test]
    fn attempts_on_record_are_found_by_their_action() {
        let house = House::new(plan(""));
        for (seq, days) in [(1, 7), (2, -3), (3, 7)] {
            let sql = "INSERT INTO audit_events VALUES (?1, 'e' || ?1, '', 'a', 'System', 'expiration_alert_sent', 'config', 't',
                           'i', json_object('channel', 'Slack', 'threshold', ?2), x'7b7d')";
            house.connection.execute(sql, [seq, days]).unwrap();
        }
        let mut found = Vec::new();
        attempts(&house.connection, "expiration_alert_sent", |channel, stage, count| {
            found.push((channel, stage, count))
        })
        .unwrap();
        assert_eq!(found, [(Channel::Slack, Stage::new(-3), 1), (Channel::Slack, Stage::new(7), 2)]);
        for sql in [ATTEMPTS, ENDS] {
            let mut plan = house.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = plan.query_map(["x"], |row| row.get::<_, String>("detail")).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{sql}: {steps:?}");
        }
    }
}
