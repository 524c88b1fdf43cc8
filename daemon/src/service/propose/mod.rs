//! `policy.propose`: another policy, judged under the quorum of the one in force.

mod apply;
pub mod history;
mod pending;
mod replay;
mod request;
pub mod study;

use countersign_shared::digest::Digest;
use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{FindingLevel, MAX_TEXT, ProposeParams, ProposeResult};

use super::actor::Actor;
use super::{Service, refusal};
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::policy::{MAX_DOCUMENT, Permission, Permissions};
pub use apply::{SUPERSEDED, apply};
use request::Step;
use study::{Studied, Study};

/// The name of the verb in records.
const VERB: &str = "policy.propose";

/// Proposes.
pub async fn propose(
    service: &Service,
    connection: &Connection,
    params: ProposeParams,
) -> Result<ProposeResult, ApiError> {
    check_shape(&params)?;
    let sha256 = Digest::of(&[params.document.as_bytes()]);
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit_record(service, &actor)?;
    if let Err(error) = may_propose(&actor, &actor.permissions) {
        return Err(refused(service, &actor, sha256, error).await);
    }
    let base = service.policy.now();
    if params.base_sha256.is_some_and(|named| named != base.sha256()) {
        return Err(refused(service, &actor, sha256, stale(&params, base.sha256())).await);
    }
    if sha256 == base.sha256() {
        let message = "the proposed document is the policy in force, to the letter";
        return Err(ApiError::new(ErrorKind::Conflict, message).hint("there is nothing to decide"));
    }
    let history = history::read(service, connection.peer.uid()).await?;
    let study = Study { base, now: service.line.wall(), history: Some(history), compare: true };
    let document = params.document.clone();
    let studied = service.checks.run(move || study.of(&document)).await?;
    let studied = studied.map_err(|errors| unreadable(&errors))?;
    if let Some(error) = unsatisfiable(&studied) {
        return Err(refused(service, &actor, sha256, error).await);
    }
    let (policy, asking) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            let step = Step { policy: &policy, actor: &asking, params: &params, studied: &studied };
            refusal::or_record(transaction, &asking, VERB, ("policy", &sha256.to_string()), |transaction| {
                step.carry_out(transaction)
            })
        })
        .await?
}

fn check_shape(params: &ProposeParams) -> Result<(), ApiError> {
    let (document, reason) = (params.document.len(), params.reason.raw().len());
    if document > MAX_DOCUMENT {
        return Err(ApiError::invalid(format!("`document` has {document} octets; at most {MAX_DOCUMENT} are allowed")));
    }
    if params.reason.is_blank() || reason > MAX_TEXT {
        return Err(ApiError::invalid(format!("`reason` has 1 to {MAX_TEXT} octets, not all of them blank")));
    }
    Ok(())
}

/// Whoever has the right to, in a session of their own: whoever may decide on a certificate may not for that rewrite the
/// rules.
fn may_propose(actor: &Actor, permissions: &Permissions) -> Result<(), ApiError> {
    own_session(&actor.party)?;
    if permissions.allows(Permission::ProposePolicy) {
        return Ok(());
    }
    let message = format!("{} may not propose another policy", actor.party.account);
    Err(ApiError::new(ErrorKind::Forbidden, message).hint(Permission::ProposePolicy.needed()).rule("no_role"))
}

fn stale(params: &ProposeParams, in_force: Digest) -> ApiError {
    let named = params.base_sha256.map_or_else(String::new, |named| format!("; it was made from {named}"));
    ApiError::new(ErrorKind::StaleContent, format!("the policy in force is {in_force}{named}"))
        .hint("take the policy in force (countersign policy show), make the change in it, and propose that")
        .rule("stale_policy")
}

/// Errors of a document that a message lists.
const LISTED: usize = 20;

fn unreadable(errors: &[String]) -> ApiError {
    ApiError::invalid(format!("the document is no policy: {}", listed(errors)))
        .hint("countersign policy check FILE lists every error")
}

fn unsatisfiable(studied: &Studied) -> Option<ApiError> {
    let errors = studied.findings.iter().filter(|finding| finding.level == FindingLevel::Error);
    let errors: Vec<String> = errors.map(study::in_a_line).collect();
    (!errors.is_empty()).then(|| {
        ApiError::invalid(format!("this policy could not be lived with: {}", listed(&errors)))
            .hint("countersign policy check FILE shows all that is proved of it")
            .rule("unsatisfiable_policy")
    })
}

fn listed(texts: &[String]) -> String {
    let mut text = texts.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if texts.len() > LISTED {
        text.push_str(&format!("; and {} more", texts.len() - LISTED));
    }
    text
}

/// Records a refusal from before the transaction.
async fn refused(service: &Service, actor: &Actor, sha256: Digest, error: ApiError) -> ApiError {
    let attempting = actor.clone();
    let recorded = service.writer.write(move |transaction| {
        refusal::record(transaction, &attempting, VERB, ("policy", &sha256.to_string()), error)
    });
    recorded.await.unwrap_or_else(|unrecorded| unrecorded)
}
