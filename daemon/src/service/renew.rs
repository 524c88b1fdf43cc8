//! `certificate.renew`: a successor to the version in force, asked for by hand, through the submission that every caller
//! uses.

use std::sync::Arc;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{RenewParams, SubmitParams, SubmitResult};

use super::actor::Actor;
use super::inventory::not_issued;
use super::submit::possession::{self, Source};
use super::submit::renewing::Renewing;
use super::submit::step::Step;
use super::submit::successor::{self, submission_in_force};
use super::{Service, permissions_now, refusal, sight};
use crate::ipc::Connection;
use crate::made_key::Asked;
use crate::policy::{Permission, Policy, RenewKey};
use crate::store::rows::certificates;
use crate::store::rows::submissions::Submission;
use crate::store::transaction::Failure;
use crate::x509::ParsedCsr;

/// The name of the verb in records.
const VERB: &str = "certificate.renew";

/// Takes it in.
pub async fn renew(service: &Service, connection: &Connection, params: RenewParams) -> Result<SubmitResult, ApiError> {
    if let Some(csr) = &params.csr {
        possession::check_size(csr)?;
    }
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit(service, &actor, None).await?;
    let found = find(service, &actor, &params, connection.peer.uid()).await?;
    let rules = service.policy.now();
    let (csr, made) = csr(service, &actor, &rules, &params, &found).await?;
    let repeats = params.csr.is_none() && made.is_none();
    let renewing = Renewing {
        certificate: params.certificate_id.clone(),
        version: found.version,
        made_key: made.is_some(),
        repeats: repeats.then(|| found.in_force.content.clone()),
    };
    let longest = rules.profile(&found.profile).map(|profile| profile.rules().max_validity);
    let valid_for = found.in_force.content.valid_for;
    let submit = SubmitParams {
        csr: String::new(),
        profile: Some(found.profile),
        reason: params.reason,
        ticket: params.ticket,
        environment: None,
        valid_for: Some(longest.map_or(valid_for, |longest| longest.min(valid_for))),
        idempotency_key: None,
        not_before: None,
        batch: None,
    };
    let (policy, facts) = (service.policy.clone(), service.facts.clone());
    // Until the commit nothing else says that the key is needed.
    let until_the_commit = made.map(Arc::new);
    let guard = until_the_commit.clone();
    let made = service.writer.write(move |transaction| {
        let _guard = guard;
        let resource = ("certificate", renewing.certificate.as_str());
        let step = Step { policy, actor: &actor, params: &submit, csr, facts: &facts, renewing: Some(&renewing) };
        refusal::or_record(transaction, &actor, VERB, resource, |transaction| step.carry_out(transaction))
    });
    let result = made.await;
    drop(until_the_commit);
    result?
}

struct Found {
    profile: String,
    version: u32,
    in_force: Submission,
}

/// The version in force of a certificate that the caller may see, and what it was issued for.
async fn find(service: &Service, actor: &Actor, params: &RenewParams, uid: u32) -> Result<Found, ApiError> {
    let sight = sight::of(actor, &service.policy.now())?;
    let id = params.certificate_id.clone();
    let read = move |connection: &rusqlite::Connection| {
        let snapshot = connection.unchecked_transaction()?;
        let Some(certificate) = certificates::get(&snapshot, &id, &sight)? else {
            return Err(not_issued(&snapshot, &id, &sight, "renewed")?.into());
        };
        let current = certificate.current.ok_or_else(|| {
            ApiError::new(ErrorKind::Conflict, format!("{id} has no version in force that could be renewed"))
                .hint("ask for a new one: countersign request")
        })?;
        let in_force = submission_in_force(&snapshot, id.as_str())?;
        snapshot.finish()?;
        Ok::<_, Failure>(Found { profile: certificate.profile_id, version: current.version, in_force })
    };
    service.readers.read_for(uid, read).await
}

/// The caller's CSR, or the one of the version in force, or one for a new key. No key is made for somebody who may not
/// ask; the submission refuses them by its own rule.
async fn csr(
    service: &Service,
    actor: &Actor,
    policy: &Policy,
    params: &RenewParams,
    found: &Found,
) -> Result<(ParsedCsr, Option<Asked>), ApiError> {
    let id = &params.certificate_id;
    let may_submit = permissions_now(policy, actor, service.line.wall()).allows(Permission::Submit(&found.profile));
    let makes_key = |profile: &crate::policy::Profile| profile.rules().renew_key == RenewKey::New;
    let profile = policy.profile(&found.profile).filter(|profile| may_submit && makes_key(profile));
    let source = match (&params.csr, profile) {
        (Some(csr), _) => Source::Text(csr.clone()),
        (None, None) => Source::Der(found.in_force.csr.clone()),
        (None, Some(profile)) => {
            let (profile, id, keys) = (profile.clone(), id.clone(), service.keys.clone());
            let in_force = found.in_force.clone();
            let made = tokio::task::spawn_blocking(move || successor::source(&profile, &id, in_force, &keys));
            let made =
                made.await.map_err(|_| ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down"))??;
            return Ok((made.csr, made.made));
        }
    };
    Ok((possession::read(service, actor, source, VERB, ("certificate", id.as_str())).await?, None))
}
