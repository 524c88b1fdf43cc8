//! What has to be done before the writer's turn: signatures are verified and keys are made on threads of their own.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::Renewals;
use super::step::{Act, decide};
use crate::alerts::kept;
use crate::alerts::rows::Watched;
use crate::made_key::Keys;
use crate::policy::{Policy, Profile};
use crate::service::submit::successor::{Source, source, submission_in_force};
use crate::store::rows::submissions::Submission;
use crate::store::transaction::Failure;

/// A certificate whose renewal is due.
pub(super) struct Prepared {
    /// As it was watched then.
    pub(super) watched: Watched,
    /// What to ask with, or why there is nothing; none where nothing new is asked for.
    pub(super) source: Option<Result<Source, ApiError>>,
}

/// Prepares those for which something new is to be asked.
pub(super) async fn prepare(of: &Renewals, due: Vec<Watched>) -> Result<Vec<Prepared>, ApiError> {
    let policy = of.policy.now();
    let (rules, keys, tick, line) = (policy.clone(), of.keys.clone(), of.line.tick(), of.line.clone());
    let read = move |connection: &Connection| {
        let now = kept::now(connection, &line)?;
        let mut found = Vec::with_capacity(due.len());
        for watched in due {
            let act = decide(connection, (now, tick), &rules, &keys, &watched);
            let asks = matches!(act, Ok(Act::Ask));
            let in_force = if asks { Some(submission_in_force(connection, &watched.certificate_id)) } else { None };
            found.push((watched, in_force));
        }
        Ok(found)
    };
    let found = of.readers.read(read).await?;
    let keys = of.keys.clone();
    let work = move || {
        let source = |watched: &Watched, in_force: Result<Submission, Failure>| {
            let in_force = in_force.map_err(|failure| match failure {
                Failure::Api(error) => error,
                failure => ApiError::internal(format!("its submission cannot be read: {failure:?}")),
            })?;
            make(&policy, &watched.profile_id, &watched.certificate_id, in_force, &keys)
        };
        let prepared = found.into_iter().map(|(watched, in_force)| {
            let source = in_force.map(|in_force| source(&watched, in_force));
            Prepared { watched, source }
        });
        prepared.collect()
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| ApiError::new(ErrorKind::Unavailable, "a fault of the daemon ended the thread that made keys"))
}

fn make(
    policy: &Policy,
    profile_id: &str,
    certificate: &str,
    in_force: Submission,
    keys: &Keys,
) -> Result<Source, ApiError> {
    let missing = || ApiError::internal(format!("{certificate} has no profile"));
    let profile = policy.profile(profile_id).ok_or_else(missing)?;
    let id: CertificateId = certificate.parse().map_err(ApiError::internal)?;
    source(profile, &id, in_force, keys)
}

/// Why the daemon asks.
pub(super) fn reason(watched: &Watched, profile: &Profile, ticket: Option<&Untrusted>) -> Untrusted {
    let rule = profile.rules().renewal_policy.as_deref().unwrap_or_default();
    let repeated = if ticket.is_some() { "; the ticket is that of the version in force" } else { "" };
    let end = watched.validity.not_after;
    Untrusted::new(format!("renewal by {rule}: version {} ends {end}{repeated}", watched.version))
}
