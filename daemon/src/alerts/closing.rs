//! Closing what alerts opened elsewhere, once a newer version took the place of the one that they were about.

use rusqlite::{Connection, OptionalExtension, params};

use countersign_shared::time::Timestamp;

use crate::policy::{Channel, Severity};
use crate::store::rows::notifications::{self, NewMessage, RENEWED};
use crate::store::rows::parsed;

/// Channels whose other side keeps an incident open until it is told otherwise.
pub const KEEP_INCIDENTS: [Channel; 3] = [Channel::PagerDuty, Channel::OpsGenie, Channel::Webhook];

pub(super) const ACCEPTED: &str = "SELECT DISTINCT a.target AS channel FROM alert_events a
     CROSS JOIN notification_events n ON n.id = a.notification_id
     WHERE a.certificate_id = ?1 AND a.version = ?2 AND n.state = 'sent'";

/// The version of a certificate that is watched, where one is.
pub fn watched(connection: &Connection, certificate_id: &str) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT version FROM expiry_watch WHERE certificate_id = ?1")?
        .query_row([certificate_id], |row| row.get(0))
        .optional()
}

/// `version` took the place of `before`: queues the message that closes what alerts of that opened, on each channel that
/// accepted one. Gives those channels. `seq` is the record of the new version.
pub fn close(
    connection: &Connection,
    certificate_id: &str,
    (before, version): (u64, u64),
    at: (Timestamp, i64),
    seq: u64,
) -> rusqlite::Result<Vec<Channel>> {
    let mut statement = connection.prepare_cached(ACCEPTED)?;
    let accepted = statement.query_map(params![certificate_id, before], |row| parsed::<Channel>(row, "channel"))?;
    let mut told = Vec::new();
    for channel in accepted {
        let channel = channel?;
        if close_one(connection, certificate_id, version, channel, at, seq)? {
            told.push(channel);
        }
    }
    Ok(told)
}

/// The same on one channel, for an alert that was accepted when its version had been replaced already. False where the
/// channel keeps no incidents.
pub fn close_one(
    connection: &Connection,
    certificate_id: &str,
    version: u64,
    channel: Channel,
    at: (Timestamp, i64),
    seq: u64,
) -> rusqlite::Result<bool> {
    if !KEEP_INCIDENTS.contains(&channel) {
        return Ok(false);
    }
    let params = format!("{{\"version\":{version}}}");
    let severity = Severity::Informational;
    let message = NewMessage { kind: RENEWED, resource_id: certificate_id, severity, params: &params, seq };
    notifications::queue(connection, &message, channel, at)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::backoff::Refusal;
    use super::super::pass_tests::{END, time};
    use super::super::plan_tests::plan;
    use super::super::rows_tests::House;
    use super::super::stage::DAY;
    use super::*;

    #[test]
    fn what_was_opened_is_closed_once_and_what_was_not_is_not() {
        let all = "alert_channels = { critical = [\"PagerDuty\", \"OpsGenie\", \"Slack\"] }";
        let mut house = House::new(plan(all));
        house.watch("mc-1", 1, END);
        house.pass(time(END));
        let accepted =
            house.send(END, |channel| if channel == Channel::OpsGenie { Err(Refusal::Transient) } else { Ok(()) });
        assert_eq!(accepted, [Channel::Slack, Channel::PagerDuty]);
        assert_eq!(watched(&house.connection, "mc-1").unwrap(), Some(1));
        house.watch("mc-1", 2, END + 365 * DAY);
        let at = (time(END), END);
        assert_eq!(close(&house.connection, "mc-1", (1, 2), at, 0).unwrap(), [Channel::PagerDuty]);
        let queued = "SELECT kind || ' ' || channel || ' ' || params FROM notification_events JOIN messages m
                          USING (channel) WHERE state = 'queued' AND m.notification_id = id";
        let queued: String = house.connection.query_row(queued, [], |row| row.get(0)).unwrap();
        assert_eq!(queued, "certificate_renewed PagerDuty {\"version\":2}");
        assert_eq!(close(&house.connection, "mc-1", (2, 3), at, 0).unwrap(), [], "nothing was told of version 2");
        assert!(!close_one(&house.connection, "mc-1", 3, Channel::Slack, at, 0).unwrap());
        assert_eq!(watched(&house.connection, "mc-2").unwrap(), None);
    }
}
