//! One batch, in the writer's transaction: what is due is asked for, tried again or left, and planned anew.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::lifecycle::{JobKind, JobState};
use countersign_shared::protocol::SubmitParams;
use countersign_shared::time::Timestamp;
use rusqlite::Connection;

use super::super::aside::of_the_row;
use super::Renewals;
use super::prepare::{Prepared, reason};
use crate::alerts::kept;
use crate::alerts::renewal::{Renewal, renewal};
use crate::alerts::rows::{self, Watched};
use crate::issuer::OUTCOME_UNKNOWN;
use crate::made_key::Keys;
use crate::policy::{Policy, Profile, RenewalPolicy};
use crate::service::actor::Actor;
use crate::service::submit::renewing::Renewing;
use crate::service::submit::step::Step;
use crate::service::submit::successor::Source;
use crate::service::{jobs as retry, refusal};
use crate::store::Transaction;
use crate::store::rows::jobs::{self, JobRow};
use crate::store::rows::submissions;
use crate::store::transaction::Failure;

/// How long what cannot be read is left alone, in milliseconds.
const ASIDE_MILLIS: i64 = 3_600_000;

/// What is due.
pub(super) enum Act {
    /// Nothing before then; nothing at all until something happens, without a moment.
    Plan(Option<Timestamp>),
    /// The failed job is tried again, under what allowed it.
    Again(Box<JobRow>),
    /// A renewal is asked for.
    Ask,
}

/// What a profile says of renewals; none where the policy in force does not have it, or it names no renewal policy.
pub(super) fn rules<'p>(policy: &'p Policy, profile_id: &str) -> Option<(&'p Profile, &'p RenewalPolicy)> {
    let profile = policy.profile(profile_id)?;
    Some((profile, policy.renewal_policy(profile.rules().renewal_policy.as_deref()?)?))
}

/// Says what is due. Reads alone: it is asked before the writer's turn and again in it.
pub(super) fn decide(
    connection: &Connection,
    (now, tick): (Timestamp, i64),
    policy: &Policy,
    keys: &Keys,
    watched: &Watched,
) -> Result<Act, Failure> {
    let Some((profile, renewal_policy)) = rules(policy, &watched.profile_id) else { return Ok(Act::Plan(None)) };
    let id: CertificateId = watched.certificate_id.parse().map_err(ApiError::internal)?;
    let version = u32::try_from(watched.version).map_err(|_| ApiError::internal("a version out of range"))?;
    let efforts = jobs::efforts(connection, &id, version)?;
    let due = renewal(renewal_policy, watched.validity, efforts, now);
    if !matches!(due, Renewal::Now | Renewal::At(_)) {
        return Ok(Act::Plan(due.next()));
    }
    let failed = match jobs::newest_for(connection, &id)? {
        Some(newest) if efforts.failures > 0 => jobs::get(connection, &newest)?,
        _ => None,
    };
    let failed = failed.filter(|job| job.job.state == JobState::Failed && job.job.kind != JobKind::Revoke);
    let why = failed.as_ref().and_then(|failed| failed.job.error.as_ref()).map_or("", |error| error.raw());
    if why.contains(OUTCOME_UNKNOWN) {
        // A second certificate may come of it: that is for people to decide.
        return Ok(Act::Plan(None));
    }
    if due != Renewal::Now {
        return Ok(Act::Plan(due.next()));
    }
    match failed {
        Some(failed) if can_go_on(connection, tick, (policy, profile), keys, &failed)? => {
            Ok(Act::Again(Box::new(failed)))
        }
        _ => Ok(Act::Ask),
    }
}

/// Whether what allowed the failed job still allows another in its place.
fn can_go_on(
    connection: &Connection,
    tick: i64,
    (policy, profile): (&Policy, &Profile),
    keys: &Keys,
    failed: &JobRow,
) -> Result<bool, Failure> {
    if failed.job.request_id.is_none() && profile.rules().requires_approval {
        return Ok(false);
    }
    match retry::nothing_came_after(connection, tick, policy, failed) {
        Ok(()) => {}
        Err(Failure::Api(error)) if error.kind == ErrorKind::Conflict => return Ok(false),
        Err(failure) => return Err(failure),
    }
    let submission = submissions::get(connection, failed.submission_id)?;
    let made = submissions::key_is_made(connection, failed.submission_id)?;
    Ok(!made || keys.holds(&failed.job.certificate_id, submission.content.spki_sha256))
}

/// Does what is due for each; returns how many renewals were asked for or tried again.
pub(super) fn batch(of: &Renewals, transaction: &mut Transaction<'_>, due: &[Prepared]) -> Result<usize, Failure> {
    let mut asked = 0;
    for prepared in due {
        let id = &prepared.watched.certificate_id;
        // Another version, or nothing to watch any more: whoever changed it has planned it.
        let watched = rows::get(transaction.connection(), id)?;
        if watched.as_ref() != Some(&prepared.watched) {
            continue;
        }
        if let Some(Err(error)) = &prepared.source
            && error.kind == ErrorKind::Unavailable
        {
            // A key that cannot be kept may be in the way of this one, and is of no other.
            tracing::error!(certificate = id, "it could not be renewed, tried again: {error}");
            let next = later(of, transaction, &prepared.watched)?;
            rows::plan_renewal(transaction.connection(), id, next)?;
            continue;
        }
        let next = match transaction.attempt(|inner| one(of, inner, prepared)) {
            Ok(Done::Asked) => {
                asked += 1;
                None
            }
            Ok(Done::Planned(next)) => next,
            Ok(Done::NotPrepared) => continue,
            Err(failure) => not_asked(of, transaction, &prepared.watched, failure)?,
        };
        rows::plan_renewal(transaction.connection(), id, next)?;
    }
    Ok(asked)
}

enum Done {
    Asked,
    Planned(Option<Timestamp>),
    /// It came to be due to be asked for after it was prepared: it stays due.
    NotPrepared,
}

fn one(of: &Renewals, transaction: &mut Transaction<'_>, prepared: &Prepared) -> Result<Done, Failure> {
    let policy = transaction.rules(&of.policy);
    let (watched, actor) = (&prepared.watched, Actor::scheduler(&policy));
    let now = kept::now(transaction.connection(), &of.line)?;
    match decide(transaction.connection(), (now, transaction.tick()), &policy, &of.keys, watched)? {
        Act::Plan(next) => Ok(Done::Planned(next)),
        Act::Again(failed) => {
            retry::again(transaction, &policy, &actor, &failed)?;
            Ok(Done::Asked)
        }
        Act::Ask => match &prepared.source {
            None => Ok(Done::NotPrepared),
            Some(Err(error)) => Err(error.clone().into()),
            Some(Ok(source)) => {
                ask(of, transaction, (&policy, &actor), watched, source)?;
                Ok(Done::Asked)
            }
        },
    }
}

/// Submits it, as a caller would.
fn ask(
    of: &Renewals,
    transaction: &mut Transaction<'_>,
    (policy, actor): (&Policy, &Actor),
    watched: &Watched,
    source: &Source,
) -> Result<(), Failure> {
    let missing = || ApiError::internal(format!("profile {} is missing", watched.profile_id));
    let profile = policy.profile(&watched.profile_id).ok_or_else(missing)?;
    let in_force = &source.in_force;
    let ticket = profile.rules().ticket_pattern.as_ref().and(in_force.ticket.clone());
    let params = SubmitParams {
        csr: String::new(),
        profile: Some(watched.profile_id.clone()),
        reason: Some(reason(watched, profile, ticket.as_ref())),
        ticket,
        environment: None,
        valid_for: Some(in_force.content.valid_for.min(profile.rules().max_validity)),
        idempotency_key: None,
        not_before: None,
        batch: None,
    };
    let renewing = Renewing {
        certificate: watched.certificate_id.parse().map_err(ApiError::internal)?,
        version: u32::try_from(watched.version).map_err(|_| ApiError::internal("a version out of range"))?,
        made_key: source.made.is_some(),
        repeats: source.made.is_none().then(|| in_force.content.clone()),
    };
    let step = Step {
        policy: of.policy.clone(),
        actor,
        params: &params,
        csr: source.csr.clone(),
        facts: &of.facts,
        renewing: Some(&renewing),
    };
    step.carry_out(transaction).map(drop)
}

/// What becomes of a renewal that could not be asked for: when to try again. What a rule of the policy stops is on
/// record and waits for another policy; alerts go on all the while.
fn not_asked(
    of: &Renewals,
    transaction: &mut Transaction<'_>,
    watched: &Watched,
    failure: Failure,
) -> Result<Option<Timestamp>, Failure> {
    let id = &watched.certificate_id;
    let policy = transaction.rules(&of.policy);
    match failure {
        Failure::Api(error) if error.rule.is_some() => {
            tracing::warn!(certificate = id, "its renewal was refused: {error}");
            let actor = Actor::scheduler(&policy);
            refusal::record(transaction, &actor, "certificate.renew", ("certificate", id), error)?;
            Ok(None)
        }
        Failure::Api(error) if error.kind == ErrorKind::Invalid => {
            tracing::error!(certificate = id, "it cannot be renewed: {error}");
            Ok(None)
        }
        // Something else is under way: its revocation, for one.
        Failure::Api(error) if error.kind == ErrorKind::Conflict => {
            tracing::info!(certificate = id, "its renewal waits: {error}");
            later(of, transaction, watched)
        }
        failure if of_the_row(&failure) => {
            tracing::error!(certificate = id, "it could not be renewed, tried again in an hour: {failure:?}");
            let now = kept::now(transaction.connection(), &of.line)?.unix_millis();
            Ok(Timestamp::from_unix_millis(now.saturating_add(ASIDE_MILLIS)))
        }
        failure => Err(failure),
    }
}

/// One interval of the renewal policy from now.
fn later(of: &Renewals, transaction: &mut Transaction<'_>, watched: &Watched) -> Result<Option<Timestamp>, Failure> {
    let policy = transaction.rules(&of.policy);
    let now = kept::now(transaction.connection(), &of.line)?.unix_millis();
    let interval = rules(&policy, &watched.profile_id).map_or(60, |(_, policy)| policy.retry_interval_seconds);
    Ok(Timestamp::from_unix_millis(now.saturating_add(i64::from(interval) * 1000)))
}
