//! What one role should not give together: duties that are kept apart so that nobody oversees their own work.

use std::collections::BTreeSet;

use countersign_shared::protocol::{Finding, FindingLevel};
use countersign_shared::time::Timestamp;

use crate::policy::{Permission, PermissionSet, Policy, Role};

/// Permissions of which a role gives one of each side, and what follows.
const APART: [(&[Permission<'_>], &[Permission<'_>], &str); 4] = [
    (
        &[Permission::Submit("")],
        &[Permission::Decide("")],
        "two who have it get certificates past each other, and nobody else is asked where the quorum takes one",
    ),
    (
        &[Permission::Decide("")],
        &[Permission::ProposePolicy],
        "whoever decides on certificates also moves for the rules that they decide under",
    ),
    (
        &[Permission::ProposePolicy],
        &[Permission::AgreeToPolicy],
        "two who have it change every rule where change control asks no group",
    ),
    (
        &[Permission::ExportLedger],
        &[
            Permission::Submit(""),
            Permission::Decide(""),
            Permission::Void(""),
            Permission::RevokeCertificates(""),
            Permission::ProposePolicy,
            Permission::AgreeToPolicy,
        ],
        "whoever takes the ledger out for an audit is among those whom it is about",
    ),
];

/// What the roles of the document that somebody has at `now` undo of the separation of duties. Those that are built in mean the
/// same everywhere, and the documentation says of them what they give together.
pub(super) fn roles(policy: &Policy, now: Timestamp, found: &mut Vec<Finding>) {
    let in_force = policy.grants.iter().filter(|grant| grant.until.is_none_or(|until| now < until));
    let granted: BTreeSet<&Role> = in_force.map(|grant| grant.role.as_ref()).collect();
    for role in granted.into_iter().filter(|role| role.is_of_document()) {
        for (one, other, consequence) in APART {
            let (one, other) = (given(role, one), given(role, other));
            if !one.is_empty() && !other.is_empty() {
                found.push(Finding {
                    level: FindingLevel::Warning,
                    rule: "separation_of_duties".to_owned(),
                    subject: format!("role {}", role.name()),
                    text: format!("it gives {} and {}: {consequence}", one.join(", "), other.join(", ")),
                });
            }
        }
    }
}

fn given(role: &Role, permissions: &[Permission<'_>]) -> Vec<&'static str> {
    let wanted = PermissionSet::of(permissions);
    role.permissions().iter().filter(|permission| wanted.has(*permission)).map(Permission::as_str).collect()
}
