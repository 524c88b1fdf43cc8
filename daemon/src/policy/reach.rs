//! Whether the people whom a document names could ever decide under a profile. Ends of grants are not looked at:
//! the document has no clock.

use std::ops::BitOrAssign;

use super::Policy;
use super::authority::synthetic;
use super::powers::{Mask, Powers};
use super::profile::Profile;
use super::report::{Place, Report};

/// A person, or an account that is nobody's: the profiles under which it can do something, as far as the document
/// tells. An account is surely in no unix group, and possibly in every one that the document names.
#[derive(Clone, Copy, Default)]
struct Identity {
    surely_counts: Mask,
    possibly_counts: Mask,
    submits: Mask,
}

impl BitOrAssign for Identity {
    fn bitor_assign(&mut self, other: Self) {
        self.surely_counts |= other.surely_counts;
        self.possibly_counts |= other.possibly_counts;
        self.submits |= other.submits;
    }
}

/// Everybody there is.
struct People {
    identities: Vec<Identity>,
    /// The same of somebody whom the document does not name.
    stranger: Mask,
}

/// Reports profiles that nobody could decide or submit under. `places` is in the order of the policy's profiles.
pub(super) fn check(policy: &Policy, places: &[Place], report: &mut Report) {
    let profiles: Vec<&Profile> = policy.profiles.iter().collect();
    let powers = Powers::of(policy, &profiles, |_| true);
    let people = People::of(policy, &powers);
    for (position, (profile, place)) in profiles.iter().zip(places).enumerate() {
        people.check_deciders(position, profile, place, report);
        if !powers.granted.submits.has(position) {
            report.warning(place, "", "no grant lets anybody submit under it");
        }
    }
}

impl People {
    fn of(policy: &Policy, powers: &Powers<'_>) -> Self {
        let everywhere = powers.of_every_unix_group();
        let mut identities = vec![Identity::default(); policy.people.len()];
        for name in policy.known_accounts() {
            let sure = powers.of_account(&synthetic(Some(&name), Vec::new()));
            let mut possible = sure;
            possible |= everywhere;
            // An account counts by itself: the role of one and the group of another are not added up.
            let account = Identity {
                surely_counts: powers.counts(&sure),
                possibly_counts: powers.counts(&possible),
                submits: sure.submits,
            };
            match policy.owners.get(&name).and_then(|person| identities.get_mut(*person)) {
                Some(person) => *person |= account,
                None => identities.push(account),
            }
        }
        Self { identities, stranger: powers.counts(&everywhere) }
    }

    fn check_deciders(&self, position: usize, profile: &Profile, place: &Place, report: &mut Report) {
        let need = profile.votes_needed() as usize;
        if need == 0 {
            return;
        }
        let count = |counts: fn(&Identity) -> Mask| self.identities.iter().filter(|i| counts(i).has(position)).count();
        let (sure, possible) = (count(|i| i.surely_counts), count(|i| i.possibly_counts));
        let unbounded = self.stranger.has(position);
        let key = if profile.rules().quorum.is_some() { "quorum" } else { "requires_approval" };
        if possible == 0 && !unbounded {
            return report.error(place, key, format!("{} requires approval, but nobody could decide", profile.id()));
        }
        if possible < need && !unbounded {
            let what = format!("{need} different people have to agree, but only {possible} could decide");
            return report.error(place, key, what);
        }
        if sure < need {
            let what = format!("whether {need} different people could decide depends on unix groups, unknown here");
            return report.warning(place, key, what);
        }
        let submits = |identity: &Identity| identity.surely_counts.and(identity.submits).has(position);
        if possible == need && !unbounded && self.identities.iter().any(submits) {
            let what = format!("only {need} could decide, and what one of them submits could not be approved");
            report.warning(place, key, what);
        }
    }
}
