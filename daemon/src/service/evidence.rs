//! `audit.evidence`: all that there is about a request, a certificate or a period. As with an export, the making is recorded
//! before the first line leaves, with a digest of the list of parts; pages are then read by a cursor that names the record.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    AuditAction, Category, EVIDENCE_FORMAT, EvidenceCheckpoint, EvidenceHead, EvidencePage, EvidenceParams,
    EvidencePart, MAX_EXPORT_DAYS,
};
use countersign_shared::time::Timestamp;
use rusqlite::Connection as Database;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::export::may_export;
use super::{Service, refusal};
use crate::checkpoint::{make, proof};
use crate::evidence::{self, Item, Listing, Subject};
use crate::ipc::Connection;
use crate::store::rows::audit;
use crate::store::rows::checkpoints::{self, Checkpoint};
use crate::store::transaction::Failure;

const MILLIS_A_DAY: i64 = 86_400_000;
/// Octets of lines after which a page ends.
const PAGE_OCTETS: usize = 512 * 1024;

/// A call that was read.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    subject: Subject,
    page: Option<Cursor>,
}

/// Where a page begins: `e-MADE-SIZE-BEGIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    /// The record of the making.
    made: u64,
    /// The checkpoint.
    size: u64,
    /// The first item.
    begin: usize,
}

impl Asked {
    fn read(params: EvidenceParams) -> Result<Self, ApiError> {
        let EvidenceParams { request, certificate, from, to, cursor } = params;
        let id = |what: &str, error: &dyn std::fmt::Display| ApiError::invalid(format!("`{what}`: {error}"));
        let subject = match (request, certificate, from, to) {
            (Some(request), None, None, None) => {
                Subject::Request(request.parse().map_err(|error| id("request", &error))?)
            }
            (None, Some(certificate), None, None) => {
                Subject::Certificate(certificate.parse().map_err(|error| id("certificate", &error))?)
            }
            (None, None, Some(from), Some(to)) => period(from, to)?,
            _ => {
                return Err(ApiError::invalid(
                    "evidence is of one thing: `request`, `certificate`, or `from` together with `to`",
                ));
            }
        };
        let page = cursor.as_deref().map(Cursor::read).transpose()?;
        Ok(Self { subject, page })
    }
}

fn period(from: Timestamp, to: Timestamp) -> Result<Subject, ApiError> {
    if to <= from {
        return Err(ApiError::invalid(format!("`to` is {to}, which is not after `from`, {from}")));
    }
    if to.unix_millis() - from.unix_millis() > i64::from(MAX_EXPORT_DAYS) * MILLIS_A_DAY {
        let message =
            format!("`to` is more than {MAX_EXPORT_DAYS} days after `from`, the longest period of one bundle");
        return Err(
            ApiError::invalid(message).hint("make one bundle after the other: `to` of one is `from` of the next")
        );
    }
    Ok(Subject::Period(from, to))
}

impl Cursor {
    fn read(raw: &str) -> Result<Self, ApiError> {
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| i64::try_from(*number).is_ok());
        let numbers = raw.strip_prefix("e-").and_then(|rest| rest.split('-').map(number).collect::<Option<Vec<u64>>>());
        match numbers.as_deref() {
            Some([made, size, begin]) => {
                let begin = usize::try_from(*begin).map_err(|_| foreign_cursor())?;
                Ok(Self { made: *made, size: *size, begin })
            }
            _ => Err(foreign_cursor()),
        }
    }

    fn write(self) -> String {
        format!("e-{}-{}-{}", self.made, self.size, self.begin)
    }
}

fn foreign_cursor() -> ApiError {
    ApiError::invalid("`cursor` is not one that a bundle of yours of this subject gave")
        .hint("pass next_cursor unchanged, with the same parameters")
}

/// Begins a bundle, or reads a page of one.
pub async fn evidence(
    service: &Service,
    connection: &Connection,
    params: EvidenceParams,
) -> Result<EvidencePage, ApiError> {
    let Asked { subject, page } = Asked::read(params)?;
    match page {
        None => begin(service, connection, subject).await,
        Some(cursor) => go_on(service, connection, subject, cursor).await,
    }
}

async fn begin(service: &Service, connection: &Connection, subject: Subject) -> Result<EvidencePage, ApiError> {
    let actor = service.actor_with_patience(connection)?;
    let notary = service.notary()?;
    service.quota.admit_record(service, &actor)?;
    let uid = connection.peer.uid();
    let below = service.writer.tail().size();
    // Who may not take it out is told so, and recorded, before anything is looked for.
    let (listing, contents) = match may_export(&actor) {
        Err(_) => (Listing::default(), None),
        Ok(()) => {
            let subject = subject.clone();
            let list = move |connection: &Database| {
                let snapshot = connection.unchecked_transaction()?;
                let listing = evidence::list(&snapshot, &subject, below)?;
                let digest = listing.digest(&snapshot)?;
                snapshot.finish()?;
                Ok((listing, Some(digest)))
            };
            service.readers.read_for(uid, list).await?
        }
    };
    let (policy, by, origin) = (service.policy.clone(), actor, service.facts.origin.clone());
    let (of, parts) = (subject.clone(), whole(listing.items.len() as u64)?);
    let (records, size) = (whole(listing.records as u64)?, whole(below)?);
    let left_out = Some(listing.attempts_left_out).filter(|number| *number > 0).map(whole).transpose()?;
    let made = service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &by, "audit.evidence", ("ledger", &origin), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = by.under(&rules, transaction.now());
                may_export(&actor)?;
                let draft = actor.draft(AuditAction::AuditEvidence, Category::Auth, "ledger", &origin);
                let draft = match &of {
                    Subject::Request(id) => draft.text("object", id),
                    Subject::Certificate(id) => draft.text("object", id),
                    Subject::Period(from, to) => draft.text("from", from).text("to", to),
                };
                let draft = draft.number("size", size).number("parts", parts).number("records", records);
                let draft = draft.number_if("attempts_left_out", left_out);
                transaction.record(draft.text_if("contents_sha256", contents))
            })
        })
        .await??;
    let checkpoint = make::sign(&service.writer, &notary).await?;
    let head = EvidencePart::Head(head(&service.facts.origin, &subject, made.seq, &checkpoint));
    let cursor = Cursor { made: made.seq, size: checkpoint.size, begin: 0 };
    let read = move |connection: &Database| {
        let snapshot = connection.unchecked_transaction()?;
        let note = proof::with_witnesses(&snapshot, &checkpoint)?.to_string();
        let mut parts = vec![head, EvidencePart::Checkpoint(EvidenceCheckpoint { note })];
        parts.extend(evidence::earlier(&snapshot, &checkpoint)?);
        parts.extend(evidence::witnesses(&parts, notary.witnesses())?);
        let lines = parts.iter().map(evidence::line).collect::<Result<Vec<_>, _>>()?;
        let page = page(&snapshot, &listing, &checkpoint, cursor, lines)?;
        snapshot.finish()?;
        Ok(page)
    };
    service.readers.read_for(uid, read).await
}

fn head(origin: &str, subject: &Subject, made_seq: u64, checkpoint: &Checkpoint) -> EvidenceHead {
    let (request, certificate, period) = match subject {
        Subject::Request(id) => (Some(id.to_string()), None, None),
        Subject::Certificate(id) => (None, Some(id.to_string()), None),
        Subject::Period(from, to) => (None, None, Some((*from, *to))),
    };
    EvidenceHead {
        format: EVIDENCE_FORMAT.to_owned(),
        origin: origin.to_owned(),
        request,
        certificate,
        from: period.map(|(from, _)| from),
        to: period.map(|(_, to)| to),
        made_seq,
        size: checkpoint.size,
        root_sha256: checkpoint.root,
    }
}

/// The lines from `cursor` on; behind the last item stands the record of the making.
fn page(
    connection: &Database,
    listing: &Listing,
    checkpoint: &Checkpoint,
    cursor: Cursor,
    mut lines: Vec<Box<RawValue>>,
) -> Result<EvidencePage, Failure> {
    let parts_total = listing.items.len() + 1;
    let mut octets: usize = lines.iter().map(|line| line.get().len() + 1).sum();
    let mut next = cursor.begin;
    while next < parts_total {
        let part = match listing.items.get(next) {
            None => evidence::of_record(connection, checkpoint, cursor.made)?,
            Some(Item::Record(seq)) => evidence::of_record(connection, checkpoint, *seq)?,
            Some(item) => evidence::of_item(connection, item)?,
        };
        let line = evidence::line(&part)?;
        // A long line has a page of its own.
        if !lines.is_empty() && octets + line.get().len() > PAGE_OCTETS {
            break;
        }
        octets += line.get().len() + 1;
        lines.push(line);
        next += 1;
    }
    let next_cursor = (next < parts_total).then(|| Cursor { begin: next, ..cursor }.write());
    Ok(EvidencePage { lines, made_seq: cursor.made, parts_total: parts_total as u64, next_cursor })
}

/// What a page needs to know of the record of the making.
#[derive(Deserialize)]
struct Made {
    uid: u32,
    object: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    size: u64,
}

impl Made {
    fn is_of(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Request(id) => self.object.as_deref() == Some(id.as_str()),
            Subject::Certificate(id) => self.object.as_deref() == Some(id.as_str()),
            Subject::Period(from, to) => (self.from, self.to) == (Some(*from), Some(*to)),
        }
    }
}

async fn go_on(
    service: &Service,
    connection: &Connection,
    subject: Subject,
    cursor: Cursor,
) -> Result<EvidencePage, ApiError> {
    let actor = service.actor(connection)?;
    may_export(&actor)?;
    let (uid, account) = (actor.party.uid, actor.party.account.clone());
    let read = move |connection: &Database| {
        let snapshot = connection.unchecked_transaction()?;
        let event = audit::at(&snapshot, cursor.made)?.map(|record| record.event).filter(|event| {
            // A demo gives its people numbers of their own; the account is part of who it was in either case.
            event.action == AuditAction::AuditEvidence && event.actor == account
        });
        let made: Option<Made> = event.and_then(|event| serde_json::from_value(event.details).ok());
        let made = made.filter(|made| made.uid == uid && made.is_of(&subject)).ok_or_else(foreign_cursor)?;
        let checkpoint = checkpoints::of_size(&snapshot, cursor.size)?;
        let checkpoint = checkpoint.filter(|checkpoint| checkpoint.size > cursor.made).ok_or_else(foreign_cursor)?;
        let listing = evidence::list(&snapshot, &subject, made.size)?;
        if cursor.begin > listing.items.len() {
            return Err(foreign_cursor().into());
        }
        let page = page(&snapshot, &listing, &checkpoint, cursor, Vec::new())?;
        snapshot.finish()?;
        Ok(page)
    };
    service.readers.read_for(connection.peer.uid(), read).await
}

fn whole(number: u64) -> Result<i64, ApiError> {
    i64::try_from(number).map_err(|_| ApiError::new(ErrorKind::Internal, "a number of records is beyond every ledger"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request: Option<&str>, certificate: Option<&str>, period: (Option<&str>, Option<&str>)) -> EvidenceParams {
        let time = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        EvidenceParams {
            request: request.map(str::to_owned),
            certificate: certificate.map(str::to_owned),
            from: time(period.0),
            to: time(period.1),
            cursor: None,
        }
    }

    #[test]
    fn evidence_is_of_one_thing() {
        let (ar, mc) = (Some("ar-0000000000000"), Some("mc-0000000000000"));
        let day = (Some("2026-01-01T00:00:00Z"), Some("2026-01-02T00:00:00Z"));
        let none = (None, None);
        for good in [asked(ar, None, none), asked(None, mc, none), asked(None, None, day)] {
            assert!(Asked::read(good).is_ok());
        }
        for (bad, word) in [
            (asked(None, None, none), "one thing"),
            (asked(ar, mc, none), "one thing"),
            (asked(ar, None, day), "one thing"),
            (asked(None, None, (day.0, None)), "one thing"),
            (asked(None, None, (day.1, day.0)), "`to`"),
            (asked(None, None, (day.0, Some("2026-04-01T00:00:00.001Z"))), "90 days"),
            (asked(mc, None, none), "`request`"),
            (asked(None, ar, none), "`certificate`"),
            (asked(Some("ar-\u{1b}"), None, none), "`request`"),
        ] {
            let error = Asked::read(bad).unwrap_err();
            assert!(error.message.contains(word), "{error:?}");
        }
    }

    #[test]
    fn cursors_are_those_that_pages_gave() {
        let cursor = Cursor { made: 7, size: 9, begin: 3 };
        assert_eq!(Cursor::read(&cursor.write()).unwrap(), cursor);
        for bad in [
            "",
            "e",
            "e-7",
            "e-7-9",
            "e-7-9-3-1",
            "e--9-3",
            "x-7-9-3",
            "e-7-9-18446744073709551615",
            "7-9-3",
            "e-+7-9-x",
        ] {
            assert!(Cursor::read(bad).is_err(), "{bad}");
        }
    }
}
