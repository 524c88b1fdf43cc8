//! `profile.list`, `profile.get`, `policy.get`, `policy.check`.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{
    PolicyCheckParams, PolicyCheckResult, PolicyResult, Profile, ProfileIdParams, ProfileList,
};

use super::Service;
use super::decide::not_found;
use crate::ipc::Connection;
use crate::policy::{Permission, Policy};
use crate::store::rows::policies;

/// Profiles that the caller may see.
pub fn profiles(service: &Service, connection: &Connection) -> Result<ProfileList, ApiError> {
    let actor = service.actor(connection)?;
    let policy = service.policy.now();
    let seen =
        policy.profiles().iter().filter(|profile| actor.permissions.allows(Permission::ReadProfile(profile.id())));
    let profiles: Vec<Profile> = seen.map(|profile| profile.to_view(service.facts.approval_timeout)).collect();
    if profiles.is_empty() {
        return Err(forbidden(&actor.party.account, "sees any profile"));
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
        return Err(forbidden(&actor.party.account, "reads the policy"));
    }
    let row = service.readers.read(|connection| Ok(policies::in_force(connection)?)).await?;
    let row = row.ok_or_else(|| ApiError::internal("no policy is in force"))?;
    Ok(PolicyResult {
        version: row.version,
        sha256: row.sha256,
        in_force_since: row.in_force_since,
        document: row.document,
    })
}

/// Judges a document. Anybody may ask: the answer tells nothing but what stands in the question.
pub fn check(params: &PolicyCheckParams) -> PolicyCheckResult {
    match Policy::parse(&params.document) {
        Ok((_, warnings)) => PolicyCheckResult { valid: true, errors: Vec::new(), warnings },
        Err(errors) => PolicyCheckResult { valid: false, errors, warnings: Vec::new() },
    }
}

fn forbidden(account: &str, what: &str) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, format!("{account} has no role that {what}"))
        .hint("countersign whoami shows your roles; an admin changes them in the policy")
        .rule("no_role")
}
