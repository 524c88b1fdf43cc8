//! `audit.archive`, `audit.archives`: the next records of the ledger, sealed into a file.
//!
//! What a file has to be is computed and recorded before its first line leaves: its digest, and the root of the tree up to its
//! end. The daemon writes no file; it hands the lines out, then and whenever somebody asks for the archive again, and they are
//! the same to the octet. The records stay in the database.

use std::sync::Arc;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    ARCHIVE_FORMAT, ArchiveLines, ArchiveManifest, ArchivePage, ArchiveParams, AuditAction, AuditEvent, Category,
    ListArchivesParams,
};
use countersign_shared::time::Timestamp;
use rusqlite::Connection as Database;
use serde::Deserialize;

use super::actor::Actor;
use super::audit::reads_ledger;
use super::export::{foreign_cursor, may_export, whole};
use super::{Service, refusal};
use crate::checkpoint::{Notary, make, proof};
use crate::ipc::Connection;
use crate::ledger::verify::stored_frontier;
use crate::store::rows::archives::{self, FileFacts, Sealed};
use crate::store::rows::checkpoints::Checkpoint;
use crate::store::rows::nodes::StoredNodes;
use crate::store::rows::page::Window;
use crate::store::rows::{audit, export};
use crate::store::transaction::Failure;
use countersign_proof::tree::{Frontier, peaks_at};

/// Up to where the next archive goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    Time(Timestamp),
    Seq(u64),
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Seal(Until),
    /// An archive, from its first line on.
    Read(u64),
    /// The same, with the record under which it is read and the record that the page begins with.
    Page {
        number: u64,
        under: u64,
        begin: u64,
    },
}

impl Asked {
    fn read(params: &ArchiveParams) -> Result<Self, ApiError> {
        let ArchiveParams { until, until_seq, number, cursor } = params;
        match (until, until_seq, number, cursor.as_deref()) {
            (Some(until), None, None, None) => Ok(Self::Seal(Until::Time(*until))),
            (None, Some(seq), None, None) => Ok(Self::Seal(Until::Seq(*seq))),
            (None, None, Some(number), None) => Ok(Self::Read(*number)),
            (None, None, Some(number), Some(cursor)) => {
                let place = |text: &str| text.parse::<u64>().ok().filter(|place| i64::try_from(*place).is_ok());
                let (under, begin) = cursor
                    .strip_prefix("p-")
                    .and_then(|rest| rest.split_once('-'))
                    .and_then(|(under, begin)| place(under).zip(place(begin)))
                    .ok_or_else(foreign_cursor)?;
                Ok(Self::Page { number: *number, under, begin })
            }
            (_, _, None, Some(_)) => Err(ApiError::invalid("`cursor` goes with `number`")),
            _ => Err(ApiError::invalid("exactly one of `until`, `until_seq` and `number` says which records")),
        }
    }
}

/// Seals an archive, or reads one.
pub async fn archive(
    service: &Service,
    connection: &Connection,
    params: ArchiveParams,
) -> Result<ArchiveLines, ApiError> {
    match Asked::read(&params)? {
        Asked::Seal(until) => {
            let actor = service.actor_with_patience(connection)?;
            let notary = service.notary()?;
            service.quota.admit_record(service, &actor)?;
            let sealed = seal(service, actor, until).await?;
            begin(service, connection, &notary, sealed, sealed.seq).await
        }
        Asked::Read(number) => {
            let actor = service.actor_with_patience(connection)?;
            let notary = service.notary()?;
            service.quota.admit_record(service, &actor)?;
            let find = move |connection: &Database| Ok(archives::get(connection, number)?);
            let found = service.readers.read_for(connection.peer.uid(), find).await?;
            let (under, sealed) = taken(service, actor, number, found).await?;
            begin(service, connection, &notary, sealed, under).await
        }
        Asked::Page { number, under, begin } => {
            let actor = service.actor(connection)?;
            may_export(&actor)?;
            let find = move |connection: &Database| {
                Ok((archives::get(connection, number)?, audit::at(connection, under)?.map(|record| record.event)))
            };
            let (sealed, record) = service.readers.read_for(connection.peer.uid(), find).await?;
            let granted = record.is_some_and(|record| grants(record, &actor, number));
            let sealed = sealed
                .filter(|sealed| granted && (sealed.from_seq..sealed.to_seq).contains(&begin))
                .ok_or_else(foreign_cursor)?;
            page(service, connection, sealed, under, begin).await
        }
    }
}

/// Seals what is not sealed yet. One at a time: it reads all that it seals.
async fn seal(service: &Service, actor: Actor, until: Until) -> Result<Sealed, ApiError> {
    // Who may not seal is told so, and recorded, before anything is read; and is in nobody's way.
    let may = may_export(&actor).is_ok();
    let turn = may.then(|| service.sealing.try_lock()).transpose().map_err(|_| {
        ApiError::new(ErrorKind::Conflict, "another archive is being sealed now")
            .hint("wait for it; `audit archives` lists it then")
    })?;
    let ready = match &turn {
        None => None,
        Some(_) => Some(service.readers.read_apart(move |connection| prepare(connection, until)).await?),
    };
    let (policy, origin) = (service.policy.clone(), service.facts.origin.clone());
    service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &actor, "audit.archive", ("ledger", &origin), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = actor.under(&rules, transaction.now());
                may_export(&actor)?;
                let Some(Ready { number, from_seq, to_seq, facts }) = ready else {
                    return Err(ApiError::internal("an archive was not read").into());
                };
                let draft = actor
                    .draft(AuditAction::LedgerSealed, Category::Auth, "ledger", &origin)
                    .number("archive", whole(number)?)
                    .number("from_seq", whole(from_seq)?)
                    .number("to_seq", whole(to_seq)?)
                    .text("root_sha256", facts.root)
                    .text("file_sha256", facts.sha256)
                    .number("octets", whole(facts.octets)?);
                let seq = transaction.record(draft)?.seq;
                let FileFacts { sha256, octets, root } = facts;
                let sealed_at = transaction.now();
                let sealed = Sealed { number, from_seq, to_seq, root, sha256, octets, sealed_at, seq };
                archives::insert(transaction.connection(), &sealed)?;
                Ok(sealed)
            })
        })
        .await?
}

/// An archive that can be sealed.
#[derive(Clone, Copy)]
struct Ready {
    number: u64,
    from_seq: u64,
    to_seq: u64,
    facts: FileFacts,
}

fn prepare(connection: &Database, until: Until) -> Result<Ready, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    let size = stored_frontier(&snapshot)?.unwrap_or_default().size();
    let last = archives::last(&snapshot)?;
    let (number, from_seq) = last.as_ref().map_or((1, 0), |last| (last.number + 1, last.to_seq));
    let to_seq = match until {
        Until::Seq(seq) => seq,
        Until::Time(until) => archives::first_at(&snapshot, from_seq, until)?.unwrap_or(size),
    };
    if to_seq > size {
        let message = format!("`until_seq` is {to_seq}, and there are {size} records");
        return Err(ApiError::invalid(message).hint("it names the first record that is not sealed").into());
    }
    if to_seq <= from_seq {
        let message = format!("there is nothing to seal before that: the first {from_seq} records are sealed already");
        return Err(ApiError::new(ErrorKind::Conflict, message)
            .hint("`audit archives` lists the archives; --number reads one again")
            .into());
    }
    let nodes = StoredNodes(&snapshot);
    let malformed = || Failure::from(ApiError::internal("the tree has no peaks for a size"));
    let tree = Frontier::from_parts(from_seq, peaks_at(&nodes, from_seq)?).ok_or_else(malformed)?;
    if let Some(last) = last.filter(|last| last.root != tree.root()) {
        let text = format!("archive {} was sealed of other records than those that are there", last.number);
        return Err(damaged(last.seq, text));
    }
    let facts = archives::facts(&snapshot, tree, to_seq)?.map_err(Failure::Damage)?;
    snapshot.finish()?;
    Ok(Ready { number, from_seq, to_seq, facts })
}

fn damaged(seq: u64, text: String) -> Failure {
    Failure::Damage(countersign_verify::damage(Some(seq), "archive", text))
}

/// Records that an archive is taken out again; the number of the record.
async fn taken(service: &Service, actor: Actor, number: u64, found: Option<Sealed>) -> Result<(u64, Sealed), ApiError> {
    let (policy, origin) = (service.policy.clone(), service.facts.origin.clone());
    service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &actor, "audit.archive", ("ledger", &origin), |transaction| {
                let rules = transaction.rules(&policy);
                let actor = actor.under(&rules, transaction.now());
                may_export(&actor)?;
                let sealed = found.ok_or_else(|| {
                    ApiError::new(ErrorKind::NotFound, format!("there is no archive {number}"))
                        .hint("`audit archives` lists them")
                })?;
                let rows = sealed.to_seq - sealed.from_seq;
                let draft = actor
                    .draft(AuditAction::AuditExport, Category::Auth, "ledger", &origin)
                    .number("archive", whole(number)?)
                    .number("rows", whole(rows)?)
                    .number("matching", whole(rows)?)
                    .number("first_seq", whole(sealed.from_seq)?)
                    .number("last_seq", whole(sealed.to_seq - 1)?);
                Ok((transaction.record(draft)?.seq, sealed))
            })
        })
        .await?
}

/// Whether a record lets this caller read this archive.
fn grants(record: AuditEvent, actor: &Actor, number: u64) -> bool {
    #[derive(Deserialize)]
    struct Granted {
        uid: u32,
        archive: u64,
    }
    matches!(record.action, AuditAction::LedgerSealed | AuditAction::AuditExport)
        && record.actor == actor.party.account
        && serde_json::from_value::<Granted>(record.details)
            .is_ok_and(|granted| (granted.uid, granted.archive) == (actor.party.uid, number))
}

/// The manifest and the first page.
async fn begin(
    service: &Service,
    connection: &Connection,
    notary: &Arc<Notary>,
    sealed: Sealed,
    under: u64,
) -> Result<ArchiveLines, ApiError> {
    // Of the record that tells of the archive too.
    let checkpoint = make::sign(&service.writer, notary).await?;
    let (origin, key) = (notary.log().origin().to_owned(), notary.key().to_string());
    let prove = move |connection: &Database| manifest(connection, &checkpoint, &sealed, (origin, key));
    let manifest = service.readers.read_for(connection.peer.uid(), prove).await?;
    let page = page(service, connection, sealed, under, sealed.from_seq).await?;
    Ok(ArchiveLines { manifest: Some(manifest), ..page })
}

fn manifest(
    connection: &Database,
    checkpoint: &Checkpoint,
    sealed: &Sealed,
    (origin, verifier_key): (String, String),
) -> Result<ArchiveManifest, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    let signed = proof::with_witnesses(&snapshot, checkpoint)?;
    let Sealed { number, from_seq, to_seq, root, sha256, octets, sealed_at, seq } = *sealed;
    let before = proof::tree_at(&snapshot, checkpoint, from_seq)?;
    let after = proof::tree_at(&snapshot, checkpoint, to_seq)?;
    if after.root() != root {
        return Err(damaged(seq, format!("archive {number} was sealed of other records than those that are there")));
    }
    let record = audit::record(&snapshot, seq)?.ok_or_else(|| damaged(seq, "its record is missing".to_owned()))?;
    let continuation = proof::of_growth(&snapshot, checkpoint, &signed, to_seq)?.to_string();
    let proved = proof::of_record(&snapshot, checkpoint, &signed, (seq, record))?.proof;
    let (prev_sha256, last_sha256): (Digest, Digest) =
        (archives::prev(&snapshot, from_seq)?, archives::prev(&snapshot, to_seq)?);
    let rows = archives::rows(&snapshot, from_seq, to_seq)?;
    snapshot.finish()?;
    Ok(ArchiveManifest {
        format: ARCHIVE_FORMAT.to_owned(),
        origin,
        number,
        from_seq,
        to_seq,
        rows,
        octets,
        sha256,
        prev_sha256,
        last_sha256,
        peaks_before: before.peaks().to_vec(),
        peaks_after: after.peaks().to_vec(),
        root_sha256: root,
        sealed_seq: seq,
        sealed_at,
        sealed: proved,
        continuation,
        verifier_key,
    })
}

async fn page(
    service: &Service,
    connection: &Connection,
    sealed: Sealed,
    under: u64,
    begin: u64,
) -> Result<ArchiveLines, ApiError> {
    let read = move |connection: &Database| Ok(export::from(connection, begin, sealed.to_seq)?);
    let rows = service.readers.read_for(connection.peer.uid(), read).await?;
    let next = rows.last().map_or(begin, |(seq, ..)| seq + 1);
    if rows.is_empty() && begin == sealed.from_seq {
        return Err(ApiError::internal(format!("record {begin} of an archive cannot be read")));
    }
    Ok(ArchiveLines {
        manifest: None,
        lines: rows.into_iter().map(|(.., line)| line).collect(),
        next_cursor: (next < sealed.to_seq && next > begin).then(|| format!("p-{under}-{next}")),
    })
}

/// What was sealed, newest first.
pub async fn archives(
    service: &Service,
    connection: &Connection,
    params: ListArchivesParams,
) -> Result<ArchivePage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    reads_ledger(service, connection)?;
    let read = move |connection: &Database| {
        let snapshot = connection.unchecked_transaction()?;
        let size = stored_frontier(&snapshot)?.unwrap_or_default().size();
        let end = archives::last(&snapshot)?.map_or(0, |last| last.to_seq);
        let (archives, next_cursor) = archives::page(&snapshot, window)?;
        snapshot.finish()?;
        Ok(ArchivePage { archives, unsealed: size.saturating_sub(end), next_cursor })
    };
    service.readers.read_for(connection.peer.uid(), read).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_asked_for_and_cursors_are_those_that_pages_gave() {
        let read = |params: serde_json::Value| Asked::read(&serde_json::from_value(params).unwrap());
        use serde_json::json;
        assert_eq!(read(json!({ "until_seq": 5 })).unwrap(), Asked::Seal(Until::Seq(5)));
        assert!(matches!(read(json!({ "until": "2026-01-01T00:00:00Z" })).unwrap(), Asked::Seal(Until::Time(_))));
        assert_eq!(read(json!({ "number": 1 })).unwrap(), Asked::Read(1));
        let page = Asked::Page { number: 1, under: 7, begin: 3 };
        assert_eq!(read(json!({ "number": 1, "cursor": "p-7-3" })).unwrap(), page);
        for bad in [
            json!({}),
            json!({ "until_seq": 5, "number": 1 }),
            json!({ "until_seq": 5, "until": "2026-01-01T00:00:00Z" }),
            json!({ "cursor": "p-7-3" }),
            json!({ "until_seq": 5, "cursor": "p-7-3" }),
            json!({ "number": 1, "cursor": "p-7" }),
            json!({ "number": 1, "cursor": "p-7-3-1" }),
            json!({ "number": 1, "cursor": "a-7" }),
            json!({ "number": 1, "cursor": "p-18446744073709551615-0" }),
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().kind, ErrorKind::Invalid, "{bad}");
        }
    }
}
