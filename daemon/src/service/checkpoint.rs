//! `audit.checkpoint`, `audit.proof`, `audit.anchor`, `audit.anchors`: what leaves the host and what comes back, for those
//! whose role reads the ledger.

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::short::ShortForm;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    AnchorPage, AnchorParams, AnchorResult, CheckpointResult, ListAnchorsParams, MAX_PROOFS, ProofParams, ProofResult,
};
use countersign_shared::text::Untrusted;
use rusqlite::Connection as Database;

use super::Service;
use super::audit::reads_ledger;
use super::decide::not_found;
use crate::checkpoint::{make, proof, take_back};
use crate::ipc::Connection;
use crate::policy::Permission;
use crate::store::rows::audit::About;
use crate::store::rows::checkpoints::Checkpoint;
use crate::store::rows::page::Window;
use crate::store::rows::{acknowledged, anchors, audit};
use crate::store::transaction::Failure;

/// The most octets of proofs in one answer.
const MOST_OCTETS: usize = 768 * 1024;

/// Signs what is committed now; the same as before, where nothing was added since.
pub async fn checkpoint(service: &Service, connection: &Connection) -> Result<CheckpointResult, ApiError> {
    reads_ledger(service, connection)?;
    let notary = service.notary()?;
    let checkpoint = make::sign(&service.writer, &notary).await?;
    let kept = checkpoint.clone();
    let read =
        move |connection: &Database| Ok((proof::with_witnesses(connection, &kept)?, anchors::standing(connection)?));
    let (signed, standing) = service.readers.read_for(connection.peer.uid(), read).await?;
    let Checkpoint { size, root, made_at, .. } = checkpoint;
    Ok(CheckpointResult {
        note: signed.to_string(),
        short: ShortForm::of(&signed, notary.key()).ok().map(|short| short.to_string()),
        origin: notary.log().origin().to_owned(),
        verifier_key: notary.key().to_string(),
        size,
        root_sha256: root,
        made_at,
        unanchored: service.writer.tail().size().saturating_sub(standing.anchored),
        unanchored_since: standing.since,
    })
}

/// What a proof is of.
enum Of {
    Seq(u64),
    Event(countersign_shared::id::EventId, u64),
    Object(String),
    Growth(u64),
}

/// Proves it to whoever holds a checkpoint.
pub async fn proof(service: &Service, connection: &Connection, params: ProofParams) -> Result<ProofResult, ApiError> {
    let of = read_of(params)?;
    reads_ledger(service, connection)?;
    let notary = service.notary()?;
    let checkpoint = make::sign(&service.writer, &notary).await?;
    let verifier_key = notary.key().to_string();
    let prove = move |connection: &Database| {
        let snapshot = connection.unchecked_transaction()?;
        let signed = proof::with_witnesses(&snapshot, &checkpoint)?;
        let mut result = ProofResult {
            size: checkpoint.size,
            root_sha256: checkpoint.root,
            verifier_key,
            records: Vec::new(),
            continuation: None,
        };
        if let Of::Growth(from) = of {
            if from > checkpoint.size {
                return Err(beyond(from, checkpoint.size).into());
            }
            result.continuation = Some(proof::of_growth(&snapshot, &checkpoint, &signed, from)?.to_string());
        } else {
            result.records = records(&snapshot, &checkpoint, &signed, &of)?;
        }
        snapshot.finish()?;
        Ok(result)
    };
    service.readers.read_for(connection.peer.uid(), prove).await
}

fn read_of(params: ProofParams) -> Result<Of, ApiError> {
    let ProofParams { event_id, seq, resource_id, from } = params;
    match (event_id, seq, resource_id, from) {
        (Some(id), None, None, None) => {
            let seq = id.seq().ok_or_else(|| not_found(&id))?;
            Ok(Of::Event(id, seq))
        }
        (None, Some(seq), None, None) => Ok(Of::Seq(seq)),
        (None, None, Some(object), None) => Ok(Of::Object(object)),
        (None, None, None, Some(from)) => Ok(Of::Growth(from)),
        _ => Err(ApiError::invalid("a proof is of one thing: `event_id`, `seq`, `resource_id` or `from`")),
    }
}

fn records(
    snapshot: &Database,
    checkpoint: &Checkpoint,
    signed: &SignedCheckpoint,
    of: &Of,
) -> Result<Vec<countersign_shared::protocol::RecordProved>, Failure> {
    let numbers = match of {
        Of::Growth(_) => Vec::new(),
        Of::Seq(seq) => vec![*seq],
        Of::Event(id, seq) => match audit::get(snapshot, id)? {
            Some(_) => vec![*seq],
            None => return Err(not_found(id).into()),
        },
        Of::Object(object) => {
            let numbers = audit::numbers_about(snapshot, (object, About::Any), checkpoint.size, MAX_PROOFS + 1)?;
            if numbers.is_empty() {
                return Err(not_found(&Untrusted::from(object.as_str()).safe()).into());
            }
            if numbers.len() > MAX_PROOFS {
                return Err(too_much().into());
            }
            numbers
        }
    };
    let (mut proved, mut octets) = (Vec::with_capacity(numbers.len()), 0);
    for seq in numbers {
        if seq >= checkpoint.size {
            return Err(beyond(seq, checkpoint.size).into());
        }
        if let Some(by) = acknowledged::of_record(snapshot, seq)? {
            let message =
                format!("record {seq} is damaged, as record {by} acknowledges: what it said cannot be proved");
            return Err(ApiError::new(ErrorKind::Conflict, message).hint("a backup or an export may hold it").into());
        }
        let record = audit::record(snapshot, seq)?.ok_or_else(|| beyond(seq, checkpoint.size))?;
        let record = proof::of_record(snapshot, checkpoint, signed, (seq, record))?;
        octets += record.proof.len();
        if octets > MOST_OCTETS {
            return Err(too_much().into());
        }
        proved.push(record);
    }
    Ok(proved)
}

fn beyond(place: u64, size: u64) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("{place} is not in a ledger of {size} records"))
        .hint("records are counted from 0")
}

fn too_much() -> ApiError {
    ApiError::invalid(format!("more than the {MAX_PROOFS} records, or the octets, that one answer proves"))
        .hint("prove single records, by `event_id` or `seq`")
}

/// Takes a checkpoint back that was kept elsewhere. What shows damage is kept, recorded and turns the daemon read-only.
pub async fn anchor(
    service: &Service,
    connection: &Connection,
    params: AnchorParams,
) -> Result<AnchorResult, ApiError> {
    reads_ledger(service, connection)?;
    let actor = service.actor_with_patience(connection)?;
    let notary = service.notary()?;
    let genuine = take_back::read(&notary, &params.octets)?;
    service.quota.admit_record(service, &actor)?;
    let (policy, genuine_sha256) = (service.policy.clone(), genuine.sha256());
    let result = service
        .writer
        .write(move |transaction| {
            let rules = transaction.rules(&policy);
            let actor = &*actor.under(&rules, transaction.now());
            // A grant may have ended while the command waited.
            if !actor.permissions.allows(Permission::ReadLedger) {
                return Err(take_back::refused(&actor.party.account).into());
            }
            take_back::keep(transaction, (&notary, rules.ledger()), actor, &genuine)
        })
        .await?;
    // One that is known to disagree, and acknowledged, is no news.
    let sha256 = genuine_sha256;
    let known =
        service.readers.read_for(connection.peer.uid(), move |db| Ok(acknowledged::of_anchor(db, &sha256)?)).await?;
    if let Some(damage) = take_back::alarm(&result).filter(|_| !known) {
        service.health.raise(damage);
    }
    Ok(result)
}

/// What came back, newest first.
pub async fn anchors(
    service: &Service,
    connection: &Connection,
    params: ListAnchorsParams,
) -> Result<AnchorPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    reads_ledger(service, connection)?;
    let read = move |connection: &Database| {
        let (anchors, next_cursor) = anchors::page(connection, window)?;
        Ok(AnchorPage { anchors, next_cursor })
    };
    service.readers.read_for(connection.peer.uid(), read).await
}
