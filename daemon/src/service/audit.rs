//! `audit.list`, `audit.get`, `audit.verify`: the ledger, for those whose role reads it.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditGetParams, AuditPage, AuditRecord, ListAuditParams, VerifyResult};

use super::Service;
use super::decide::not_found;
use crate::ipc::Connection;
use crate::ledger::verify::stored_frontier;
use crate::policy::Permission;
use crate::store::integrity;
use crate::store::open::OpenError;
use crate::store::rows::audit;
use crate::store::rows::page::Window;
use crate::store::transaction::Failure;

/// A page of the ledger, newest first.
pub async fn list(service: &Service, connection: &Connection, params: ListAuditParams) -> Result<AuditPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    reads_ledger(service, connection)?;
    service
        .readers
        .read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let as_of_seq = stored_frontier(&snapshot)?.map_or(0, |frontier| frontier.size());
            let (events, next_cursor) = audit::page(&snapshot, &params, window)?;
            snapshot.finish()?;
            Ok(AuditPage { events, next_cursor, as_of_seq })
        })
        .await
}

/// One record with its bytes.
pub async fn get(service: &Service, connection: &Connection, params: AuditGetParams) -> Result<AuditRecord, ApiError> {
    reads_ledger(service, connection)?;
    let find = move |connection: &rusqlite::Connection| {
        Ok(audit::get(connection, &params.event_id)?.ok_or_else(|| not_found(&params.event_id))?)
    };
    service.readers.read(find).await
}

/// Verifies all of it now; damage turns the daemon read-only.
pub async fn verify(service: &Service, connection: &Connection) -> Result<VerifyResult, ApiError> {
    reads_ledger(service, connection)?;
    let health = service.health.clone();
    let verified = service
        .readers
        .read(|connection| {
            integrity::check(connection).map_err(|error| match error {
                OpenError::Sqlite(error) => Failure::Database(error),
                other => Failure::Api(ApiError::new(ErrorKind::Unavailable, other.to_string())),
            })
        })
        .await?;
    service.metrics.verified(service.line.wall(), verified.damage.is_none());
    if let Some(damage) = &verified.damage {
        health.raise(damage.clone());
    }
    Ok(VerifyResult {
        intact: verified.damage.is_none(),
        records: verified.tail.size(),
        root_sha256: verified.tail.frontier().root(),
        damage: verified.damage,
    })
}

fn reads_ledger(service: &Service, connection: &Connection) -> Result<(), ApiError> {
    let actor = service.actor(connection)?;
    if actor.permissions.allows(Permission::ReadLedger) {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::Forbidden, format!("{} has no role that reads the ledger", actor.party.account))
        .hint("the roles auditor, admin and operator read it")
        .rule("no_role"))
}
