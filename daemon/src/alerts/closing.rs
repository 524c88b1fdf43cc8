//! Closing what alerts opened elsewhere. Whatever ends the watch of a version queues the messages that do it, by a trigger of
//! the table and in the same transaction; here is what is known only when an attempt has ended.

use rusqlite::{Connection, OptionalExtension, params};

use countersign_shared::time::Timestamp;

use crate::policy::{Channel, Severity};
use crate::store::rows::notifications::{self, DEALT_WITH, NewMessage, RENEWED};

/// Channels whose other side keeps an incident open until it is told otherwise.
pub const KEEP_INCIDENTS: [Channel; 3] = [Channel::PagerDuty, Channel::OpsGenie, Channel::Webhook];

const OPEN: &str = "SELECT EXISTS (SELECT 1 FROM outbox o INDEXED BY outbox_by_resource
     JOIN notification_events n ON n.id = o.notification_id
     WHERE o.resource_id = ?1 AND o.channel = ?2 AND o.claimed_tick IS NULL AND n.kind IN (?3, ?4))";

/// The version of a certificate that is watched, where one is.
pub fn watched(connection: &Connection, certificate_id: &str) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT version FROM expiry_watch WHERE certificate_id = ?1")?
        .query_row([certificate_id], |row| row.get(0))
        .optional()
}

/// An attempt to send an alert of `version` has ended when that was replaced or dealt with already, and the other side may
/// have opened an incident: queues the message that closes it, unless one is waiting anyway. False where there is nothing to
/// close. `seq` is the record of the attempt.
pub fn close_late(
    connection: &Connection,
    (certificate_id, version): (&str, u64),
    channel: Channel,
    at: (Timestamp, i64),
    seq: u64,
) -> rusqlite::Result<bool> {
    let now = watched(connection, certificate_id)?;
    let (kind, current) = match now {
        Some(now) if now > version => (RENEWED, now),
        Some(_) => return Ok(false),
        None => (DEALT_WITH, version),
    };
    if !KEEP_INCIDENTS.contains(&channel) {
        return Ok(false);
    }
    let waits: bool = connection
        .prepare_cached(OPEN)?
        .query_row(params![certificate_id, channel.as_str(), RENEWED, DEALT_WITH], |row| row.get(0))?;
    if waits {
        return Ok(false);
    }
    let params = format!("{{\"version\":{current}}}");
    let severity = Severity::Informational;
    let message = NewMessage { kind, resource_id: certificate_id, severity, params: &params, seq };
    notifications::queue(connection, &message, channel, at)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::backoff::Refusal;
    use super::super::outbox;
    use super::super::pass_tests::{END, time};
    use super::super::plan_tests::plan;
    use super::super::rows;
    use super::super::rows_tests::House;
    use super::super::stage::DAY;
    use super::*;

    const ALL: &str = "alert_channels = { critical = [\"PagerDuty\", \"OpsGenie\", \"Webhook\", \"Slack\"] }";

    fn closers(house: &House) -> String {
        let sql = "SELECT coalesce(group_concat(kind || ' ' || n.channel || ' ' || m.params || ' ' || o.severity, ', '
                          ORDER BY n.channel), '')
                   FROM notification_events n JOIN messages m ON m.notification_id = n.id
                   JOIN outbox o ON o.notification_id = n.id WHERE n.state = 'queued' AND n.kind <> 'expiration_alert'";
        house.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_was_or_may_have_been_opened_is_closed_once_and_what_was_not_is_not() {
        let mut house = House::new(plan(ALL));
        house.watch("mc-1", 1, END);
        house.pass(time(END));
        // Nobody was there to accept it at Webhook: nothing was tried.
        let claimed = [Channel::PagerDuty, Channel::OpsGenie, Channel::Slack]
            .map(|channel| outbox::claim(&house.connection, channel, END, 9).unwrap().remove(0));
        for (claimed, refusal) in claimed.iter().zip([None, Some(Refusal::Transient), None]) {
            match refusal {
                None => assert!(outbox::sent(&house.connection, claimed, time(END), None).unwrap()),
                Some(refusal) => {
                    let failed = super::super::rows_tests::refused(refusal);
                    outbox::failed(&house.connection, claimed, failed, END, None).unwrap();
                }
            }
        }
        assert_eq!(closers(&house), "");
        house.watch("mc-1", 2, END + 365 * DAY);
        let renewed = |channel: &str, version: u32| {
            format!("certificate_renewed {channel} {{\"version\":{version}}} informational")
        };
        assert_eq!(closers(&house), format!("{}, {}", renewed("OpsGenie", 2), renewed("PagerDuty", 2)));
        house.watch("mc-1", 3, END + 366 * DAY);
        rows::dealt_with(&house.connection, "mc-1").unwrap();
        assert_eq!(closers(&house).matches("certificate_").count(), 2, "nothing was told of later versions");
    }

    #[test]
    fn what_is_dealt_with_closes_it_too_and_what_was_refused_for_good_has_opened_nothing() {
        let mut house = House::new(plan(ALL));
        house.watch("mc-1", 1, END);
        house.pass(time(END));
        let refuse = "INSERT INTO audit_events SELECT 1, 'r', '', 'a', 'System', 'x', 'config', 't', 'i',
                          json_object('refusal', 'permanent', 'attempt', 1, 'tick', 77), x'7b7d'";
        house.connection.execute_batch(refuse).unwrap();
        for channel in [Channel::OpsGenie, Channel::Webhook] {
            let claimed = outbox::claim(&house.connection, channel, END, 9).unwrap().remove(0);
            let (refusal, seq) =
                if channel == Channel::OpsGenie { (Refusal::Permanent, Some(1)) } else { (Refusal::Permanent, None) };
            let failed = super::super::rows_tests::refused(refusal);
            outbox::failed(&house.connection, &claimed, failed, END, seq).unwrap();
        }
        rows::dealt_with(&house.connection, "mc-1").unwrap();
        assert_eq!(closers(&house), "certificate_dealt_with Webhook {\"version\":1} informational");
        let tick: i64 = house.connection.query_row("SELECT next_tick FROM outbox", [], |row| row.get(0)).unwrap();
        assert_eq!(tick, 77, "when the record was made that says why");
    }

    #[test]
    fn what_ends_late_is_closed_unless_that_waits_anyway() {
        let mut house = House::new(plan(ALL));
        house.watch("mc-1", 1, END);
        house.pass(time(END));
        let at = (time(END), END);
        let late = |house: &House, channel| close_late(&house.connection, ("mc-1", 1), channel, at, 0).unwrap();
        assert!(!late(&house, Channel::PagerDuty), "it is the version that is watched");
        outbox::claim(&house.connection, Channel::PagerDuty, END, 9).unwrap();
        house.watch("mc-1", 2, END + 365 * DAY);
        assert_eq!(closers(&house), "certificate_renewed PagerDuty {\"version\":2} informational", "it may arrive");
        assert!(!late(&house, Channel::PagerDuty), "that one comes after it");
        outbox::claim(&house.connection, Channel::PagerDuty, END, 9).unwrap();
        assert!(late(&house, Channel::PagerDuty), "that one may have come before it");
        assert!(!late(&house, Channel::Slack));
        rows::dealt_with(&house.connection, "mc-1").unwrap();
        assert!(late(&house, Channel::OpsGenie));
        assert!(closers(&house).contains("certificate_dealt_with OpsGenie {\"version\":1}"));
    }
}
