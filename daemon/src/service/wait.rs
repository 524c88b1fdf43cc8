//! `request.wait`: answers when a request or an unattended job has ended.

use std::time::Duration;

use countersign_shared::error::ApiError;
use countersign_shared::id::{JobId, RequestId};
use countersign_shared::lifecycle::{JobKind, JobState, RequestState, Verdict};
use countersign_shared::protocol::{Outcome, RequestSummary, WaitParams, WaitResult};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Span;
use rusqlite::Connection as Sqlite;
use tokio::sync::broadcast::error::RecvError;

use super::Service;
use super::actor::{Actor, SCHEDULER};
use super::decide::not_found;
use super::propose::SUPERSEDED;
use super::sight;
use crate::ipc::Connection;
use crate::store::rows::jobs::JobRow;
use crate::store::rows::{certificates, decisions, jobs, remarks, requests};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;

/// The longest wait of one call.
const LONGEST: Span = Span::from_secs(3600);
const DEFAULT: Span = Span::from_secs(300);

/// Waits.
pub async fn wait(service: &Service, connection: &Connection, params: WaitParams) -> Result<WaitResult, ApiError> {
    let timeout = params.timeout.unwrap_or(DEFAULT);
    if timeout > LONGEST {
        return Err(ApiError::invalid(format!("`timeout` is {timeout}; one call waits {LONGEST} at most")));
    }
    let target = Target::parse(&params.id)?;
    let caller = service.actor(connection)?.caller;
    // Subscribed before the first look: nothing that happens in between is missed.
    let mut moved = service.moved.subscribe();
    let deadline = tokio::time::Instant::now() + Duration::from_millis(timeout.millis());
    loop {
        // At each look: a grant or a delegation may have ended meanwhile.
        let policy = service.policy.now();
        let actor = Actor::resolve(&policy, caller.clone(), service.line.wall());
        let sight = sight::of(&service.with_says(actor).await?, &policy)?;
        let now = service.readers.read_for(caller.uid, {
            let target = target.clone();
            move |connection| look(connection, &target, &sight)
        });
        let result = now.await?;
        if result.outcome != Outcome::Waiting || tokio::time::Instant::now() >= deadline {
            return Ok(result);
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break,
                heard = moved.recv() => match heard {
                    Ok(moved) if moved != awaited(&result) && !target.is_of(&result) => {}
                    Ok(_) | Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return Ok(result),
                },
            }
        }
    }
}

#[derive(Clone)]
enum Target {
    Request(RequestId),
    Job(JobId),
}

impl Target {
    fn parse(raw: &str) -> Result<Self, ApiError> {
        let request = raw.parse().map(Self::Request);
        request
            .or_else(|_| raw.parse().map(Self::Job))
            .map_err(|_| ApiError::invalid("`id` is neither a request (ar-…) nor a job (job-…)"))
    }

    /// A retry makes a job of another id: those who wait on a failed one look again at any movement.
    fn is_of(&self, result: &WaitResult) -> bool {
        result.job.as_ref().is_some_and(|job| job.state == JobState::Failed)
    }
}

fn look(connection: &Sqlite, target: &Target, sight: &Sight) -> Result<WaitResult, Failure> {
    let snapshot = connection.unchecked_transaction()?;
    let (request, job) = match target {
        Target::Request(id) => {
            let request = requests::summary(&snapshot, id, sight)?.ok_or_else(|| not_found(id))?;
            let job = jobs::newest_of_request(&snapshot, id)?;
            (Some(request), job)
        }
        Target::Job(id) => {
            if !jobs::visible(&snapshot, id, sight)? {
                return Err(not_found(id).into());
            }
            let job = jobs::newest_retry(&snapshot, id)?.ok_or_else(|| not_found(id))?;
            let request = match &job.job.request_id {
                Some(request) => requests::summary(&snapshot, request, sight)?,
                None => None,
            };
            (request, Some(job))
        }
    };
    let outcome = outcome(request.as_ref(), job.as_ref());
    let why = match (&request, outcome) {
        (Some(request), Outcome::Rejected) => decisions::of(&snapshot, &request.id, request.version)?
            .into_iter()
            .find(|vote| vote.decision.verdict == Verdict::Reject)
            .map(|vote| vote.decision.note),
        (Some(request), Outcome::Voided) if request.decided_by.as_deref() == Some(SCHEDULER) => Some(SUPERSEDED.into()),
        (Some(request), Outcome::Voided | Outcome::Withdrawn) => remarks::ending(&snapshot, &request.id)?,
        (_, Outcome::Failed | Outcome::Expired) => job.as_ref().and_then(|job| job.job.error.clone()),
        _ => None,
    };
    let chain_pem = match (&job, outcome) {
        (Some(job), Outcome::Issued) => certificates::chain_of_job(&snapshot, &job.job.id)?,
        _ => None,
    };
    snapshot.finish()?;
    let why = why.filter(|text: &Untrusted| !text.is_blank());
    Ok(WaitResult { outcome, request, job: job.map(|job| job.job), why, chain_pem })
}

/// What is told to have moved when it does: the job, or the request that has none.
fn awaited(result: &WaitResult) -> &str {
    let request = result.request.as_ref().map(|request| request.id.as_str());
    result.job.as_ref().map(|job| job.id.as_str()).or(request).unwrap_or_default()
}

fn outcome(request: Option<&RequestSummary>, job: Option<&JobRow>) -> Outcome {
    let Some(job) = job else { return without_job(request) };
    match (request.map(|request| request.state), job.job.state) {
        (Some(RequestState::Rejected), _) => Outcome::Rejected,
        (Some(RequestState::Expired), _) => Outcome::Expired,
        (Some(RequestState::Voided), _) => Outcome::Voided,
        (Some(RequestState::Withdrawn), _) => Outcome::Withdrawn,
        (Some(RequestState::Pending), _) => Outcome::Waiting,
        (Some(RequestState::Approved) | None, JobState::Completed) if job.job.kind == JobKind::Revoke => {
            Outcome::Revoked
        }
        (Some(RequestState::Approved) | None, JobState::Completed) => Outcome::Issued,
        (Some(RequestState::Approved) | None, JobState::Failed | JobState::Cancelled) => Outcome::Failed,
        (Some(RequestState::Approved) | None, JobState::AwaitingApproval | JobState::Pending | JobState::Running) => {
            Outcome::Waiting
        }
    }
}

/// A change of the policy takes force in the transaction that completes its quorum.
fn without_job(request: Option<&RequestSummary>) -> Outcome {
    match request.map(|request| request.state) {
        Some(RequestState::Approved) => Outcome::Applied,
        Some(RequestState::Rejected) => Outcome::Rejected,
        Some(RequestState::Expired) => Outcome::Expired,
        Some(RequestState::Voided) => Outcome::Voided,
        Some(RequestState::Withdrawn) => Outcome::Withdrawn,
        Some(RequestState::Pending) | None => Outcome::Waiting,
    }
}
