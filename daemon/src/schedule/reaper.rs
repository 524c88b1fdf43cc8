//! Expires requests that nobody decided in time: all of them, in batches that decisions slip in between.

use std::io;
use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestEvent, request_transition};
use countersign_shared::protocol::{AuditAction, Category};
use tokio::sync::{Notify, watch};

use super::deadline::Alarm;
use crate::clock::TimeLine;
use crate::service::actor::{REAPER, system_draft};
use crate::store::rows::metrics::Outcome;
use crate::store::rows::{jobs, notifications, requests};
use crate::store::transaction::Failure;
use crate::store::{Effect, Readers, Transaction, Writer};

/// Requests that one transaction expires.
const BATCH: u32 = 64;
/// How long to leave a database alone that does not answer.
const RETRY_MILLIS: i64 = 5_000;

/// See the module.
pub struct Reaper {
    /// Changes.
    pub writer: Writer,
    /// Reads.
    pub readers: Readers,
    /// Time.
    pub line: TimeLine,
    /// A request was made whose deadline may be nearer than the one slept for.
    pub earlier: Arc<Notify>,
}

impl Reaper {
    /// Runs until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        let alarm = Alarm::new(self.line.clone())?;
        loop {
            let next = match self.expire_overdue().await {
                Ok(next) => next,
                // Damage is final: reads go on, nothing is expired, nothing is polled.
                Err(error) if error.kind == ErrorKind::ReadOnly => None,
                Err(error) => {
                    tracing::error!("requests could not be expired, tried again soon: {error}");
                    Some(self.line.tick() + RETRY_MILLIS)
                }
            };
            tokio::select! {
                slept = alarm.until(next) => slept?,
                () = self.earlier.notified() => {}
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Expires all that is overdue; returns the next deadline.
    async fn expire_overdue(&self) -> Result<Option<i64>, ApiError> {
        loop {
            let next = self.readers.read(|connection| Ok(requests::next_deadline(connection)?)).await?;
            if next.is_none_or(|deadline| deadline > self.line.tick()) {
                return Ok(next);
            }
            let expired = self.writer.write(expire_batch).await?;
            tracing::info!(expired, "requests expired");
        }
    }
}

fn expire_batch(transaction: &mut Transaction<'_>) -> Result<usize, Failure> {
    let overdue = requests::overdue(transaction.connection(), transaction.tick(), BATCH)?;
    for request in &overdue {
        let next = request_transition(request.state, RequestEvent::Expire)
            .ok_or_else(|| ApiError::internal(format!("{} has ended", request.id)))?;
        let draft = system_draft(REAPER, AuditAction::ApprovalExpired, Category::CertLifecycle, "request", &request.id)
            .number("version", request.version)
            .text("digest", request.digest)
            .text("profile", &request.profile_id)
            .text("job", &request.job_id)
            .number("deadline_tick", request.deadline_tick);
        let recorded = transaction.record(draft)?;
        let (connection, now) = (transaction.connection(), transaction.now());
        requests::end(connection, &request.id, next.request, now, REAPER, recorded.seq)?;
        jobs::cancel(connection, &request.job_id, now, "approval expired")?;
        notifications::insert(connection, "approval_expired", request.id.as_str(), now, recorded.seq)?;
        transaction.after_commit(Effect::Decided {
            outcome: Outcome::Expired,
            profile_id: request.profile_id.clone(),
            age_millis: transaction.tick() - request.created_tick,
        });
        transaction.after_commit(Effect::Moved(request.job_id.clone()));
    }
    Ok(overdue.len())
}
