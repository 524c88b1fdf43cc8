//! `delegation.grant|list|revoke`: an approver hands their say to a named person, for a bounded time.
//!
//! A say stays its giver's: what it is worth is what the account that it was handed over from may do at the moment of
//! its use. Nothing is worth what its giver has lost since, and nobody hands on what was handed to them.

mod held;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::DelegationId;
use countersign_shared::protocol::{
    AuditAction, Category, DelegateParams, Delegation, DelegationIdParams, DelegationPage, ListDelegationsParams,
    MAX_TEXT,
};
use countersign_shared::text::Untrusted;
use countersign_shared::time::{Span, Timestamp};

use super::actor::Actor;
use super::decide::not_found;
use super::{PolicyInForce, Service, permissions_now, refusal};
use crate::gate::two_person::own_session;
use crate::ipc::Connection;
use crate::ledger::Draft;
use crate::policy::{Permission, Policy, Profile};
use crate::store::rows::delegations::{self, DelegationRow, NewDelegation};
use crate::store::rows::page::Window;
use crate::store::sight::Own;
use crate::store::transaction::{Failure, fresh_salt, salted};
use crate::store::{Effect, Transaction};
pub use held::{Held, MAX_HELD};

/// The shortest time.
const SHORTEST: Span = Span::from_secs(3600);
/// The longest time.
const LONGEST: Span = Span::from_secs(30 * 86_400);
/// Delegations of one person that hold at a time.
pub const MAX_GIVEN: usize = 20;
/// Profiles that one names.
const MAX_PROFILES: usize = 64;

/// Hands over.
pub async fn grant(
    service: &Service,
    connection: &Connection,
    mut params: DelegateParams,
) -> Result<Delegation, ApiError> {
    check(&mut params)?;
    let actor = service.actor_with_patience(connection)?;
    service.quota.admit_record(service, &actor)?;
    let (policy, giving) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            refusal::or_record(transaction, &giving, "delegation.grant", ("delegation", "new"), |transaction| {
                hand_over(transaction, &policy, &giving, &params)
            })
        })
        .await?
}

/// A page of what the caller gave and was given; of all for whoever may take the ledger out.
pub async fn list(
    service: &Service,
    connection: &Connection,
    params: ListDelegationsParams,
) -> Result<DelegationPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    let actor = service.actor(connection)?;
    if actor.party.person.is_none() {
        actor.has_any_role("lists delegations, and so does every person of the policy")?;
    }
    let (own, tick) = (own(&actor), service.line.tick());
    let own = (!actor.permissions.allows(Permission::ExportLedger)).then_some(own);
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            let (delegations, next_cursor) = delegations::page(connection, &params, window, own.as_ref(), tick)?;
            Ok(DelegationPage { delegations, next_cursor })
        })
        .await
}

/// Takes back.
pub async fn revoke(
    service: &Service,
    connection: &Connection,
    params: DelegationIdParams,
) -> Result<Delegation, ApiError> {
    let actor = service.actor_with_patience(connection)?;
    let (policy, taking) = (service.policy.clone(), actor);
    service
        .writer
        .write(move |transaction| {
            let about = ("delegation", params.id.as_str());
            refusal::or_record(transaction, &taking, "delegation.revoke", about, |transaction| {
                take_back(transaction, &policy, &taking, &params.id)
            })
        })
        .await?
}

/// What needs no policy to be wrong. The profiles are sorted, each once.
fn check(params: &mut DelegateParams) -> Result<(), ApiError> {
    if !(SHORTEST..=LONGEST).contains(&params.duration) {
        let message = format!("`duration` is {}; {SHORTEST} to {LONGEST} are allowed", params.duration);
        return Err(ApiError::invalid(message).hint("grant it again where it has to last longer"));
    }
    let reason = params.reason.as_ref().map_or(0, |reason| reason.raw().len());
    if reason > MAX_TEXT {
        return Err(ApiError::invalid(format!("`reason` has {reason} octets; at most {MAX_TEXT} are allowed")));
    }
    if let Some(ids) = &mut params.profiles {
        if ids.is_empty() || ids.len() > MAX_PROFILES {
            let message = format!("`profiles` names {} profiles; 1 to {MAX_PROFILES} are allowed", ids.len());
            return Err(ApiError::invalid(message).hint("leave the key out for all of them"));
        }
        ids.sort_unstable();
        ids.dedup();
    }
    Ok(())
}

fn hand_over(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    params: &DelegateParams,
) -> Result<Delegation, Failure> {
    let policy = transaction.rules(policy);
    let actor = &*actor.under(&policy, transaction.now());
    own_session(&actor.party)?;
    let person = policy.person_of(&actor.account).ok_or_else(|| no_person(actor))?;
    let to = recipient(&policy, person, &params.to)?;
    has_a_say(&policy, actor, params.profiles.as_deref(), transaction.now())?;
    is_room(transaction, person, to)?;
    let (id, salt) = (transaction.fresh_delegation()?, fresh_salt()?);
    let millis = i64::try_from(params.duration.millis()).unwrap_or(i64::MAX);
    let now = transaction.now();
    let until = Timestamp::from_unix_millis(now.unix_millis().saturating_add(millis));
    let until = until.ok_or_else(|| ApiError::invalid("`duration` leads beyond the calendar"))?;
    let until_tick = transaction.tick().saturating_add(millis);
    let reason = params.reason.as_ref().map_or("", Untrusted::raw);
    let draft = actor
        .draft(AuditAction::DelegationGranted, Category::Auth, "delegation", &id)
        .text("to", to)
        .text("until", until)
        .number("until_tick", until_tick)
        .text("reason_sha256", salted(&salt, reason))
        .text("policy_sha256", policy.sha256());
    let draft = match &params.profiles {
        Some(ids) => draft.list("profiles", ids),
        None => draft,
    };
    let recorded = transaction.record(draft)?;
    delegations::insert(
        transaction.connection(),
        &NewDelegation {
            id: &id,
            by: &actor.person_ref(),
            to,
            profiles: params.profiles.as_deref(),
            reason,
            reason_salt: &salt,
            created_at: now,
            until,
            until_tick,
            seq: recorded.seq,
        },
    )?;
    transaction.after_commit(Effect::Delegated);
    seen(transaction, &id)
}

/// The person who gets the say, by the policy's own spelling.
fn recipient<'p>(policy: &'p Policy, giver: &str, to: &str) -> Result<&'p str, ApiError> {
    let found = policy.people().iter().find(|person| person.name == to).map(|person| person.name.as_str());
    let to = found.ok_or_else(|| {
        let message = format!("`to` is {:.64}, who is no person of the policy", Untrusted::from(to).safe());
        ApiError::invalid(message).hint("name a [[person]] of the policy in force: a say is handed to a human")
    })?;
    if to == giver {
        return Err(ApiError::invalid("`to` is yourself").hint("your accounts share one say already"));
    }
    Ok(to)
}

/// Nobody hands over what they have not got: each profile that is named is one under which the giver has a vote of
/// their own and may give it away; where none is named there is at least one such.
fn has_a_say(policy: &Policy, actor: &Actor, named: Option<&[String]>, now: Timestamp) -> Result<(), ApiError> {
    let has = |profile: &Profile| policy.counts_for(profile, &actor.account, now);
    let Some(named) = named else {
        let mut asking = policy.profiles().iter().filter(|profile| profile.rules().requires_approval);
        if asking.any(|profile| profile.rules().allow_delegation && has(profile)) {
            return Ok(());
        }
        let message = format!("{} has no vote under any profile that could be handed over", actor.party.account);
        return Err(forbidden("no_vote", message).hint("only one's own right is handed over, never one that was given"));
    };
    for id in named {
        let shown = Untrusted::from(id.as_str());
        let shown = shown.safe();
        let profile = policy.profile(id).ok_or_else(|| {
            ApiError::invalid(format!("`profiles` names {shown:.64}, which the policy in force does not have"))
                .hint("countersign profiles lists them")
        })?;
        let rules = profile.rules();
        if !rules.requires_approval {
            return Err(ApiError::invalid(format!("`profiles` names {id}, under which nobody is asked")));
        }
        if !rules.allow_delegation {
            let message = format!("profile {id} lets nobody hand their say over (allow_delegation = false)");
            return Err(forbidden("no_delegation", message).hint("others of its groups, or an admin, have to decide"));
        }
        if !has(profile) {
            let message =
                format!("{} has no vote under profile {id}: there is nothing to hand over", actor.party.account);
            return Err(forbidden("no_vote", message).hint("countersign whoami shows your roles"));
        }
        if rules.require_login_session && actor.party.login_uid.is_none() {
            let message = format!("profile {id} takes decisions from login sessions alone, and so it does delegations");
            return Err(
                forbidden("login_required", message).hint("log in (ssh, console); a service or container has no login")
            );
        }
    }
    Ok(())
}

fn is_room(transaction: &Transaction<'_>, giver: &str, to: &str) -> Result<(), Failure> {
    let open = delegations::open(transaction.connection(), transaction.tick())?;
    let given = open.iter().filter(|row| row.by().person.as_deref() == Some(giver)).count();
    let held = open.iter().filter(|row| row.to() == to).count();
    let message = if given >= MAX_GIVEN {
        format!("{giver} has {given} delegations that hold; at most {MAX_GIVEN} may")
    } else if held >= MAX_HELD {
        format!("{to} holds {held} says of others; at most {MAX_HELD} are held at a time")
    } else {
        return Ok(());
    };
    Err(ApiError::new(ErrorKind::Conflict, message).hint("countersign undelegate ends one").into())
}

fn take_back(
    transaction: &mut Transaction<'_>,
    policy: &PolicyInForce,
    actor: &Actor,
    id: &DelegationId,
) -> Result<Delegation, Failure> {
    let policy = transaction.rules(policy);
    let actor = &*actor.under(&policy, transaction.now());
    own_session(&actor.party)?;
    let row = delegations::get(transaction.connection(), id)?.ok_or_else(|| unknown(id))?;
    let (person, permissions) = (policy.person_of(&actor.account), permissions_now(&policy, actor, transaction.now()));
    let is_giver = person.is_some() && row.by().person.as_deref() == person;
    if !is_giver && !permissions.allows(Permission::EndDelegations) {
        if person != Some(row.to()) && !permissions.allows(Permission::ExportLedger) {
            return Err(unknown(id).into());
        }
        let giver = row.by().person.as_deref().unwrap_or(&row.by().account);
        let message = format!("{id} is of {giver}: {} does not end it", actor.party.account);
        return Err(forbidden("not_the_giver", message)
            .hint("its giver may, and whoever has delegation.revoke, as admins do")
            .into());
    }
    if let Some((at, by)) = row.ended() {
        let message = format!("{id} was ended by {by} at {at}");
        return Err(ApiError::new(ErrorKind::AlreadyDecided, message).hint("what has ended does not change").into());
    }
    let draft = actor.draft(AuditAction::DelegationEnded, Category::Auth, "delegation", id);
    end(transaction, &row, draft, &actor.party.account, "revoked")?;
    seen(transaction, id)
}

/// Ends one, on record: by whom, and why.
pub fn end(
    transaction: &mut Transaction<'_>,
    row: &DelegationRow,
    draft: Draft,
    by: &str,
    why: &'static str,
) -> Result<(), Failure> {
    let giver = row.by();
    let draft = draft
        .text("why", why)
        .text("giver_account", &giver.account)
        .number("giver_uid", giver.uid)
        .text_if("giver_person", giver.person.as_deref())
        .text("to", row.to());
    let recorded = transaction.record(draft)?;
    delegations::end(transaction.connection(), row.id(), transaction.now(), by, recorded.seq)?;
    Ok(())
}

fn seen(transaction: &Transaction<'_>, id: &DelegationId) -> Result<Delegation, Failure> {
    let row = delegations::get(transaction.connection(), id)?;
    let row = row.ok_or_else(|| ApiError::internal(format!("{id} is missing")))?;
    Ok(row.view(transaction.tick()))
}

fn own(actor: &Actor) -> Own {
    let own = actor.person_ref();
    Own { account: own.account, uid: own.uid, person: own.person }
}

fn no_person(actor: &Actor) -> ApiError {
    let message = format!("{} is no person's account: a say is a human's", actor.party.account);
    forbidden("no_person", message).hint("the policy has to list the account under a [[person]]")
}

fn unknown(id: &DelegationId) -> ApiError {
    not_found(id).hint("countersign delegations shows what there is")
}

fn forbidden(rule: &'static str, message: String) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, message).rule(rule)
}
