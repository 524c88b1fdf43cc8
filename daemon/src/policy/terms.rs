//! The terms of a request: how many different people of which groups have to agree, resolved from a profile, the
//! owner of the certificate, and whether a human asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use countersign_shared::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::authority::synthetic;
use super::profile::Profile;
use super::quorum::{QuorumOrder, QuorumStep};
use super::subject::is_identifier;
use super::{ChangeControl, Permission, Permissions, Policy};
use crate::identity::directory::Account;

/// Stands in the place of a group's name: any operator of the profile, who is whoever may approve there; for a change of the
/// policy, whoever may agree to one. An admin is one too.
pub const ANYBODY: &str = "*";

/// What changes of the policy stand under where requests stand under a profile; no profile has this id.
pub const CHANGES: &str = "policy";

/// Who has to agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The steps, at least one; each place is filled by another person.
    pub steps: Vec<Asked>,
    /// True where a step is asked only when those before it are filled.
    pub ordered: bool,
    /// How many people have to reject to end the request; at least 1.
    pub reject_threshold: u32,
}

/// So many different people of one group; `pki:2` in ledger records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The group's name, or [`ANYBODY`].
    pub group: String,
    /// How many; at least 1.
    pub need: u32,
}

impl Terms {
    /// All places together.
    pub fn places(&self) -> u32 {
        self.steps.iter().map(|step| step.need).sum()
    }

    /// The groups that are asked, each once for each step.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().map(|step| step.group.as_str())
    }

    /// The terms to judge by where a request was made under these and `now` are those of the policy in force: what
    /// it was made under stands unless what is in force asks for more; each rejection weighs what is worth more.
    pub fn or_stricter(&self, now: &Self) -> Self {
        let quorum = if now == self || now.asks_for_as_much_as(self) { now } else { self };
        Self {
            steps: quorum.steps.clone(),
            ordered: quorum.ordered,
            reject_threshold: self.reject_threshold.min(now.reject_threshold),
        }
    }

    /// True where whatever people satisfy these terms would satisfy the others as well.
    ///
    /// Places of a group can stand for those of the same group and for those of anybody, since whoever fills one may
    /// decide under the profile. Where the others have an order, it has to be kept.
    pub fn asks_for_as_much_as(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.by_group(), other.by_group());
        let named = theirs
            .iter()
            .filter(|(group, _)| **group != ANYBODY)
            .all(|(group, need)| mine.get(group).is_some_and(|have| have >= need));
        named && self.places() >= other.places() && (!other.ordered || self.keeps_order_of(other))
    }

    fn by_group(&self) -> BTreeMap<&str, u32> {
        let mut needs = BTreeMap::new();
        for step in &self.steps {
            *needs.entry(step.group.as_str()).or_default() += step.need;
        }
        needs
    }

    fn keeps_order_of(&self, other: &Self) -> bool {
        let mut mine = self.groups();
        self.ordered && other.groups().all(|group| mine.any(|own| own == group))
    }
}

impl Policy {
    /// The terms of a request under `profile` for a certificate of `owner`: the quorum of the first route that
    /// matches the owner, else the profile's own; and more people where the scheduler asks and not a human.
    pub fn terms(&self, profile: &Profile, owner: &Account, by_scheduler: bool) -> Terms {
        let rules = profile.rules();
        let route = rules.routes.iter().find(|route| self.is_member(&route.owner, owner));
        let (quorum, order) = match route {
            Some(route) => (&route.quorum, route.quorum_order),
            None => (&rules.quorum, rules.quorum_order),
        };
        let mut terms = made_of(quorum, order, rules.reject_threshold);
        if by_scheduler && rules.extra_for_scheduler > 0 {
            terms.steps.push(Asked { group: ANYBODY.to_owned(), need: rules.extra_for_scheduler });
        }
        terms
    }

    /// Who could decide changes of the policy at `now` besides the proposer's person: admins, members of the groups
    /// that change control asks, and where it asks none whoever may agree; in the policy's words, sorted.
    pub fn change_deciders(&self, proposer: &Account, now: Timestamp) -> Vec<String> {
        let terms = self.change_control().terms();
        let own = self.person_of(proposer);
        let mut named = BTreeSet::new();
        for name in self.known_accounts() {
            let account = synthetic(Some(&name), Vec::new());
            let person = self.person_of(&account);
            let same = name.is(proposer) || (own.is_some() && person == own);
            let permissions = Permissions::of(self, &account, now);
            let as_anybody =
                permissions.allows(Permission::AgreeToPolicy) && terms.groups().any(|group| group == ANYBODY);
            let in_group = || !self.groups_of(terms.groups(), &account).is_empty();
            let counts = permissions.is_admin() || as_anybody || in_group();
            if !same && counts {
                named.insert(person.map_or_else(|| name.to_string(), str::to_owned));
            }
        }
        named.into_iter().collect()
    }
}

impl ChangeControl {
    /// The terms of a change of the policy.
    pub fn terms(&self) -> Terms {
        made_of(&self.quorum, self.quorum_order, self.reject_threshold)
    }
}

pub(super) fn made_of(quorum: &[QuorumStep], order: QuorumOrder, reject_threshold: u32) -> Terms {
    let steps: Vec<Asked> =
        quorum.iter().map(|step| Asked { group: step.group.clone(), need: step.need.max(1) }).collect();
    let anybody = || vec![Asked { group: ANYBODY.to_owned(), need: 1 }];
    Terms {
        steps: if steps.is_empty() { anybody() } else { steps },
        ordered: order == QuorumOrder::Ordered,
        reject_threshold: reject_threshold.max(1),
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.group, self.need)
    }
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, String> {
        let (group, need) = raw.rsplit_once(':').ok_or("a step of a quorum is written group:need")?;
        let need = need.parse().ok().filter(|need| *need >= 1).ok_or("a step of a quorum needs at least one person")?;
        if group != ANYBODY && !is_identifier(group) {
            return Err(format!("a step of a quorum names a group or {ANYBODY}"));
        }
        Ok(Self { group: group.to_owned(), need })
    }
}

impl Serialize for Asked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(steps: &str, ordered: bool, reject_threshold: u32) -> Terms {
        Terms { steps: steps.split(' ').map(|step| step.parse().unwrap()).collect(), ordered, reject_threshold }
    }

    #[test]
    fn what_asks_for_more_takes_the_place_of_what_a_request_was_made_under_and_nothing_else_does() {
        // Made under, in force now, whether the latter holds.
        let table = [
            (("*:1", false), ("pki:1", false), true),
            (("*:1", false), ("*:2", false), true),
            (("*:2", false), ("pki:1 sec:1", false), true),
            (("*:2", false), ("pki:1", false), false),
            (("pki:1", false), ("*:1", false), false),
            (("pki:1", false), ("*:5", false), false),
            (("pki:2", false), ("pki:1 sec:5", false), false),
            (("pki:1", false), ("pki:1 sec:1", false), true),
            (("pki:1 sec:1", false), ("pki:1", false), false),
            (("pki:1 sec:1", false), ("sec:1 pki:1", false), true),
            (("pki:1 sec:1", true), ("sec:1 pki:1", true), false),
            (("pki:1 sec:1", true), ("pki:1 sec:1", false), false),
            (("pki:1 sec:1", true), ("pki:1 law:1 sec:1", true), true),
            (("pki:1 sec:1", false), ("pki:1 sec:1", true), true),
        ];
        for ((made, made_ordered), (now, now_ordered), holds) in table {
            let (made, now) = (terms(made, made_ordered, 2), terms(now, now_ordered, 3));
            let judged = made.or_stricter(&now);
            let expected = if holds { &now } else { &made };
            assert_eq!((&judged.steps, judged.ordered), (&expected.steps, expected.ordered), "{made:?} {now:?}");
            assert_eq!(judged.reject_threshold, 2, "the lower threshold is the stricter one");
        }
    }

    const ROUTED: &str = r#"
version = 1
[[person]]
name = "alice"
accounts = ["alice", "alice-adm"]
[[group]]
name = "pay"
members = ["person:alice", "user:dan", "user:eve"]
[[group]]
name = "sec"
members = ["user:bob", "user:fay", "user:gil"]
[[grant]]
role = "operator"
to = "group:sec"
[[profile]]
id = "p-web"
name = "Web"
environment = "production"
names = ["*.corp.example"]
requires_approval = true
quorum_order = "ordered"
quorum = [{ group = "pay", need = 1 }, { group = "sec", need = 1 }]
reject_threshold = 2
extra_for_scheduler = 1
route = [
    { owner = "user:bob", quorum = [{ group = "pay", need = 2 }] },
    { owner = "group:pay", quorum = [{ group = "sec", need = 1 }] },
]
issuer = "local-ca"
keys = ["ecdsa-p256"]
max_validity = "90d"
[[grant]]
role = "operator"
to = "group:pay"
[[issuer]]
id = "local-ca"
type = "local-ca"
"#;

    #[test]
    fn the_owner_decides_the_route_and_the_scheduler_needs_one_person_more() {
        let policy = Policy::parse(ROUTED).unwrap().0;
        let profile = policy.profile("p-web").unwrap();
        let account = |uid, name: &str| Account { uid, name: Some(name.to_owned()), unix_groups: Vec::new() };
        let steps = |owner: &Account, scheduler| {
            let terms = policy.terms(profile, owner, scheduler);
            (terms.steps.iter().map(Asked::to_string).collect::<Vec<String>>().join(" "), terms.ordered)
        };
        let (alice, bob, zoe) = (account(7, "alice-adm"), account(8, "bob"), account(9, "zoe"));
        assert_eq!(steps(&zoe, false), ("pay:1 sec:1".to_owned(), true));
        assert_eq!(steps(&zoe, true), ("pay:1 sec:1 *:1".to_owned(), true));
        assert_eq!(steps(&bob, false), ("pay:2".to_owned(), false));
        assert_eq!(steps(&alice, false), ("sec:1".to_owned(), false), "through the group, by another account of hers");
        assert_eq!(steps(&alice, true), ("sec:1 *:1".to_owned(), false));
        assert_eq!(policy.terms(profile, &zoe, false).reject_threshold, 2);
        let control = policy.change_control().terms();
        assert_eq!((control.steps[0].to_string(), control.steps.len()), ("*:1".to_owned(), 1));
    }

    #[test]
    fn terms_are_written_and_read() {
        let terms = terms("pki:2 *:1", true, 1);
        let json = serde_json::to_string(&terms).unwrap();
        assert_eq!(json, r#"{"steps":["pki:2","*:1"],"ordered":true,"reject_threshold":1}"#);
        assert_eq!(serde_json::from_str::<Terms>(&json).unwrap(), terms);
        for bad in ["", "pki", "pki:0", "pki:-1", "PKI:1", ":1", "a b:1"] {
            assert!(bad.parse::<Asked>().is_err(), "{bad}");
        }
    }
}
