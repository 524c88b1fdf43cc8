//! What each name of the document carries under some profiles. Every grant and every member of a group is looked
//! at once, not once for each account that it might reach.

use std::collections::HashMap;
use std::ops::BitOrAssign;

use super::parts::Grant;
use super::profile::Profile;
use super::subject::Member;
use super::{Permission, Policy};
use crate::identity::directory::Account;

/// A set of profiles, or of groups, by their position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Mask([u64; Self::PROFILES / 64]);

impl Mask {
    /// The most profiles of a document.
    pub const PROFILES: usize = 256;
    /// The most groups of a document.
    pub const GROUPS: usize = Self::PROFILES;

    /// Adds one; a position beyond the limit is in no set.
    pub fn add(&mut self, position: usize) {
        if let Some(word) = self.0.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    /// Whether it is in the set.
    pub fn has(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    /// What is in both sets.
    pub fn and(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        self
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
    }
}

/// What somebody carries: the sum over all of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Power {
    /// Counts under every profile, as a member of every group.
    admin: bool,
    /// May decide under these, as far as roles go.
    operates: Mask,
    /// May agree to another policy where change control asks no group.
    agrees: bool,
    /// May propose another policy.
    proposes: bool,
    /// May submit under these.
    pub submits: Mask,
    /// Is in a group that a quorum of these asks.
    within: Mask,
    /// The groups that it is in, by their position in the policy.
    groups: Mask,
}

impl Power {
    /// What one grant gives; `scope` is its profiles.
    fn given(grant: &Grant, scope: Mask) -> Self {
        let gives = |permission| grant.role.gives(grant.profiles.as_deref(), permission);
        let within = |permission| if grant.role.permissions().has(permission) { scope } else { Mask::default() };
        Self {
            admin: gives(Permission::EveryGroup),
            operates: within(Permission::Decide("")),
            agrees: gives(Permission::AgreeToPolicy),
            proposes: gives(Permission::ProposePolicy),
            submits: within(Permission::Submit("")),
            ..Self::default()
        }
    }
}

impl Power {
    /// Which of a quorum's steps somebody fits, as bits; `groups` holds the position of each step's group. Without a
    /// step it is one place for whoever may decide. Without a profile no role is asked for.
    pub fn fills(&self, profile: Option<usize>, groups: &[usize]) -> u8 {
        if self.admin {
            return u8::MAX;
        }
        if profile.is_some_and(|position| !self.operates.has(position)) {
            return 0;
        }
        if groups.is_empty() {
            return u8::from(profile.is_some());
        }
        groups.iter().rev().fold(0, |steps, group| steps << 1 | u8::from(self.groups.has(*group)))
    }

    /// Whether somebody counts under every profile and in every group.
    pub fn is_admin(&self) -> bool {
        self.admin
    }

    /// Whether a role lets somebody agree to another policy where change control asks no group.
    pub fn agrees(&self) -> bool {
        self.agrees
    }

    /// Whether a role lets somebody propose another policy.
    pub fn proposes(&self) -> bool {
        self.proposes
    }

    /// Whether a role lets somebody decide under a profile.
    pub fn may_decide(&self, profile: usize) -> bool {
        self.admin || self.operates.has(profile)
    }

    /// Whether a role lets somebody decide under any profile, or on another policy.
    pub fn may_decide_somewhere(&self) -> bool {
        self.admin || self.agrees || self.operates != Mask::default()
    }

    /// Whether somebody is in the group at this position.
    pub fn is_in(&self, group: usize) -> bool {
        self.groups.has(group)
    }
}

impl BitOrAssign for Power {
    fn bitor_assign(&mut self, other: Self) {
        self.admin |= other.admin;
        self.operates |= other.operates;
        self.agrees |= other.agrees;
        self.proposes |= other.proposes;
        self.submits |= other.submits;
        self.within |= other.within;
        self.groups |= other.groups;
    }
}

/// See the module.
pub(super) struct Powers<'a> {
    policy: &'a Policy,
    carried: HashMap<&'a Member, Power>,
    /// What all grants give together, to whomever.
    pub granted: Power,
    all: Mask,
    /// Profiles whose quorum asks no group.
    open: Mask,
    /// The position of each group.
    groups: HashMap<&'a str, usize>,
}

impl<'a> Powers<'a> {
    /// Over the grants that `holds` lets through.
    pub fn of(policy: &'a Policy, profiles: &[&'a Profile], holds: impl Fn(&Grant) -> bool) -> Self {
        let (mut all, mut open) = (Mask::default(), Mask::default());
        let mut positions: HashMap<&str, usize> = HashMap::new();
        let mut groups: HashMap<&str, Power> = HashMap::new();
        let numbered: HashMap<&str, usize> = policy.groups.keys().map(String::as_str).zip(0..).collect();
        for (group, position) in &numbered {
            groups.entry(group).or_default().groups.add(*position);
        }
        for (position, profile) in profiles.iter().enumerate() {
            positions.insert(profile.id(), position);
            all.add(position);
            let rules = profile.rules();
            if rules.quorum.is_empty() {
                open.add(position);
            }
            for group in rules.step_groups() {
                groups.entry(group).or_default().within.add(position);
            }
        }
        let mut carried: HashMap<&Member, Power> = HashMap::new();
        let mut granted = Power::default();
        for grant in policy.grants.iter().filter(|grant| holds(grant)) {
            let scope = grant.profiles.as_ref().map_or(all, |ids| {
                let mut scope = Mask::default();
                ids.iter().filter_map(|id| positions.get(id.as_str())).for_each(|position| scope.add(*position));
                scope
            });
            let power = Power::given(grant, scope);
            granted |= power;
            match &grant.to {
                Member::Group(group) => *groups.entry(group).or_default() |= power,
                other => *carried.entry(other).or_default() |= power,
            }
        }
        for (group, power) in groups {
            for member in policy.groups.get(group).into_iter().flatten() {
                *carried.entry(member).or_default() |= power;
            }
        }
        Self { policy, carried, granted, all, open, groups: numbered }
    }

    /// The position of a group; nobody is in one that the policy does not have.
    pub fn position_of(&self, group: &str) -> usize {
        self.groups.get(group).copied().unwrap_or(usize::MAX)
    }

    /// What an account carries. None where two people claim it: such an account has no role.
    pub fn of_account(&self, account: &Account) -> Power {
        let mut power = Power::default();
        if self.policy.conflicting_people(account).is_none() {
            self.policy.names_of(account).iter().for_each(|name| power |= self.of_member(name));
        }
        power
    }

    /// What whoever is in every unix group that the document names carries by that alone.
    pub fn of_every_unix_group(&self) -> Power {
        let mut power = Power::default();
        self.policy.unix_groups.iter().for_each(|group| power |= self.of_member(&Member::UnixGroup(group.clone())));
        power
    }

    /// The profiles under which somebody's vote counts: the rule of [`Policy::counts_for`] while nothing is escalated.
    pub fn counts(&self, power: &Power) -> Mask {
        if power.admin {
            return self.all;
        }
        let mut asked = self.open;
        asked |= power.within;
        power.operates.and(asked)
    }

    fn of_member(&self, member: &Member) -> Power {
        self.carried.get(member).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_holds_what_was_added_and_nothing_beyond_its_end() {
        let mut mask = Mask::default();
        for position in [0, 63, 64, 255, 256, usize::MAX] {
            mask.add(position);
        }
        let held: Vec<usize> = (0..300).filter(|position| mask.has(*position)).collect();
        assert_eq!(held, [0, 63, 64, 255]);
        let mut other = Mask::default();
        other.add(64);
        assert_eq!(mask.and(other), other);
    }
}
