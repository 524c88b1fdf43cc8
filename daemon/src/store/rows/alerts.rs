//! Messages with everything that became of them, as callers read them; what is dead; and what is watched.

use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{Alert, AlertChannel, AlertState, ListAlertsParams};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::page::{Conditions, TEXT_STRETCH, Window, contains, cut};
use super::{parsed, parsed_if, unfit};
use crate::alerts::Target;
use crate::policy::Channel;
use crate::store::sight::Sight;

/// The name that the object of a message is known by.
const NAME: &str = "coalesce(
    (SELECT c.primary_name FROM certificates c WHERE c.id = n.resource_id),
    (SELECT c.primary_name FROM approval_requests r JOIN certificates c ON c.id = r.certificate_id WHERE r.id = n.resource_id),
    (SELECT c.primary_name FROM jobs j JOIN certificates c ON c.id = j.certificate_id WHERE j.id = n.resource_id),
    (SELECT i.primary_name FROM found_certificates f JOIN inventory_certificates i ON i.sha256 = f.sha256
      WHERE f.id = n.resource_id))";

fn select(conditions: &Conditions) -> String {
    format!(
        "SELECT n.id, n.created_at, n.kind, n.resource_id, n.channel, n.state, n.detail, n.seq, m.severity, m.accepted_at,
             a.severity AS raised_severity, o.attempts, o.next_tick, o.claimed_tick, a.version, a.days, a.target,
             {NAME} AS name
         FROM notification_events n LEFT JOIN messages m ON m.notification_id = n.id
         LEFT JOIN outbox o ON o.notification_id = n.id LEFT JOIN alert_events a ON a.notification_id = n.id{}",
        conditions.sql()
    )
}

/// The wall clock and the time line at one moment: by both a tick that lies ahead becomes a time.
pub type Moment = (Timestamp, i64);

/// A page, newest first. Under a filter, and for somebody who does not see everything, a page costs a bounded stretch.
pub fn page(
    connection: &Connection,
    filter: &ListAlertsParams,
    window: Window,
    sight: &Sight,
    moment: Moment,
) -> rusqlite::Result<(Vec<Alert>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("n.id < ?", window.before);
    let text = filter.text.as_deref().filter(|text| !text.is_empty());
    let found_by_index = match filter.state {
        Some(AlertState::Dead) => {
            conditions.plain("n.state = 'dead'");
            true
        }
        Some(state @ (AlertState::Queued | AlertState::Failed)) => {
            conditions.plain("n.id IN (SELECT notification_id FROM outbox)");
            conditions.and("n.state = ?", state.as_str());
            true
        }
        other => {
            conditions.and_if("n.state = ?", other.map(AlertState::as_str));
            let on_one_channel = ListAlertsParams {
                limit: filter.limit,
                cursor: filter.cursor.clone(),
                channel: filter.channel,
                ..Default::default()
            };
            // What one certificate ever caused is little; all of one channel is a page of it where nothing else is asked for.
            filter.certificate.is_some()
                || (filter.channel.is_some() && *filter == on_one_channel && *sight == Sight::All)
        }
    };
    conditions.and_if("n.channel = ?", filter.channel.map(AlertChannel::as_str));
    conditions.and_if("n.resource_id = ?", filter.certificate.as_ref().map(|id| id.as_str().to_owned()));
    conditions.and_if("n.kind = ?", filter.kind.clone());
    if let Some(text) = text {
        conditions.any(vec![contains("n.resource_id", text), contains("n.detail", text), contains(NAME, text)]);
    }
    see(&mut conditions, sight);
    let everything =
        *filter == ListAlertsParams { limit: filter.limit, cursor: filter.cursor.clone(), ..Default::default() };
    let mut stretch_end = None;
    let bounded = found_by_index || (everything && *sight == Sight::All);
    if !bounded {
        let newest: i64 =
            connection.query_row("SELECT coalesce(max(id), 0) FROM notification_events", [], |row| row.get(0))?;
        let low = newest.saturating_add(1).min(window.before) - TEXT_STRETCH;
        conditions.and("n.id >= ?", low);
        stretch_end = (low > 0).then(|| low.to_string());
    }
    let sql = format!("{} ORDER BY n.id DESC LIMIT {}", select(&conditions), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| Ok((row.get("id")?, read(row, moment)?)))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, Alert)>>>()?;
    let next = cut(&mut rows, window.limit).or(stretch_end);
    Ok((rows.into_iter().map(|(_, alert)| alert).collect(), next))
}

/// One by its id, where the caller may see it.
pub fn get(connection: &Connection, id: u64, sight: &Sight, moment: Moment) -> rusqlite::Result<Option<Alert>> {
    let mut conditions = Conditions::default();
    conditions.and("n.id = ?", i64::try_from(id).unwrap_or(i64::MAX));
    see(&mut conditions, sight);
    let mut statement = connection.prepare_cached(&select(&conditions))?;
    statement.query_row(conditions.values().as_slice(), |row| read(row, moment)).optional()
}

/// Messages about what the caller may see.
fn see(conditions: &mut Conditions, sight: &Sight) {
    if *sight == Sight::All {
        return;
    }
    let about = |column: &str| {
        let mut of = Conditions::default();
        of.plain(&format!("{column} = n.resource_id"));
        of
    };
    let (mut certificates, mut requests, mut jobs) = (about("c.id"), about("r.id"), about("id"));
    sight.limit_certificates(&mut certificates);
    sight.limit_requests(&mut requests);
    sight.limit_jobs(&mut jobs);
    conditions.any_exists(vec![
        ("SELECT 1 FROM certificates c", certificates),
        ("SELECT 1 FROM approval_requests r", requests),
        ("SELECT 1 FROM jobs", jobs),
    ]);
}

fn read(row: &Row<'_>, (now, tick): Moment) -> rusqlite::Result<Alert> {
    let target: Option<Target> = parsed_if(row, "target")?;
    let unknown = match target {
        Some(Target::Unknown(name)) => Some(name),
        _ => None,
    };
    let (next, claimed): (Option<i64>, Option<i64>) = (row.get("next_tick")?, row.get("claimed_tick")?);
    let next = next.filter(|_| claimed.is_none());
    let next = next.map(|next| now.unix_millis().saturating_add(next.saturating_sub(tick)));
    let severity = parsed_if(row, "severity")?;
    Ok(Alert {
        id: row.get("id")?,
        created_at: parsed(row, "created_at")?,
        kind: row.get("kind")?,
        resource_id: row.get("resource_id")?,
        name: row.get::<_, Option<String>>("name")?.map(Untrusted::new),
        version: row.get("version")?,
        threshold: row.get("days")?,
        severity: if severity.is_some() { severity } else { parsed_if(row, "raised_severity")? },
        channel: parsed_if(row, "channel")?,
        unknown_channel: unknown,
        state: parsed(row, "state")?,
        attempts: row.get("attempts")?,
        next_attempt_at: next.and_then(Timestamp::from_unix_millis),
        accepted_at: parsed_if(row, "accepted_at")?,
        detail: row.get::<_, String>("detail")?.into(),
        seq: row.get("seq")?,
    })
}

/// The oldest dead messages.
pub fn dead(connection: &Connection, channel: Option<Channel>, limit: u32) -> rusqlite::Result<Vec<(i64, Channel)>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, channel FROM notification_events INDEXED BY notifications_dead
         WHERE state = 'dead' AND (?1 IS NULL OR channel = ?1) ORDER BY id LIMIT ?2",
    )?;
    let rows = statement
        .query_map(params![channel.map(Channel::as_str), limit], |row| Ok((row.get("id")?, parsed(row, "channel")?)))?;
    rows.collect()
}

/// How many are dead.
pub fn count_dead(connection: &Connection, channel: Option<Channel>) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM notification_events INDEXED BY notifications_dead
             WHERE state = 'dead' AND (?1 IS NULL OR channel = ?1)",
        )?
        .query_row([channel.map(Channel::as_str)], |row| row.get(0))
}

/// The profile that what a message is about stands under; none where it stands under none.
pub fn profile_of(connection: &Connection, resource_id: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT coalesce((SELECT profile_id FROM certificates WHERE id = ?1),
                 (SELECT profile_id FROM approval_requests WHERE id = ?1), (SELECT profile_id FROM jobs WHERE id = ?1))",
        )?
        .query_row([resource_id], |row| row.get(0))
}

/// A version that somebody has to look after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedRow {
    /// `mc-…`
    pub id: CertificateId,
    /// 1, 2, …
    pub version: u64,
    /// notBefore.
    pub not_before: Timestamp,
    /// notAfter.
    pub not_after: Timestamp,
    /// Its profile; none for one that was found and not issued here.
    pub profile_id: Option<String>,
    /// The record that made it known.
    pub seq: u64,
}

/// Where a page of what is watched begins: after this end and this id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// notAfter, as the column has it.
    pub not_after: String,
    /// `mc-…`
    pub id: String,
}

/// What is watched, what ends first before the rest; `until` as the column has it.
pub fn watched(
    connection: &Connection,
    certificate: Option<&CertificateId>,
    until: Option<Timestamp>,
    (after, limit): (&After, u32),
    sight: &Sight,
) -> rusqlite::Result<Vec<WatchedRow>> {
    let mut conditions = Conditions::default();
    conditions.and_if("w.certificate_id = ?", certificate.map(|id| id.as_str().to_owned()));
    conditions.and_if("w.not_after <= ?", until.map(|until| until.to_string()));
    conditions.and("w.not_after >= ?", after.not_after.clone());
    conditions.any(vec![
        ("w.not_after > ?".to_owned(), Box::new(after.not_after.clone())),
        ("w.certificate_id > ?".to_owned(), Box::new(after.id.clone())),
    ]);
    sight.limit_certificates(&mut conditions);
    let sql = format!(
        "SELECT w.certificate_id, w.version, w.not_before, w.not_after, w.seq, c.profile_id
         FROM expiry_watch w LEFT JOIN certificates c ON c.id = w.certificate_id{}
         ORDER BY w.not_after, w.certificate_id LIMIT {limit}",
        conditions.sql()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| {
        // An id that does not read as one is a fault that the reader is told of.
        let id: String = row.get("certificate_id")?;
        Ok(WatchedRow {
            id: id.parse().map_err(|why: String| unfit(0, why))?,
            version: row.get("version")?,
            not_before: parsed(row, "not_before")?,
            not_after: parsed(row, "not_after")?,
            profile_id: row.get("profile_id")?,
            seq: row.get("seq")?,
        })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::migrations::{migrate, newest};

    #[test]
    fn what_somebody_filters_by_is_found_by_an_index_however_long_ago_it_was() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, newest()).unwrap();
        db.execute_batch(
            "PRAGMA foreign_keys = 0;
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 30000)
             INSERT INTO notification_events (id, created_at, kind, resource_id, channel, state, detail, seq)
             SELECT n, '2027-01-01T00:00:00.000Z', 'expiration_alert', 'mc-' || (n % 1000 + 1000),
                 CASE WHEN n < 3 THEN 'Wall' ELSE 'Email' END, CASE n WHEN 2 THEN 'failed' ELSE 'sent' END, '', n FROM numbers",
        )
        .unwrap();
        let listed = |params: ListAlertsParams| {
            let window = Window::new(Some(5), None).unwrap();
            let (alerts, next) = page(&db, &params, window, &Sight::All, (Timestamp::EPOCH, 0)).unwrap();
            (alerts.iter().map(|alert| alert.id).collect::<Vec<_>>(), next.is_some())
        };
        let certificate = Some("mc-1001".parse().unwrap());
        let of = ListAlertsParams { certificate, ..Default::default() };
        assert_eq!(listed(of.clone()), (vec![29_001, 28_001, 27_001, 26_001, 25_001], true));
        let wall = Some(AlertChannel::Wall);
        assert_eq!(listed(ListAlertsParams { channel: wall, ..of }), (vec![1], false));
        assert_eq!(listed(ListAlertsParams { channel: wall, ..Default::default() }), (vec![2, 1], false));
        for (condition, index) in [
            ("n.resource_id = 'mc-1'", "notifications_by_resource (resource_id=? AND rowid<?)"),
            ("n.channel = 'Wall'", "notifications_by_channel (channel=? AND rowid<?)"),
        ] {
            let mut conditions = Conditions::default();
            conditions.and("n.id < ?", 9);
            conditions.plain(condition);
            let sql = format!("EXPLAIN QUERY PLAN {} ORDER BY n.id DESC LIMIT 5", select(&conditions));
            let mut statement = db.prepare(&sql).unwrap();
            let steps = statement.query_map([9], |row| row.get::<_, String>("detail")).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            assert_eq!(steps[0], format!("SEARCH n USING INDEX {index}"), "{steps:?}");
            assert!(steps.iter().all(|step| !step.contains("B-TREE")), "{steps:?}");
        }
    }
}
