//! `certificate.assign`: whose a found certificate is, which says who sees it and whom its alerts reach, and nothing else.
//! The owner of what was issued here says who has to agree to its successor, and is given to nobody.

use std::io;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AssignParams, AssignResult, AuditAction, Category, PersonRef};
use countersign_shared::text::Untrusted;

use super::actor::{Actor, account_name};
use super::decide::not_found;
use super::{PolicyInForce, Service, permissions_now, refusal, sight};
use crate::gate::two_person::own_session;
use crate::identity::directory::{Account, Directory};
use crate::ipc::Connection;
use crate::policy::AccountName;
use crate::store::Transaction;
use crate::store::rows::{certificates, found};
use crate::store::transaction::Failure;

/// Gives it away.
pub async fn assign(
    service: &Service,
    connection: &Connection,
    params: AssignParams,
) -> Result<AssignResult, ApiError> {
    let to: AccountName = params.owner.raw().parse().map_err(|why| refused(&params.owner, why))?;
    let actor = service.actor_with_patience(connection)?;
    service.health.check()?;
    service.quota.admit_record(service, &actor)?;
    // The name service is asked for nobody who may see no certificate.
    let named = match may_look(service, &actor) {
        Ok(()) => Ok(service.look_ups.run(|| account_of(service.directory.as_ref(), &to, &params.owner)).await?),
        Err(refused) => Err(refused),
    };
    let policy = service.policy.clone();
    service
        .writer
        .write(move |transaction| {
            let resource = ("certificate", params.certificate_id.as_str());
            refusal::or_record(transaction, &actor, "certificate.assign", resource, |transaction| {
                carry_out(transaction, &policy, &actor, (&params, named?.as_ref()))
            })
        })
        .await?
}

/// The first of what [`carry_out`] asks of a caller, which it asks again in the transaction.
fn may_look(service: &Service, actor: &Actor) -> Result<(), ApiError> {
    let rules = service.policy.now();
    let actor = &*actor.under(&rules, service.line.wall());
    own_session(&actor.party)?;
    sight::of(actor, &rules).map(drop)
}

/// The account as the host knows it; nothing for a name that it does not know. Of a number it may know no name. Blocks.
fn account_of(directory: &dyn Directory, name: &AccountName, owner: &Untrusted) -> Result<Option<Account>, ApiError> {
    let known = || -> io::Result<Option<Account>> {
        let uid = match name {
            AccountName::Uid(uid) => Some(*uid),
            AccountName::Name(name) => directory.uid_of(name)?,
        };
        uid.map(|uid| directory.account(uid, false)).transpose()
    };
    known().map_err(|error| {
        let message = format!("the account {} cannot be looked up: {error}", shown(owner));
        ApiError::new(ErrorKind::Unavailable, message)
    })
}

fn carry_out(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    (params, named): (&AssignParams, Option<&Account>),
) -> Result<AssignResult, Failure> {
    let (rules, id) = (transaction.rules(policy), &params.certificate_id);
    let actor = &*actor.under(&rules, transaction.now());
    own_session(&actor.party)?;
    let (connection, sight) = (transaction.connection(), sight::of(actor, &rules)?);
    let Some(certificate) = found::get(connection, id, &sight, transaction.now())? else {
        return Err(match certificates::get(connection, id, &sight)? {
            Some(_) => was_issued(id).into(),
            None => not_found(id).into(),
        });
    };
    let before = certificate.owner;
    let is_theirs = before.as_ref().is_some_and(|owner| owns(actor, owner));
    if !is_theirs && !permissions_now(&rules, actor, transaction.now()).is_admin() {
        let message = format!("{} may not give {id} to anybody: it is not theirs", actor.party.account);
        let error = ApiError::new(ErrorKind::Forbidden, message).rule("no_role");
        return Err(error.hint("its owner may, and an admin: countersign show says whose it is").into());
    }
    let person = |account: &Account| rules.person_of(account).map(str::to_owned);
    // A number that neither the host nor the policy knows is somebody's slip: nobody would look after it.
    let account = named.filter(|account| account.name.is_some() || person(account).is_some());
    let account = account.ok_or_else(|| {
        let why = "is no account of this host";
        let error = refused(&params.owner, why);
        let people = rules.people().iter().any(|person| person.name == params.owner.raw());
        if people { error.hint("the policy has a person of that name: name one of their accounts") } else { error }
    })?;
    let owner = PersonRef { account: account_name(account), person: person(account), uid: account.uid };
    if before.as_ref() == Some(&owner) {
        let message = format!("{id} belongs to {} already", owner.account);
        return Err(ApiError::new(ErrorKind::Conflict, message).hint("there is nothing to do").into());
    }
    let draft = actor
        .draft(AuditAction::CertificateAssigned, Category::CertLifecycle, "certificate", id)
        .text("sha256", certificate.sha256)
        .text("to_account", &owner.account)
        .number("to_uid", owner.uid)
        .text_if("to_person", owner.person.as_ref())
        .text_if("from_account", before.as_ref().map(|owner| &owner.account))
        .number_if("from_uid", before.as_ref().map(|owner| owner.uid))
        .text("policy_sha256", rules.sha256());
    let recorded = transaction.record(draft)?;
    found::give(transaction.connection(), id, &owner, recorded.seq)?;
    Ok(AssignResult { certificate_id: id.clone(), owner, before, seq: recorded.seq, record_sha256: recorded.hash })
}

/// By the same account, or by the same person.
fn owns(actor: &Actor, owner: &PersonRef) -> bool {
    let asks = &actor.party;
    let same_account = owner.uid == asks.uid && owner.account == asks.account;
    same_account || (owner.person.is_some() && owner.person == asks.person)
}

fn was_issued(id: &countersign_shared::id::CertificateId) -> ApiError {
    let message =
        format!("{id} was issued here: its owner is whoever asked for its first version, and decides who is asked");
    ApiError::new(ErrorKind::Conflict, message)
        .hint("whom its alerts reach besides stands in the policy: [[recipients]]")
}

fn refused(owner: &Untrusted, why: &str) -> ApiError {
    ApiError::invalid(format!("`owner` {}: {why}", shown(owner)))
}

fn shown(owner: &Untrusted) -> String {
    format!("{:.64}", owner.safe().to_string())
}
