//! From a caller's roles to the rows that it may see.

use countersign_shared::error::{ApiError, ErrorKind};

use super::actor::Actor;
use crate::policy::{ANYBODY, CHANGES, Permission, Policy};
use crate::store::sight::{Own, Sight};

/// What `actor` may see; refused for somebody who may see nothing at all.
pub fn of(actor: &Actor, policy: &Policy) -> Result<Sight, ApiError> {
    let may = |permission: Permission<'_>| actor.permissions.allows(permission);
    // A profile that has left the policy is still seen by whoever sees every profile by role alone.
    if may(Permission::ReadAllRequests("")) {
        return Ok(Sight::All);
    }
    // Whoever may decide by a say that was handed over sees what it may decide on.
    let given = |id: &str| actor.held.iter().any(|held| held.shows(policy, id));
    let profiles = policy.profiles().iter().map(|profile| profile.id());
    let mut seen: Vec<String> =
        profiles.filter(|id| may(Permission::ReadAllRequests(id)) || given(id)).map(str::to_owned).collect();
    // Whoever may decide on another policy sees what is proposed, with or without a role.
    let terms = policy.change_control().terms();
    let asks_anybody = terms.groups().any(|group| group == ANYBODY) && may(Permission::AgreeToPolicy);
    if asks_anybody || !policy.groups_of(terms.groups(), &actor.account).is_empty() {
        seen.push(CHANGES.to_owned());
    }
    let own = may(Permission::ReadOwnRequests).then(|| Own {
        account: actor.party.account.clone(),
        uid: actor.party.uid,
        person: actor.party.person.clone(),
    });
    if seen.is_empty() && own.is_none() {
        let message = format!("{} has no role that reads requests or certificates", actor.party.account);
        return Err(ApiError::new(ErrorKind::Forbidden, message)
            .hint("countersign whoami shows your roles; an admin changes them in the policy")
            .rule("no_role"));
    }
    Ok(Sight::Some { profiles: seen, own })
}
