//! A CSR and its proof of possession. With a large key that takes milliseconds: it is checked neither on a thread
//! that serves sockets nor on the writer's.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::MAX_CSR;

use crate::service::actor::Actor;
use crate::service::{Service, refusal};
use crate::x509::{ParsedCsr, csr};

/// A CSR as it came, or as it is kept.
pub enum Source {
    /// PEM, or DER in base 64.
    Text(String),
    /// DER.
    Der(Vec<u8>),
}

/// Refuses a text that is too long to be looked at.
pub fn check_size(text: &str) -> Result<(), ApiError> {
    if text.len() > MAX_CSR {
        return Err(ApiError::invalid(format!("`csr` has {} octets; at most {MAX_CSR} are allowed", text.len())));
    }
    Ok(())
}

/// Reads and checks it. One that cannot be read is bad input; one that a rule stops is an attempt, and goes on record
/// as a refusal of `verb` on `resource`.
pub async fn read(
    service: &Service,
    actor: &Actor,
    source: Source,
    verb: &'static str,
    resource: (&'static str, &str),
) -> Result<ParsedCsr, ApiError> {
    let parsed = tokio::task::spawn_blocking(move || match source {
        Source::Text(text) => csr::parse(&text),
        Source::Der(der) => csr::parse_der(&der),
    });
    let parsed = parsed.await.map_err(|_| ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down"))?;
    match parsed {
        Err(error) if error.rule.is_some() => Err(recorded(service, actor, verb, resource, error).await),
        parsed => parsed,
    }
}

async fn recorded(
    service: &Service,
    actor: &Actor,
    verb: &'static str,
    (resource_type, resource_id): (&'static str, &str),
    error: ApiError,
) -> ApiError {
    let (attempting, resource_id) = (actor.clone(), resource_id.to_owned());
    let recorded = service.writer.write(move |transaction| {
        refusal::record(transaction, &attempting, verb, (resource_type, &resource_id), error)
    });
    recorded.await.unwrap_or_else(|unrecorded| unrecorded)
}
