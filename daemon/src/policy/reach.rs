//! Whether the people whom a document names could ever decide under a profile. Ends of grants are not looked at:
//! the document has no clock.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::{Permission, Permissions, RoleGrant, roles_count, synthetic};
use super::profile::Profile;
use super::report::{Place, Report};
use super::{Policy, Role};
use crate::identity::directory::Account;

/// One account, and what it may do as far as the document tells.
struct View {
    account: Account,
    roles: Vec<RoleGrant>,
}

/// An account that the document names: in no unix group, and in every one that the document names.
struct Candidate {
    identity: String,
    sure: View,
    possible: View,
}

/// Everybody there is.
struct People<'a> {
    policy: &'a Policy,
    candidates: Vec<Candidate>,
    /// Somebody whom the document does not name, in every unix group that it names.
    stranger: View,
    /// For each quorum group, which candidates are in it, surely and possibly.
    members: BTreeMap<&'a str, Vec<(bool, bool)>>,
}

/// Reports profiles that nobody could decide or submit under. `places` is in the order of the policy's profiles.
pub(super) fn check(policy: &Policy, places: &[Place], report: &mut Report) {
    let people = People::of(policy);
    for (profile, place) in policy.profiles.iter().zip(places) {
        people.check_deciders(profile, place, report);
        let submits = policy.grants.iter().any(|grant| {
            let reaches = grant.profiles.as_ref().is_none_or(|ids| ids.iter().any(|id| id == profile.id()));
            grant.role == Role::Requester && reaches
        });
        if !submits {
            report.warning(place, "", "no grant lets anybody submit under it");
        }
    }
}

impl<'a> People<'a> {
    fn of(policy: &'a Policy) -> Self {
        let everywhere: Vec<String> = policy.unix_groups.iter().cloned().collect();
        let view = |account: Account| View { roles: policy.roles_where(&account, |_| true), account };
        let candidate = |name| {
            let sure = view(synthetic(Some(name), Vec::new()));
            let person = policy.person_of(&sure.account);
            let identity = person.map_or_else(|| format!("account {name}"), |person| format!("person {person}"));
            Candidate { identity, sure, possible: view(synthetic(Some(name), everywhere.clone())) }
        };
        let candidates: Vec<Candidate> = policy.known_accounts().iter().map(candidate).collect();
        let mut members = BTreeMap::new();
        for step in policy.profiles.iter().filter_map(|profile| profile.rules().quorum.as_ref()) {
            members.entry(step.group.as_str()).or_insert_with(|| {
                let within = |view: &View| policy.in_group(&step.group, &view.account);
                candidates.iter().map(|c| (within(&c.sure), within(&c.possible))).collect()
            });
        }
        Self { policy, candidates, stranger: view(synthetic(None, everywhere.clone())), members }
    }

    fn check_deciders(&self, profile: &Profile, place: &Place, report: &mut Report) {
        let need = profile.votes_needed() as usize;
        if need == 0 {
            return;
        }
        let (sure, possible) = self.identities(profile);
        let unbounded =
            roles_count(&self.stranger.roles, profile, |group| self.policy.in_group(group, &self.stranger.account));
        let key = if profile.rules().quorum.is_some() { "quorum" } else { "requires_approval" };
        if possible.is_empty() && !unbounded {
            return report.error(place, key, format!("{} requires approval, but nobody could decide", profile.id()));
        }
        if possible.len() < need && !unbounded {
            let have = possible.len();
            let what = format!("{need} different people have to agree, but only {have} could decide");
            return report.error(place, key, what);
        }
        if sure.len() < need {
            let what = format!("whether {need} different people could decide depends on unix groups, unknown here");
            return report.warning(place, key, what);
        }
        let submits = |candidate: &Candidate| {
            let permissions = Permissions::from_roles(candidate.sure.roles.clone());
            sure.contains(candidate.identity.as_str()) && permissions.allows(Permission::Submit(profile.id()))
        };
        if possible.len() == need && !unbounded && self.candidates.iter().any(submits) {
            let what = format!("only {need} could decide, and what one of them submits could not be approved");
            report.warning(place, key, what);
        }
    }

    /// Who surely and who possibly counts under a profile.
    fn identities(&self, profile: &Profile) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let members = profile.rules().quorum.as_ref().and_then(|step| self.members.get(step.group.as_str()));
        let (mut sure, mut possible) = (BTreeSet::new(), BTreeSet::new());
        for (number, candidate) in self.candidates.iter().enumerate() {
            let within = members.map_or((true, true), |members| members.get(number).copied().unwrap_or((false, false)));
            if roles_count(&candidate.sure.roles, profile, |_| within.0) {
                sure.insert(candidate.identity.as_str());
            }
            if roles_count(&candidate.possible.roles, profile, |_| within.1) {
                possible.insert(candidate.identity.as_str());
            }
        }
        (sure, possible)
    }
}
