//! `request.submit`: from a CSR to a certificate that waits for people, or for the executor alone.

pub mod allowed;
pub mod attended;
pub mod clock;
pub mod content;
pub mod possession;
pub mod renewing;
pub mod risks;
pub mod step;
pub mod successor;
pub mod unattended;

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{SubmitParams, SubmitResult};

use super::{Service, refusal};
use crate::ipc::Connection;
use possession::Source;
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
    let source = Source::Text(params.csr.clone());
    let parsed = possession::read(service, &actor, source, "request.submit", ("profile", "any")).await?;
    let facts = service.facts.clone();
    let (policy, asking) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            let profile = params.profile.as_deref().filter(|id| is_id(id)).unwrap_or("any");
            let step = Step { policy, actor: &asking, params: &params, csr: parsed, facts: &facts, renewing: None };
            refusal::or_record(transaction, &asking, "request.submit", ("profile", profile), |transaction| {
                step.carry_out(transaction)
            })
        })
        .await?
}

fn is_id(raw: &str) -> bool {
    raw.len() <= 64 && raw.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn check_shape(params: &SubmitParams) -> Result<(), ApiError> {
    possession::check_size(&params.csr)?;
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
