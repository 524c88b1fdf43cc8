//! `audit.list`, `audit.get`, `audit.count`, `audit.verify`: the ledger, for those whose role reads it.

use std::sync::{Arc, Mutex, PoisonError};

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    AuditCount, AuditCountParams, AuditGetParams, AuditPage, AuditRecord, LastVerification, ListAuditParams,
    VerifyResult,
};
use countersign_shared::time::Timestamp;
use countersign_verify::acknowledged::Acknowledgements;
use tokio::sync::watch;

use countersign_proof::tree::root_at;

use super::Service;
use super::decide::not_found;
use super::list::check_text;
use super::verification::Progress;
use crate::checkpoint::signed::Signed;
use crate::ipc::Connection;
use crate::ledger::Tail;
use crate::ledger::verify::stored_frontier;
use crate::policy::Permission;
use crate::store::integrity::{self, written};
use crate::store::open::OpenError;
use crate::store::rows::audit;
use crate::store::rows::nodes::StoredNodes;
use crate::store::rows::page::Window;
use crate::store::transaction::Failure;

/// A page of the ledger, newest first.
pub async fn list(service: &Service, connection: &Connection, params: ListAuditParams) -> Result<AuditPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    check_text(params.text.as_deref())?;
    check_range(params.from, params.to)?;
    reads_ledger(service, connection)?;
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let as_of_seq = stored_frontier(&snapshot)?.map_or(0, |frontier| frontier.size());
            let filter = audit::Filter::from(&params);
            let (events, next_cursor) = audit::page(&snapshot, &filter, params.text.as_deref(), window)?;
            snapshot.finish()?;
            Ok(AuditPage { events, next_cursor, as_of_seq })
        })
        .await
}

/// One record with its bytes.
pub async fn get(service: &Service, connection: &Connection, params: AuditGetParams) -> Result<AuditRecord, ApiError> {
    let asked = match (params.event_id, params.seq) {
        (Some(id), None) => Ok(id),
        (None, Some(seq)) => Err(seq),
        (None, None) | (Some(_), Some(_)) => {
            return Err(ApiError::invalid("exactly one of `event_id` and `seq` says which record"));
        }
    };
    reads_ledger(service, connection)?;
    let find = move |connection: &rusqlite::Connection| {
        let found = match &asked {
            Ok(id) => audit::get(connection, id)?,
            Err(seq) => audit::at(connection, *seq)?,
        };
        Ok(found.ok_or_else(|| match &asked {
            Ok(id) => not_found(id),
            Err(seq) => ApiError::new(ErrorKind::NotFound, format!("there is no record {seq}")),
        })?)
    };
    service.readers.read_for(connection.peer.uid(), find).await
}

/// How many records there are under a filter: counted, never estimated. What takes too long is refused.
pub async fn count(
    service: &Service,
    connection: &Connection,
    params: AuditCountParams,
) -> Result<AuditCount, ApiError> {
    check_range(params.from, params.to)?;
    reads_ledger(service, connection)?;
    let filter = audit::Filter::from(params);
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let as_of_seq = stored_frontier(&snapshot)?.map_or(0, |frontier| frontier.size());
            let count = audit::count(&snapshot, &filter)?;
            snapshot.finish()?;
            Ok(AuditCount { count, as_of_seq })
        })
        .await
}

fn check_range(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<(), ApiError> {
    match from.zip(to) {
        Some((from, to)) if to <= from => {
            Err(ApiError::invalid(format!("`to` is {to}, which is not after `from`, {from}")))
        }
        _ => Ok(()),
    }
}

/// Verifies all of it now; damage turns the daemon read-only.
pub async fn verify(service: &Arc<Service>, connection: &Connection) -> Result<VerifyResult, ApiError> {
    reads_ledger(service, connection)?;
    let verify = || {
        let service = service.clone();
        async move { verified(&service, Tail::default()).await }
    };
    service.verification.join(verify).await
}

/// Verifies what was added since the last verification of this process, and all that is not the ledger.
pub async fn verify_on_schedule(service: &Service) -> Result<VerifyResult, ApiError> {
    verified(service, service.verification.peaks().unwrap_or_default()).await
}

async fn verified(service: &Service, begin: Tail) -> Result<VerifyResult, ApiError> {
    let run = service.verification.progress.begin(service.line.wall(), service.writer.tail().size());
    let state = service.state.clone();
    // Before the look: what is committed while it waits to begin is in it as well.
    let written = service.writer.tail();
    let check = move |connection: &rusqlite::Connection| {
        let signed = Signed::read(&state);
        let look = integrity::check(connection, begin, &mut |done, of| run.advance(done, of));
        let mut verified = look.map_err(|error| match error {
            OpenError::Sqlite(error) => Failure::Database(error),
            other => Failure::Api(ApiError::new(ErrorKind::Unavailable, other.to_string())),
        })?;
        if verified.damage.is_none() {
            verified.damage = written::compare(connection, verified.tail.size(), &written)?;
        }
        if verified.damage.is_none() {
            verified.damage = signed.compare(&verified.tail, |size| root_at(&StoredNodes(connection), size))?;
        }
        Ok((verified, Acknowledgements::read(connection)?.to_report()))
    };
    let (verified, acknowledged) = service.readers.read_apart(check).await?;
    service.verification.progress.ended(LastVerification {
        at: service.line.wall(),
        records: verified.tail.size(),
        intact: verified.damage.is_none(),
    });
    service.metrics.verified(service.line.wall(), verified.damage.is_none());
    if let Some(damage) = &verified.damage {
        service.health.raise(damage.clone());
    } else {
        service.verification.keep(verified.tail.clone());
    }
    Ok(VerifyResult {
        intact: verified.damage.is_none(),
        records: verified.tail.size(),
        root_sha256: verified.tail.frontier().root(),
        damage: verified.damage,
        acknowledged,
    })
}

/// The verification that a caller asked for and that runs now, if one does. It reads everything, so there is one at a time: who
/// asks meanwhile waits for its outcome. Beside it, where the last one ended that found nothing.
#[derive(Default)]
pub struct Verification {
    running: Mutex<Option<watch::Receiver<Option<Outcome>>>>,
    peaks: Mutex<Option<Tail>>,
    /// What `daemon.status` says of it.
    pub progress: Progress,
}

type Outcome = Result<VerifyResult, ApiError>;

impl Verification {
    /// Begins where the verification of the start ended, which found this; `None` where nothing could be read.
    pub fn from(tail: Tail, last: Option<LastVerification>) -> Self {
        Self { running: Mutex::default(), peaks: Mutex::new(Some(tail)), progress: Progress::after(last) }
    }

    fn peaks(&self) -> Option<Tail> {
        self.peaks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, tail: Tail) {
        *self.peaks.lock().unwrap_or_else(PoisonError::into_inner) = Some(tail);
    }

    /// Waits for the one that runs, else begins one. It goes on where its callers have gone.
    async fn join<F>(&self, verify: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut outcome = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            // Without a sender it has ended, well or not.
            match running.as_ref().filter(|running| running.has_changed().is_ok() && running.borrow().is_none()) {
                Some(running) => running.clone(),
                None => {
                    let (sender, outcome) = watch::channel(None);
                    let verify = verify();
                    tokio::spawn(async move { sender.send(Some(verify.await)) });
                    *running = Some(outcome.clone());
                    outcome
                }
            }
        };
        match outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            Ok(None) | Err(_) => Err(ApiError::internal("the verification ended without a result")),
        }
    }
}

/// Refuses whoever has no role that reads the ledger.
pub(super) fn reads_ledger(service: &Service, connection: &Connection) -> Result<(), ApiError> {
    let actor = service.actor(connection)?;
    if actor.permissions.allows(Permission::ReadLedger) {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::Forbidden, format!("{} has no role that reads the ledger", actor.party.account))
        .hint(Permission::ReadLedger.needed())
        .rule("no_role"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use countersign_shared::digest::Digest;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn callers_share_the_verification_that_runs_and_the_next_one_begins_anew() {
        let verification = Arc::new(Verification::default());
        let (begun, release) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
        let join = || {
            let (verification, begun, release) = (verification.clone(), begun.clone(), release.clone());
            tokio::spawn(async move {
                let verify = || async move {
                    let records = begun.fetch_add(1, Ordering::Relaxed) + 1;
                    release.notified().await;
                    Ok(VerifyResult {
                        intact: true,
                        records,
                        root_sha256: Digest::of(&[b""]),
                        damage: None,
                        acknowledged: Vec::new(),
                    })
                };
                verification.join(verify).await.unwrap().records
            })
        };
        for round in 1..=2 {
            let callers = [join(), join(), join()];
            // The one who began it goes away; it goes on for the others.
            while begun.load(Ordering::Relaxed) < round {
                tokio::task::yield_now().await;
            }
            callers[0].abort();
            release.notify_one();
            let [first, second, third] = callers;
            assert!(first.await.unwrap_err().is_cancelled());
            assert_eq!((second.await.unwrap(), third.await.unwrap()), (round, round));
        }
    }
}
