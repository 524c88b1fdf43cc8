//! The queue: rows as people see them, a page at a time.

use countersign_shared::id::RequestId;
use countersign_shared::protocol::{ListRequestsParams, RequestSummary};
use countersign_shared::text::Untrusted;
use rusqlite::{Connection, OptionalExtension, Row};

use super::read_requester;
use crate::store::rows::InOrder;
use crate::store::rows::page::{Conditions, TEXT_STRETCH, Window, contains, cut};
use crate::store::sight::Sight;

/// A row of the queue.
pub fn summary(connection: &Connection, id: &RequestId, sight: &Sight) -> rusqlite::Result<Option<RequestSummary>> {
    let mut conditions = Conditions::default();
    conditions.and("r.id = ?", id.as_str().to_owned());
    sight.limit_requests(&mut conditions);
    let sql = format!("{SUMMARY}{}", conditions.sql());
    let found = connection.prepare_cached(&sql)?.query_row(conditions.values().as_slice(), read_summary).optional()?;
    Ok(found.map(|(_, summary)| summary))
}

/// In the order in which [`read_summary`] takes them.
const SUMMARY: &str = "SELECT r.row, r.id, r.kind, r.state, r.certificate_id, r.job_id, r.profile_id, r.environment,
     r.requester_account, r.requester_person, r.requester_uid, r.primary_name, r.names, r.names_total,
     CASE WHEN coalesce(s.reason_sha256, p.reason_sha256) IS NOT NULL
         AND coalesce(s.reason_salt, p.reason_salt) = x'' THEN '[erased]' ELSE coalesce(s.reason, p.reason, '') END,
     s.ticket, r.risks, r.version, r.digest, r.created_at, r.expires_at,
     t.not_before, t.batch, r.decided_at, r.decided_by, r.seq
     FROM approval_requests r LEFT JOIN submissions s ON s.id = r.submission_id
     LEFT JOIN proposals p ON p.request_id = r.id
     LEFT JOIN request_terms t ON t.request_id = r.id AND t.version = r.version";

/// A page of the queue, newest first, and where the next begins.
pub fn page(
    connection: &Connection,
    filter: &ListRequestsParams,
    window: Window,
    sight: &Sight,
) -> rusqlite::Result<(Vec<RequestSummary>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("r.row < ?", window.before);
    conditions.and_if("r.state = ?", filter.state.map(|state| state.as_str()));
    conditions.and_if("r.profile_id = ?", filter.profile.clone());
    conditions.and_if("r.certificate_id = ?", filter.certificate.as_ref().map(ToString::to_string));
    conditions.and_if("r.environment = ?", filter.environment.clone());
    conditions.and_if("r.kind = ?", filter.kind.map(|kind| kind.as_str()));
    conditions.and_if(
        "r.id IN (SELECT request_id FROM request_terms INDEXED BY request_terms_by_batch WHERE batch = ?)",
        filter.batch.clone(),
    );
    if let Some(requester) = &filter.requester {
        conditions.any(vec![
            ("r.requester_account = ?".to_owned(), Box::new(requester.clone())),
            ("r.requester_person = ?".to_owned(), Box::new(requester.clone())),
        ]);
    }
    sight.limit_requests(&mut conditions);
    let mut stretch_end = None;
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        let top = newest_row(connection)?.saturating_add(1).min(window.before);
        let low = top - TEXT_STRETCH;
        conditions.and("r.row >= ?", low);
        let columns = [
            "r.id",
            "r.primary_name",
            "r.names",
            "r.requester_account",
            "r.requester_person",
            "s.reason",
            "s.ticket",
            "p.reason",
        ];
        conditions.any(columns.iter().map(|column| contains(column, text)).collect());
        stretch_end = (low > 0).then(|| low.to_string());
    }
    let sql = format!("{SUMMARY}{} ORDER BY r.row DESC LIMIT {}", conditions.sql(), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), read_summary)?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, RequestSummary)>>>()?;
    let next = cut(&mut rows, window.limit).or(stretch_end);
    Ok((rows.into_iter().map(|(_, summary)| summary).collect(), next))
}

fn newest_row(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(row), 0) FROM approval_requests", [], |row| row.get(0))
}

/// A row of the queue; its columns stand in [`SUMMARY`] in this order.
fn read_summary(row: &Row<'_>) -> rusqlite::Result<(i64, RequestSummary)> {
    let mut row = InOrder::of(row);
    let number = row.get()?;
    let summary = RequestSummary {
        id: row.parsed()?,
        kind: row.parsed()?,
        state: row.parsed()?,
        certificate_id: row.parsed_if()?,
        job_id: row.parsed_if()?,
        profile_id: row.get()?,
        environment: row.get()?,
        requester: read_requester(&mut row)?,
        primary_name: row.get::<String>()?.into(),
        names: row.json()?,
        names_total: row.get()?,
        reason: row.get::<String>()?.into(),
        ticket: row.get::<Option<String>>()?.map(Untrusted::new),
        risks: row.json()?,
        version: row.get()?,
        digest: row.parsed()?,
        created_at: row.parsed()?,
        expires_at: row.parsed()?,
        not_before: row.parsed_if()?,
        batch: row.get()?,
        decided_at: row.parsed_if()?,
        decided_by: row.get()?,
        seq: row.get()?,
    };
    Ok((number, summary))
}
