//! The end of a request: its state, its job, its timers, and who is told, in one transaction with the record.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::lifecycle::{RequestEvent, RequestState, Transition, request_transition};
use countersign_shared::protocol::{AuditAction, Job};

use crate::store::rows::metrics::Outcome;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::{jobs, requests, timers};
use crate::store::transaction::{Failure, Recorded};
use crate::store::{Effect, Transaction};

/// How a request ends.
pub struct End<'a> {
    /// The event, from which its state and its job's follow.
    pub event: RequestEvent,
    /// The account or system actor that ends it.
    pub by: &'a str,
    /// Why its job is cancelled; unused where the job is freed.
    pub why: &'a str,
    /// The record's action, by which people are told.
    pub action: AuditAction,
}

/// The next states, or the refusal that the request has ended.
pub fn transition(request: &RequestRow, event: RequestEvent) -> Result<Transition, ApiError> {
    request_transition(request.state, event).ok_or_else(|| {
        let message = format!("{} was {} already", request.id, request.state);
        ApiError::new(ErrorKind::AlreadyDecided, message).hint("what has ended does not change; make a new request")
    })
}

/// Ends it. `recorded` is the record that says so.
pub fn conclude(
    transaction: &mut Transaction<'_>,
    request: &RequestRow,
    end: &End<'_>,
    recorded: Recorded,
) -> Result<RequestState, Failure> {
    let next = transition(request, end.event)?.request;
    let (connection, now) = (transaction.connection(), transaction.now());
    requests::end(connection, &request.id, next, now, end.by, recorded.seq)?;
    timers::clear(connection, &request.id)?;
    let approved = next == RequestState::Approved;
    if let Some(work) = &request.work {
        if approved {
            jobs::free(connection, &work.job_id, recorded.seq)?;
        } else {
            jobs::cancel(connection, &work.job_id, now, end.why)?;
            transaction.after_commit(Effect::RenewalPlanned);
        }
    }
    transaction.tell(end.action, request.id.as_str(), recorded)?;
    if let Some(outcome) = Outcome::of(next, end.event == RequestEvent::Bypass) {
        let age_millis = transaction.tick() - request.created_tick;
        transaction.after_commit(Effect::Decided { outcome, profile_id: request.profile_id.clone(), age_millis });
    }
    transaction.after_commit(Effect::Moved(moved(request)));
    if approved && request.work.is_some() {
        transaction.after_commit(Effect::JobReady);
    }
    Ok(next)
}

/// What those who wait for a request listen for: its job, or itself where it has none.
pub fn moved(request: &RequestRow) -> String {
    request.work.as_ref().map_or_else(|| request.id.to_string(), |work| work.job_id.to_string())
}

/// The request's job as it stands in the transaction.
pub fn job_of(transaction: &Transaction<'_>, request: &RequestRow) -> Result<Option<Job>, Failure> {
    let Some(work) = &request.work else { return Ok(None) };
    let job = jobs::get(transaction.connection(), &work.job_id)?;
    Ok(Some(job.ok_or_else(|| ApiError::internal("the request's job is missing"))?.job))
}
