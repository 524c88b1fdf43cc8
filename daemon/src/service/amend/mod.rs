//! `request.amend`: other content in place of a pending request's own. It is taken in as a submission is, under the
//! rules in force now, and what people have decided on the version before counts no more.

mod step;

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{AmendParams, AmendResult};

use super::actor::Actor;
use super::detail::is_own;
use super::submit::possession::{self, Source};
use super::{Service, refusal};
use crate::ipc::Connection;
use crate::store::rows::{requests, submissions};
use crate::x509::ParsedCsr;
use step::Step;

/// Versions that one request has.
pub const MOST_VERSIONS: u32 = 100;

const VERB: &str = "request.amend";

/// Amends.
pub async fn amend(service: &Service, connection: &Connection, params: AmendParams) -> Result<AmendResult, ApiError> {
    check_shape(&params)?;
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit_record(service, &actor)?;
    let csr = csr(service, &actor, &params).await?;
    let facts = service.facts.clone();
    let (policy, asking) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            let step = Step { policy, actor: &asking, params: &params, csr, facts: &facts };
            refusal::or_record(transaction, &asking, VERB, ("request", params.id.as_str()), |transaction| {
                step.carry_out(transaction)
            })
        })
        .await?
}

/// The CSR of the next version: the one that is given, or the one that the request has, checked again as new ones are.
///
/// None where the caller cannot amend what is there: the transaction finds out why, and says so.
async fn csr(service: &Service, actor: &Actor, params: &AmendParams) -> Result<Option<ParsedCsr>, ApiError> {
    let source = match &params.csr {
        Some(text) => Some(Source::Text(text.clone())),
        None => current(service, actor, params).await?.map(Source::Der),
    };
    let Some(source) = source else { return Ok(None) };
    possession::read(service, actor, source, VERB, ("request", params.id.as_str())).await.map(Some)
}

/// The CSR that the request has, where it is the caller's own and holds the content that is named.
async fn current(service: &Service, actor: &Actor, params: &AmendParams) -> Result<Option<Vec<u8>>, ApiError> {
    let (asking, id, digest) = (actor.clone(), params.id.clone(), params.digest);
    let query = move |connection: &rusqlite::Connection| {
        let request = requests::get(connection, &id)?;
        let request = request.filter(|request| is_own(request, &asking) && request.digest == digest);
        let Some(work) = request.and_then(|request| request.work) else { return Ok(None) };
        Ok(Some(submissions::get(connection, work.submission_id)?.csr))
    };
    service.readers.read_for(actor.caller.uid, query).await
}

fn check_shape(params: &AmendParams) -> Result<(), ApiError> {
    let AmendParams { id: _, digest: _, csr, reason, ticket, valid_for, not_before } = params;
    if csr.is_none() && reason.is_none() && ticket.is_none() && valid_for.is_none() && not_before.is_none() {
        return Err(ApiError::invalid("nothing is amended")
            .hint("give at least one of `csr`, `reason`, `ticket`, `valid_for` and `not_before`"));
    }
    csr.as_deref().map_or(Ok(()), possession::check_size)
}

#[cfg(test)]
mod tests {
    use countersign_shared::digest::Digest;
    use countersign_shared::id::RequestId;
    use countersign_shared::protocol::MAX_CSR;
    use countersign_shared::time::Span;

    use super::*;

    #[test]
    fn something_is_given_and_not_too_much_of_it() {
        let nothing = AmendParams {
            id: RequestId::fresh(1, 1),
            digest: Digest::of(&[]),
            csr: None,
            reason: None,
            ticket: None,
            valid_for: None,
            not_before: None,
        };
        assert_eq!(check_shape(&nothing).unwrap_err().message, "nothing is amended");
        for some in [
            AmendParams { reason: Some("".into()), ..nothing.clone() },
            AmendParams { ticket: Some("T-1".into()), ..nothing.clone() },
            AmendParams { valid_for: Some(Span::from_secs(1)), ..nothing.clone() },
            AmendParams { csr: Some("x".repeat(MAX_CSR)), ..nothing.clone() },
        ] {
            check_shape(&some).unwrap();
        }
        let long = AmendParams { csr: Some("x".repeat(MAX_CSR + 1)), ..nothing };
        assert!(check_shape(&long).unwrap_err().message.contains("`csr`"));
    }
}
