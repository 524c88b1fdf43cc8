//! Whether the people whom a document names could ever decide under a profile. Ends of grants are not looked at:
//! the document has no clock.

use std::collections::BTreeSet;

use super::authority::{Permission, Permissions, RoleGrant, synthetic};
use super::profile::Profile;
use super::report::{Place, Report};
use super::{Policy, Role};
use crate::identity::directory::Account;

/// One account as the document knows it, with and without every unix group that the document names.
struct Candidate {
    identity: String,
    sure: (Account, Vec<RoleGrant>),
    possible: (Account, Vec<RoleGrant>),
}

/// Reports profiles that nobody could decide or submit under. `places` is in the order of the policy's profiles.
pub(super) fn check(policy: &Policy, places: &[Place], report: &mut Report) {
    let everywhere: Vec<String> = policy.unix_groups.iter().cloned().collect();
    let with_roles = |account: Account| {
        let roles = policy.roles_where(&account, |_| true);
        (account, roles)
    };
    let candidates: Vec<Candidate> = policy
        .known_accounts()
        .iter()
        .map(|name| {
            let sure = synthetic(Some(name), Vec::new());
            let identity = policy
                .person_of(&sure)
                .map_or_else(|| format!("account {name}"), |p| format!("person {p}"));
            let possible = with_roles(synthetic(Some(name), everywhere.clone()));
            Candidate {
                identity,
                sure: with_roles(sure),
                possible,
            }
        })
        .collect();
    let stranger = with_roles(synthetic(None, everywhere));
    for (profile, place) in policy.profiles.iter().zip(places) {
        check_deciders(policy, profile, &candidates, &stranger, place, report);
        let submits = policy.grants.iter().any(|grant| {
            let reaches = grant
                .profiles
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| id == profile.id()));
            grant.role == Role::Requester && reaches
        });
        if !submits {
            report.warning(place, "", "no grant lets anybody submit under it");
        }
    }
}

fn check_deciders(
    policy: &Policy,
    profile: &Profile,
    candidates: &[Candidate],
    stranger: &(Account, Vec<RoleGrant>),
    place: &Place,
    report: &mut Report,
) {
    let need = profile.votes_needed() as usize;
    if need == 0 {
        return;
    }
    let counts = |(account, roles): &(Account, Vec<RoleGrant>)| {
        policy.roles_count_for(roles, profile, account)
    };
    let identities = |kind: fn(&Candidate) -> &(Account, Vec<RoleGrant>)| -> BTreeSet<&str> {
        candidates
            .iter()
            .filter(|c| counts(kind(c)))
            .map(|c| c.identity.as_str())
            .collect()
    };
    let sure = identities(|c| &c.sure);
    let possible = identities(|c| &c.possible);
    let unbounded = counts(stranger);
    let key = if profile.rules().quorum.is_some() {
        "quorum"
    } else {
        "requires_approval"
    };
    if possible.is_empty() && !unbounded {
        return report.error(
            place,
            key,
            format!(
                "{} requires approval, but nobody could decide",
                profile.id()
            ),
        );
    }
    if possible.len() < need && !unbounded {
        let have = possible.len();
        return report.error(
            place,
            key,
            format!("{need} different people have to agree, but only {have} could decide"),
        );
    }
    if sure.len() < need {
        return report.warning(
            place,
            key,
            format!("whether {need} different people could decide depends on unix groups, which this check does not know"),
        );
    }
    let submit = |c: &Candidate| {
        Permissions::from_roles(c.sure.1.clone()).allows(Permission::Submit(profile.id()))
    };
    let decider_submits = candidates
        .iter()
        .any(|c| sure.contains(c.identity.as_str()) && submit(c));
    if sure.len() == need && decider_submits && !unbounded && possible.len() == need {
        report.warning(
            place,
            key,
            format!("only {need} could decide and one of them may submit: such a request of theirs could not be approved"),
        );
    }
}
