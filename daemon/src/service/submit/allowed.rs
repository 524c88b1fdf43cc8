//! What the policy in force makes of a CSR, for a caller who may ask for it: of a submission, and of an amendment.

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::time::Timestamp;

use crate::intake::{Ask, Intake, intake};
use crate::policy::{Permission, Policy};
use crate::service::actor::Actor;
use crate::service::permissions_now;
use crate::x509::ParsedCsr;

/// Takes it in under the one profile that carries it; refused where the caller may not ask under that.
pub fn allowed(
    policy: &Policy,
    actor: &Actor,
    now: Timestamp,
    csr: &ParsedCsr,
    ask: &Ask<'_>,
) -> Result<Intake, ApiError> {
    let permissions = permissions_now(policy, actor, now);
    // The daemon asks for what the policy tells it to, under the profile that it names.
    let may_submit = |id: &str| actor.is_daemon || permissions.allows(Permission::Submit(id));
    if !policy.profiles().iter().any(|profile| may_submit(profile.id())) {
        let message = format!("{} may not request certificates under any profile", actor.party.account);
        return Err(ApiError::new(ErrorKind::Forbidden, message).hint(Permission::Submit("").needed()).rule("no_role"));
    }
    let intake = intake(policy, csr, ask, |profile| may_submit(profile.id()))?;
    if intake.profile.rules().require_login_session && actor.party.login_uid.is_none() && !actor.is_daemon {
        let message = format!("profile {} takes requests from login sessions alone", intake.profile.id());
        return Err(ApiError::new(ErrorKind::Forbidden, message)
            .hint("log in (ssh, console); a service or container has no login")
            .rule("login_required"));
    }
    Ok(intake)
}
