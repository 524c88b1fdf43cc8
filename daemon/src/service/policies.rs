//! `profile.list`, `profile.get`, `policy.get`, `policy.check`.

use std::sync::Arc;
use std::time::Duration;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    FindingLevel, PolicyCheckParams, PolicyCheckResult, PolicyResult, Profile, ProfileIdParams, ProfileList,
};
use tokio::sync::Semaphore;

use super::Service;
use super::decide::not_found;
use super::propose::history;
use super::propose::study::{Studied, Study, in_a_line};
use crate::ipc::Connection;
use crate::policy::Permission;
use crate::store::rows::policies;

/// How long a check waits for the one before it.
const CHECK_WAIT: Duration = Duration::from_secs(5);

/// Profiles that the caller may see.
pub fn profiles(service: &Service, connection: &Connection) -> Result<ProfileList, ApiError> {
    let actor = service.actor(connection)?;
    let policy = service.policy.now();
    let seen =
        policy.profiles().iter().filter(|profile| actor.permissions.allows(Permission::ReadProfile(profile.id())));
    let profiles: Vec<Profile> = seen.map(|profile| profile.to_view(service.facts.approval_timeout)).collect();
    if profiles.is_empty() {
        return Err(forbidden(&actor.party.account, "sees any profile", Permission::ReadProfile("")));
    }
    Ok(ProfileList { profiles })
}

/// One profile.
pub fn profile(service: &Service, connection: &Connection, params: &ProfileIdParams) -> Result<Profile, ApiError> {
    let found = profiles(service, connection)?.profiles.into_iter().find(|profile| profile.id == params.id);
    found.ok_or_else(|| not_found(&countersign_shared::text::Untrusted::from(params.id.as_str()).safe()))
}

/// The document in force.
pub async fn get(service: &Service, connection: &Connection) -> Result<PolicyResult, ApiError> {
    let actor = service.actor(connection)?;
    if !actor.permissions.allows(Permission::ReadPolicy) {
        return Err(forbidden(&actor.party.account, "reads the policy", Permission::ReadPolicy));
    }
    let row = service.readers.read_for(connection.peer.uid(), |connection| Ok(policies::in_force(connection)?)).await?;
    let row = row.ok_or_else(|| ApiError::internal("no policy is in force"))?;
    Ok(PolicyResult {
        version: row.version,
        sha256: row.sha256,
        in_force_since: row.in_force_since,
        document: row.document,
    })
}

/// Judges a document, for everybody with a role, root, and whoever runs a demo: it costs the processor some time.
pub async fn check(
    service: &Service,
    connection: &Connection,
    params: PolicyCheckParams,
) -> Result<PolicyCheckResult, ApiError> {
    let actor = service.actor(connection)?;
    if !service.facts.demo {
        actor.has_any_role("checks policies; so does a demo of one's own: countersignd --demo")?;
    }
    let may = |permission| actor.permissions.allows(permission);
    // What the policy in force says, and what others ask for, is told to those who may read it.
    let history = match may(Permission::ReadAllRequests("")) {
        true => Some(history::read(service, connection.peer.uid()).await?),
        false => None,
    };
    let base = service.policy.now();
    let study = Study { base, now: service.line.wall(), history, compare: may(Permission::ReadPolicy) };
    service.checks.run(move || result(study.of(&params.document))).await
}

/// A policy that nobody could live with is none that could take force.
fn result(studied: Result<Studied, Vec<String>>) -> PolicyCheckResult {
    match studied {
        Ok(Studied { warnings, differences, findings, .. }) => {
            let errors: Vec<String> =
                findings.iter().filter(|found| found.level == FindingLevel::Error).map(in_a_line).collect();
            PolicyCheckResult { valid: errors.is_empty(), errors, warnings, differences, findings }
        }
        Err(errors) => PolicyCheckResult {
            valid: false,
            errors,
            warnings: Vec::new(),
            differences: Vec::new(),
            findings: Vec::new(),
        },
    }
}

/// Checks of documents: one at a time, away from the threads that serve sockets.
#[derive(Debug)]
pub struct Checks {
    turn: Arc<Semaphore>,
    wait: Duration,
}

impl Default for Checks {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), wait: CHECK_WAIT }
    }
}

impl Checks {
    /// Does the work in its turn.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let stopping = || ApiError::new(ErrorKind::Unavailable, "the daemon is shutting down");
        let turn = tokio::time::timeout(self.wait, self.turn.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| {
            ApiError::new(ErrorKind::RateLimited, "other policy documents are being checked, one at a time")
                .hint("try again in some seconds")
        })?;
        let turn = turn.map_err(|_| stopping())?;
        let in_turn = move || {
            // Held until the work ends, not until the caller has lost interest.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(in_turn).await.map_err(|_| stopping())
    }
}

fn forbidden(account: &str, what: &str, permission: Permission<'_>) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, format!("{account} has no role that {what}"))
        .hint(permission.needed())
        .rule("no_role")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[tokio::test]
    async fn a_check_that_gets_no_turn_in_time_is_refused_and_the_next_is_not() {
        let checks = Checks { wait: Duration::from_millis(10), ..Checks::default() };
        let turn = checks.turn.clone().acquire_owned().await.unwrap();
        assert_eq!(checks.run(|| 1).await.unwrap_err().kind, ErrorKind::RateLimited);
        drop(turn);
        assert_eq!(checks.run(|| 1).await.unwrap(), 1);
    }

    #[test]
    fn what_cannot_be_read_or_lived_with_is_not_valid() {
        let study = |document: &str| {
            let base = Arc::new(Policy::parse("version = 1").unwrap().0);
            let study = Study { base, now: countersign_shared::time::Timestamp::EPOCH, history: None, compare: true };
            result(study.of(document))
        };
        let unreadable = study("version = 2");
        assert!(!unreadable.valid && !unreadable.errors.is_empty() && unreadable.findings.is_empty());
        let for_ever = study("version = 1");
        assert_eq!((for_ever.valid, for_ever.errors.len(), for_ever.findings.len()), (false, 1, 1));
        assert!(for_ever.errors[0].starts_with("change_control: nobody could propose another policy"));
        let admins = "version = 1\n[[grant]]\nrole = \"admin\"\nto = \"user:a\"\n\
                      [[grant]]\nrole = \"admin\"\nto = \"user:b\"\n";
        let fine = study(admins);
        assert!(fine.valid && fine.errors.is_empty() && !fine.differences.is_empty());
    }
}
