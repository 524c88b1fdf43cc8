//! What has to be done before the writer's turn: signatures are verified and keys are made on threads of their own.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::id::CertificateId;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::step::{Act, decide};
use super::{Renewals, due_time};
use crate::alerts::rows::Watched;
use crate::made_key::{self, Asked, Keys};
use crate::policy::{Policy, Profile, RenewKey};
use crate::store::rows::submissions::{self, Submission};
use crate::store::rows::{certificates, jobs};
use crate::store::transaction::Failure;
use crate::x509::{ParsedCsr, csr};

/// A certificate whose renewal is due.
pub(super) struct Prepared {
    /// As it was watched then.
    pub(super) watched: Watched,
    /// What to ask with, or why there is nothing; none where nothing new is asked for.
    pub(super) source: Option<Result<Source, ApiError>>,
}

/// What a renewal is asked for with.
pub struct Source {
    /// The CSR, its proof of possession checked.
    pub csr: ParsedCsr,
    /// The submission of the version in force.
    pub in_force: Submission,
    /// The guard of a key that was made for it.
    pub made: Option<Asked>,
}

/// Prepares those for which something new is to be asked.
pub(super) async fn prepare(of: &Renewals, due: Vec<Watched>) -> Result<Vec<Prepared>, ApiError> {
    let policy = of.policy.now();
    let (rules, keys, tick, wall) = (policy.clone(), of.keys.clone(), of.line.tick(), of.line.wall());
    let read = move |connection: &Connection| {
        let now = due_time(connection, wall)?;
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

/// The CSR that a renewal is asked for with where nobody brings one: the one of the version in force, or one for a new
/// key. Blocks.
pub fn source(
    profile: &Profile,
    certificate: &CertificateId,
    in_force: Submission,
    keys: &Keys,
) -> Result<Source, ApiError> {
    match profile.rules().renew_key {
        RenewKey::Same => Ok(Source { csr: csr::parse_der(&in_force.csr)?, in_force, made: None }),
        RenewKey::New => {
            let kind = made_key::kind(profile, in_force.content.key).ok_or_else(|| {
                ApiError::new(ErrorKind::Invalid, format!("profile {} allows no key that is made here", profile.id()))
            })?;
            let made = made_key::make(kind, &in_force.content)?;
            let asked = keys.keep(certificate, made.csr.spki_sha256, &made.pem)?;
            Ok(Source { csr: made.csr, in_force, made: Some(asked) })
        }
    }
}

/// What the version in force was issued for.
pub fn submission_in_force(connection: &Connection, certificate: &str) -> Result<Submission, Failure> {
    let missing = || ApiError::internal(format!("what {certificate} was issued for is missing"));
    let id: CertificateId = certificate.parse().map_err(ApiError::internal)?;
    let job = certificates::job_in_force(connection, &id)?.ok_or_else(missing)?;
    let job = jobs::get(connection, &job)?.ok_or_else(missing)?;
    Ok(submissions::get(connection, job.submission_id)?)
}

/// Why the daemon asks.
pub(super) fn reason(watched: &Watched, profile: &Profile, ticket: Option<&Untrusted>) -> Untrusted {
    let rule = profile.rules().renewal_policy.as_deref().unwrap_or_default();
    let repeated = if ticket.is_some() { "; the ticket is that of the version in force" } else { "" };
    let end = watched.validity.not_after;
    Untrusted::new(format!("renewal by {rule}: version {} ends {end}{repeated}", watched.version))
}
