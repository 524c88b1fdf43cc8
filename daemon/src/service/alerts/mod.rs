//! `alert.*`: what people are told, what became of it, and trying it.

mod list;
mod plan;
mod requeue;
mod trial;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::{AlertChannel, AlertSeverity};

pub use list::list;
pub use plan::plan;
pub use requeue::requeue;
pub use trial::test;

use super::actor::Actor;
use super::{permissions_now, sight};
use crate::policy::{Channel, Permission, Policy, Severity};
use crate::store::Transaction;
use crate::store::sight::Sight;

/// What of the messages somebody may see: those about what they may see, and all of them for an auditor, whom the ledger
/// tells as much.
fn sight_of(actor: &Actor, policy: &Policy) -> Result<Sight, ApiError> {
    if actor.permissions.allows(Permission::ExportLedger) {
        return Ok(Sight::All);
    }
    sight::of(actor, policy)
}

/// Refuses whoever does not look after the alerts of a profile; what stands under none is for those whom no list narrows.
fn operates(
    transaction: &Transaction<'_>,
    policy: &Policy,
    actor: &Actor,
    profile: Option<&str>,
    what: &str,
) -> Result<(), ApiError> {
    let permissions = permissions_now(policy, actor, transaction.now());
    if permissions.allows(Permission::ManageAlerts(profile.unwrap_or_default())) {
        return Ok(());
    }
    let under = profile.map_or_else(|| "of all profiles".to_owned(), |profile| format!("of profile {profile}"));
    let message = format!("{} may not {what}: that is for an operator {under}, or an admin", actor.party.account);
    Err(ApiError::new(ErrorKind::Forbidden, message).hint(Permission::ManageAlerts("").needed()).rule("no_role"))
}

/// The channel of the policy that the wire names.
const fn channel(named: AlertChannel) -> Channel {
    match named {
        AlertChannel::Email => Channel::Email,
        AlertChannel::Slack => Channel::Slack,
        AlertChannel::Teams => Channel::Teams,
        AlertChannel::PagerDuty => Channel::PagerDuty,
        AlertChannel::OpsGenie => Channel::OpsGenie,
        AlertChannel::Webhook => Channel::Webhook,
        AlertChannel::Syslog => Channel::Syslog,
        AlertChannel::Command => Channel::Command,
        AlertChannel::Wall => Channel::Wall,
    }
}

const fn wire_channel(channel: Channel) -> AlertChannel {
    match channel {
        Channel::Email => AlertChannel::Email,
        Channel::Slack => AlertChannel::Slack,
        Channel::Teams => AlertChannel::Teams,
        Channel::PagerDuty => AlertChannel::PagerDuty,
        Channel::OpsGenie => AlertChannel::OpsGenie,
        Channel::Webhook => AlertChannel::Webhook,
        Channel::Syslog => AlertChannel::Syslog,
        Channel::Command => AlertChannel::Command,
        Channel::Wall => AlertChannel::Wall,
    }
}

const fn wire_severity(severity: Severity) -> AlertSeverity {
    match severity {
        Severity::Informational => AlertSeverity::Informational,
        Severity::Warning => AlertSeverity::Warning,
        Severity::Critical => AlertSeverity::Critical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_and_the_policy_write_one_list() {
        assert_eq!(AlertChannel::ALL.len(), Channel::ALL.len());
        for known in Channel::ALL {
            assert_eq!((wire_channel(known).as_str(), channel(wire_channel(known))), (known.as_str(), known));
        }
        for severity in [Severity::Informational, Severity::Warning, Severity::Critical] {
            assert_eq!(wire_severity(severity).as_str(), severity.as_str());
        }
    }
}
