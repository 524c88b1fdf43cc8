//! `certificate.retire`: nobody looks after an expired certificate any more. One that is still valid is renewed or
//! revoked.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AuditAction, Category, RetireParams, RetireResult};

use super::actor::Actor;
use super::decide::not_found;
use super::{PolicyInForce, Service, permissions_now, refusal, sight};
use crate::alerts::rows;
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::policy::Permission;
use crate::store::Transaction;
use crate::store::rows::{certificates, found};
use crate::store::transaction::Failure;

/// Ends the watch.
pub async fn retire(
    service: &Service,
    connection: &Connection,
    params: &RetireParams,
) -> Result<RetireResult, ApiError> {
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    let (policy, params) = (service.policy.clone(), params.clone());
    service
        .writer
        .write(move |transaction| {
            let resource = ("certificate", params.certificate_id.as_str());
            refusal::or_record(transaction, &actor, "certificate.retire", resource, |transaction| {
                carry_out(transaction, &policy, &actor, &params)
            })
        })
        .await?
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    params: &RetireParams,
) -> Result<RetireResult, Failure> {
    let (rules, id) = (transaction.rules(policy), &params.certificate_id);
    let actor = &*actor.under(&rules, transaction.now());
    own_session(&actor.party)?;
    let (connection, sight) = (transaction.connection(), sight::of(actor, &rules)?);
    let permissions = permissions_now(&rules, actor, transaction.now());
    let watched = rows::get(connection, id.as_str())?;
    let profile = match certificates::get(connection, id, &sight)? {
        Some(certificate) => Some(certificate.profile_id),
        None if found::get(connection, id, &sight, transaction.now())?.is_none() => return Err(not_found(id).into()),
        // One that was found here and belongs to no profile.
        None if permissions.is_admin() => None,
        None => {
            let message = format!("{} may not retire {id}, which was found here and not issued", actor.party.account);
            let error = ApiError::new(ErrorKind::Forbidden, message).rule("no_role");
            return Err(error
                .hint("an admin may; whoever imported it says with countersign import --gone that it is gone")
                .into());
        }
    };
    let decides = profile.as_deref().is_some_and(|profile| permissions.allows(Permission::Decide(profile)));
    if !decides && !permissions.is_admin() {
        let message = format!("{} may not retire {id}", actor.party.account);
        return Err(ApiError::new(ErrorKind::Forbidden, message)
            .hint("whoever decides under its profile may, and an admin")
            .rule("no_role")
            .into());
    }
    let watched = watched.ok_or_else(|| {
        ApiError::new(ErrorKind::Conflict, format!("{id} is looked after no more"))
            .hint("it was retired or revoked; there is nothing to do")
    })?;
    let not_after = watched.validity.not_after;
    if not_after >= transaction.now() {
        let message =
            format!("version {} of {id} is valid until {not_after}: only what has expired is retired", watched.version);
        let hint = match profile {
            Some(_) => format!("end it before its time with countersign revoke {id}, or let it expire"),
            None => "replace it where it stands, or let it expire".to_owned(),
        };
        return Err(ApiError::new(ErrorKind::Conflict, message).hint(hint).rule("not_expired").into());
    }
    let draft = actor
        .draft(AuditAction::CertificateRetired, Category::CertLifecycle, "certificate", id)
        .number("version", i64::try_from(watched.version).unwrap_or(i64::MAX))
        .text("not_after", not_after)
        .text("reason", params.reason)
        .text_if("profile", profile)
        .text("policy_sha256", rules.sha256());
    let recorded = transaction.record(draft)?;
    if !found::retire(transaction.connection(), id)? {
        rows::dealt_with(transaction.connection(), id.as_str())?;
    }
    transaction.watch_ended();
    transaction.tell(AuditAction::CertificateRetired, id.as_str(), recorded)?;
    Ok(RetireResult {
        certificate_id: id.clone(),
        version: watched.version,
        not_after,
        seq: recorded.seq,
        record_sha256: recorded.hash,
    })
}
