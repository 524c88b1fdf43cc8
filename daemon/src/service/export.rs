//! `audit.export`: the records of a time range with their bytes. The export is recorded before the first row leaves, with
//! the number of rows that may be taken under that record; pages are then read by a cursor that names the record, and
//! nothing beyond it. No page depends on what the daemon remembers: an export goes on after a restart, and one that its
//! caller gave up holds nothing.

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    AuditAction, Category, DEFAULT_EXPORT, EXPORT_FORMAT, ExportManifest, ExportPage, ExportParams, MAX_EXPORT,
    MAX_EXPORT_DAYS,
};
use countersign_shared::time::Timestamp;
use serde::Deserialize;

use super::actor::Actor;
use super::{Service, refusal};
use crate::checkpoint::{make, proof};
use crate::ipc::Connection;
use crate::ledger::verify::stored_frontier;
use crate::policy::Permission;
use crate::store::rows::audit;
use crate::store::rows::export::{self, Counted, Range};
use crate::store::transaction::{Failure, Recorded};

const MILLIS_A_DAY: i64 = 86_400_000;

/// A call that was read.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    range: Range,
    limit: u32,
    /// The export's record and the record that the page begins with; `None` begins an export.
    page: Option<(u64, u64)>,
}

impl Asked {
    fn read(params: &ExportParams) -> Result<Self, ApiError> {
        let ExportParams { from, to, category, limit, cursor } = params;
        if to <= from {
            return Err(ApiError::invalid(format!("`to` is {to}, which is not after `from`, {from}")));
        }
        let longest = i64::from(MAX_EXPORT_DAYS) * MILLIS_A_DAY;
        if to.unix_millis() - from.unix_millis() > longest {
            return Err(ApiError::invalid(format!(
                "`to` is more than {MAX_EXPORT_DAYS} days after `from`, the longest range of one export"
            ))
            .hint("export one stretch after the other: `to` of one is `from` of the next"));
        }
        let limit = limit.unwrap_or(DEFAULT_EXPORT);
        if !(1..=MAX_EXPORT).contains(&limit) {
            return Err(ApiError::invalid(format!("`limit` is {limit}; an export has 1 to {MAX_EXPORT} rows")));
        }
        let cursor = cursor.as_deref().map(Cursor::read).transpose()?;
        let (after, page) = match cursor {
            None => (None, None),
            Some(Cursor::After(seq)) => (Some(seq), None),
            Some(Cursor::Page { export, begin }) => (None, Some((export, begin))),
        };
        Ok(Self { range: Range { from: *from, to: *to, category: *category, after }, limit, page })
    }
}

/// Where a call begins.
enum Cursor {
    /// With this record, under the export of that record: `p-EXPORT-BEGIN`.
    Page { export: u64, begin: u64 },
    /// Another export, behind this record: `a-SEQ`.
    After(u64),
}

impl Cursor {
    fn read(raw: &str) -> Result<Self, ApiError> {
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
        let mut parts = raw.split('-');
        let read = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("a"), Some(seq), None, None) => number(seq).map(Self::After),
            (Some("p"), Some(export), Some(begin), None) => {
                number(export).zip(number(begin)).map(|(export, begin)| Self::Page { export, begin })
            }
            _ => None,
        };
        read.ok_or_else(foreign_cursor)
    }
}

pub(super) fn foreign_cursor() -> ApiError {
    ApiError::invalid("`cursor` is not one that an export of yours over this range gave")
        .hint("pass next_cursor or more_cursor unchanged, with the same `from`, `to` and `category`")
}

/// Begins an export, or reads a page of one.
pub async fn export(service: &Service, connection: &Connection, params: ExportParams) -> Result<ExportPage, ApiError> {
    let asked = Asked::read(&params)?;
    match asked.page {
        None => begin(service, connection, asked).await,
        Some((export, begin)) => go_on(service, connection, asked.range, export, begin).await,
    }
}

/// What an export is of, counted at one moment.
struct Found {
    counted: Counted,
    size: u64,
    root: Digest,
}

async fn begin(service: &Service, connection: &Connection, asked: Asked) -> Result<ExportPage, ApiError> {
    let actor = service.actor_with_patience(connection)?;
    service.quota.admit_record(service, &actor)?;
    let notary = service.notary()?;
    let Asked { range, limit, .. } = asked;
    let uid = connection.peer.uid();
    // Who may not export is told so, and recorded, before anything is counted.
    let counted = match may_export(&actor) {
        Err(_) => Found { counted: Counted::default(), size: 0, root: Digest::of(&[]) },
        Ok(()) => service.readers.read_for(uid, move |connection| found(connection, &range, limit)).await?,
    };
    let Found { counted, size, root } = counted;
    let (policy, by, origin) = (service.policy.clone(), actor, service.facts.origin.clone());
    let recorded = service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &by, "audit.export", ("ledger", &origin), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = by.under(&rules, transaction.now());
                may_export(&actor)?;
                let draft = actor
                    .draft(AuditAction::AuditExport, Category::Auth, "ledger", &origin)
                    .text("from", range.from)
                    .text("to", range.to)
                    .text_if("category", range.category)
                    .number_if("after_seq", number(range.after)?)
                    .number("limit", limit)
                    .number("rows", whole(counted.rows)?)
                    .number("matching", whole(counted.matching)?)
                    .number_if("first_seq", number(counted.ends.map(|(first, _)| first))?)
                    .number_if("last_seq", number(counted.ends.map(|(_, last)| last))?);
                transaction.record(draft)
            })
        })
        .await??;
    let ends = counted.ends;
    // Of the export's own record too.
    let checkpoint = make::sign(&service.writer, &notary).await?;
    let prove = move |connection: &rusqlite::Connection| match ends {
        None => Ok((Vec::new(), None)),
        Some((first, last)) => {
            let snapshot = connection.unchecked_transaction()?;
            let signed = proof::with_witnesses(&snapshot, &checkpoint)?;
            let peaks = proof::tree_at(&snapshot, &checkpoint, first)?.peaks().to_vec();
            let continuation = proof::of_growth(&snapshot, &checkpoint, &signed, last + 1)?;
            snapshot.finish()?;
            Ok((peaks, Some(continuation.to_string())))
        }
    };
    let (peaks, continuation) = service.readers.read_for(uid, prove).await?;
    let manifest = ExportManifest {
        format: EXPORT_FORMAT.to_owned(),
        origin: service.facts.origin.clone(),
        export_seq: recorded.seq,
        export_sha256: recorded.hash,
        from: range.from,
        to: range.to,
        category: range.category,
        rows: counted.rows,
        matching: counted.matching,
        first_seq: counted.ends.map(|(first, _)| first),
        last_seq: counted.ends.map(|(_, last)| last),
        size,
        root_sha256: root,
        peaks,
        verifier_key: continuation.is_some().then(|| notary.key().to_string()),
        continuation,
    };
    let mut page = match counted.ends {
        None => ExportPage { manifest: None, lines: Vec::new(), next_cursor: None, more_cursor: None },
        Some((first, last)) => {
            let more = counted.matching > counted.rows;
            read(service, uid, (range, recorded, first, last, more)).await?
        }
    };
    page.manifest = Some(manifest);
    Ok(page)
}

fn found(connection: &rusqlite::Connection, range: &Range, limit: u32) -> Result<Found, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    let frontier = stored_frontier(&snapshot)?.unwrap_or_default();
    let counted = export::count(&snapshot, range, limit as usize)?;
    snapshot.finish()?;
    Ok(Found { counted, size: frontier.size(), root: frontier.root() })
}

/// Whether the caller may take records out.
pub(super) fn may_export(actor: &Actor) -> Result<(), ApiError> {
    if actor.permissions.allows(Permission::ExportLedger) {
        return Ok(());
    }
    let message = format!("{} has no role that exports the ledger", actor.party.account);
    Err(ApiError::new(ErrorKind::Forbidden, message).hint(Permission::ExportLedger.needed()).rule("no_role"))
}

pub(super) fn whole(number: u64) -> Result<i64, ApiError> {
    i64::try_from(number).map_err(|_| ApiError::internal("a number of records is beyond every ledger"))
}

fn number(number: Option<u64>) -> Result<Option<i64>, ApiError> {
    number.map(whole).transpose()
}

/// What a page needs to know of the export's own record.
#[derive(Deserialize)]
struct Granted {
    uid: u32,
    from: Timestamp,
    to: Timestamp,
    category: Option<Category>,
    after_seq: Option<u64>,
    rows: u64,
    matching: u64,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
}

async fn go_on(
    service: &Service,
    connection: &Connection,
    range: Range,
    export: u64,
    begin: u64,
) -> Result<ExportPage, ApiError> {
    let actor = service.actor(connection)?;
    may_export(&actor)?;
    let uid = connection.peer.uid();
    let record = service.readers.read_for(uid, move |connection| Ok(audit::at(connection, export)?)).await?;
    let event = record.map(|record| record.event).filter(|event| {
        // A demo gives its people numbers of their own; the account is part of who it was in either case.
        event.action == AuditAction::AuditExport && event.actor == actor.party.account
    });
    let event = event.ok_or_else(foreign_cursor)?;
    let (seq, hash) = (event.seq, event.record_sha256);
    let granted: Granted = serde_json::from_value(event.details).map_err(|_| foreign_cursor())?;
    let range = Range { after: granted.after_seq, ..range };
    let same = granted.uid == actor.party.uid
        && (granted.from, granted.to, granted.category) == (range.from, range.to, range.category);
    let Some((first, last)) = granted.first_seq.zip(granted.last_seq).filter(|_| same) else {
        return Err(foreign_cursor());
    };
    if !(first..=last).contains(&begin) {
        return Err(foreign_cursor());
    }
    read(service, uid, (range, Recorded { seq, hash }, begin, last, granted.matching > granted.rows)).await
}

async fn read(
    service: &Service,
    uid: u32,
    (range, export, begin, last, more): (Range, Recorded, u64, u64, bool),
) -> Result<ExportPage, ApiError> {
    let read = move |connection: &rusqlite::Connection| Ok(export::page(connection, &range, begin, last)?);
    let page = service.readers.read_for(uid, read).await?;
    Ok(ExportPage {
        manifest: None,
        lines: page.lines,
        next_cursor: page.next.map(|next| format!("p-{}-{next}", export.seq)),
        more_cursor: (page.next.is_none() && more).then(|| format!("a-{last}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(from: &str, to: &str) -> ExportParams {
        ExportParams { from: from.parse().unwrap(), to: to.parse().unwrap(), category: None, limit: None, cursor: None }
    }

    #[test]
    fn a_range_is_forward_and_ninety_days_at_most() {
        let from = "2026-01-01T00:00:00Z";
        for (to, word) in [
            ("2026-01-01T00:00:00Z", Some("`to`")),
            ("2025-12-31T00:00:00Z", Some("`to`")),
            ("2026-01-01T00:00:00.001Z", None),
            ("2026-04-01T00:00:00Z", None),
            ("2026-04-01T00:00:00.001Z", Some("90 days")),
            ("9999-12-31T23:59:59Z", Some("90 days")),
        ] {
            let asked = Asked::read(&params(from, to));
            match word {
                None => assert_eq!(asked.unwrap().limit, 50_000, "{to}"),
                Some(word) => assert!(asked.unwrap_err().message.contains(word), "{to}"),
            }
        }
    }

    #[test]
    fn a_limit_is_within_what_one_export_holds() {
        for (limit, taken) in [(0, false), (1, true), (100_000, true), (100_001, false), (u32::MAX, false)] {
            let asked = ExportParams { limit: Some(limit), ..params("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z") };
            let read = Asked::read(&asked);
            assert_eq!(read.is_ok(), taken, "{limit}");
            assert!(taken || read.unwrap_err().message.contains("`limit`"));
        }
    }

    #[test]
    fn cursors_are_those_that_pages_gave() {
        let read = |cursor: &str| {
            let range = params("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
            Asked::read(&ExportParams { cursor: Some(cursor.to_owned()), ..range })
        };
        assert_eq!(read("p-7-3").unwrap().page, Some((7, 3)));
        assert_eq!(read("a-3").unwrap().range.after, Some(3));
        for bad in ["", "3", "p-7", "p-7-3-1", "a--3", "a-3-", "p-18446744073709551615-0", "a-\u{1b}", "b-3", "p-+7-x"]
        {
            let error = read(bad).unwrap_err();
            assert!(error.message.contains("`cursor`"), "{bad}: {error:?}");
        }
    }
}
