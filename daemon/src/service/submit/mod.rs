//! `request.submit`: from a CSR to a certificate that waits for people, or for the executor alone.

mod attended;
pub mod clock;
mod risks;
mod step;
mod unattended;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{MAX_CSR, SubmitParams, SubmitResult};

use super::actor::Actor;
use super::{Service, refusal};
use crate::ipc::Connection;
use crate::x509::csr;
use step::Step;

/// Takes a request in.
pub async fn submit(
    service: &Service,
    connection: &Connection,
    params: SubmitParams,
) -> Result<SubmitResult, ApiError> {
    check_shape(&params)?;
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit(service, &actor, params.idempotency_key.as_deref()).await?;
    let text = params.csr.clone();
    // Proof of possession with a large key takes milliseconds: not on a thread that serves sockets.
    let parsed = tokio::task::spawn_blocking(move || csr::parse(&text))
        .await
        .map_err(|_| ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down"))?;
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return Err(unreadable(service, &actor, error).await),
    };
    let facts = service.facts.clone();
    let (policy, asking) = (service.policy.clone(), actor.clone());
    let result = service
        .writer
        .write(move |transaction| {
            let profile = params.profile.as_deref().filter(|id| is_id(id)).unwrap_or("any");
            let step = Step { policy, actor: &asking, params: &params, csr: parsed, facts: &facts };
            refusal::or_record(transaction, &asking, "request.submit", ("profile", profile), |transaction| {
                step.carry_out(transaction)
            })
        })
        .await?;
    service.after_attempt(&actor, result)
}

/// A CSR that cannot be read is bad input; one that a rule stops is an attempt, and goes on record.
async fn unreadable(service: &Service, actor: &Actor, error: ApiError) -> ApiError {
    if error.rule.is_none() {
        return error;
    }
    let (attempting, refused) = (actor.clone(), error.clone());
    let recorded = service.writer.write(move |transaction| {
        refusal::record(transaction, &attempting, "request.submit", ("profile", "any"), &refused)
    });
    match recorded.await {
        Ok(()) => service.after_attempt::<()>(actor, Err(error.clone())).err().unwrap_or(error),
        Err(unrecorded) => unrecorded,
    }
}

fn is_id(raw: &str) -> bool {
    raw.len() <= 64 && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_shape(params: &SubmitParams) -> Result<(), ApiError> {
    if params.csr.len() > MAX_CSR {
        return Err(ApiError::invalid(format!("`csr` has {} octets; at most {MAX_CSR} are allowed", params.csr.len())));
    }
    match &params.idempotency_key {
        Some(key) if key.is_empty() || key.len() > 128 => {
            Err(ApiError::invalid("`idempotency_key` has 1 to 128 octets"))
        }
        _ => Ok(()),
    }?;
    match &params.batch {
        Some(batch) if !is_batch(batch) => {
            Err(ApiError::invalid("`batch` has 1 to 64 letters, digits, `.`, `_` and `-`"))
        }
        _ => Ok(()),
    }
}

fn is_batch(raw: &str) -> bool {
    (1..=64).contains(&raw.len()) && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
