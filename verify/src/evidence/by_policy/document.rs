//! As much of a policy document as says who has to agree. What else stands in it is another program's matter, and ignored.

use serde::Deserialize;

use super::super::quorum::Terms;
use super::standing::{Account, Held, Standing};
use countersign_shared::protocol::SignatureDemand;
use countersign_shared::time::Span;

/// Stands in the place of a group's name: any operator of the profile.
pub(super) const ANYBODY: &str = "*";

/// The tables.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tables {
    pub(super) person: Vec<Person>,
    pub(super) group: Vec<Group>,
    pub(super) role: Vec<Role>,
    pub(super) grant: Vec<Grant>,
    profile: Vec<Profile>,
    change_control: ChangeControl,
}

/// One human.
#[derive(Debug, Deserialize)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) accounts: Vec<String>,
}

/// Who is in it, as it is written.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) members: Vec<String>,
}

/// A role of the document's own.
#[derive(Debug, Deserialize)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) permissions: Vec<String>,
}

/// A role given to somebody.
#[derive(Debug, Deserialize)]
pub(super) struct Grant {
    pub(super) role: String,
    pub(super) to: String,
    pub(super) profiles: Option<Vec<String>>,
    pub(super) until: Option<toml::value::Datetime>,
}

/// The keys of a profile that say who has to agree.
#[derive(Debug, Deserialize)]
pub(super) struct Profile {
    id: String,
    #[serde(default)]
    pub(super) requires_approval: bool,
    #[serde(default)]
    quorum: Vec<Step>,
    #[serde(default)]
    quorum_order: Order,
    #[serde(default = "one")]
    reject_threshold: usize,
    #[serde(default)]
    extra_for_scheduler: usize,
    #[serde(default)]
    route: Vec<Route>,
    #[serde(default)]
    pub(super) escalate: Vec<Escalation>,
    pub(super) auto_approve_after: Option<Span>,
    decision_signature: Option<SignatureDemand>,
    #[serde(default = "yes")]
    pub(super) allow_delegation: bool,
}

#[derive(Debug, Deserialize)]
struct Step {
    group: String,
    need: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Parallel,
    Ordered,
}

#[derive(Debug, Deserialize)]
struct Route {
    owner: String,
    quorum: Vec<Step>,
    #[serde(default)]
    quorum_order: Order,
}

/// Groups that are asked besides after a while.
#[derive(Debug, Deserialize)]
pub(super) struct Escalation {
    pub(super) groups: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct ChangeControl {
    quorum: Vec<Step>,
    quorum_order: Order,
    reject_threshold: usize,
    decision_signature: Option<SignatureDemand>,
}

impl Default for ChangeControl {
    fn default() -> Self {
        Self { quorum: Vec::new(), quorum_order: Order::default(), reject_threshold: one(), decision_signature: None }
    }
}

const fn one() -> usize {
    1
}

const fn yes() -> bool {
    true
}

/// A policy as far as it is read here.
#[derive(Debug)]
pub(super) struct Document {
    profiles: Vec<Profile>,
    change_control: ChangeControl,
    /// Who is who, and who may do what.
    pub(super) standing: Standing,
}

impl Document {
    /// Reads it; an error where it is of a shape that this program does not know.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let tables: Tables = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let Tables { person, group, role, grant, profile, change_control } = tables;
        Ok(Self { profiles: profile, change_control, standing: Standing::of(&person, &group, &role, grant)? })
    }

    /// One profile.
    pub(super) fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }

    /// What is demanded of decisions: under the profile that a version was made under, and under the same one here, whichever is
    /// more; on a change of the policy what this one demands.
    pub(super) fn signatures(&self, made_under: Option<&Profile>) -> Option<SignatureDemand> {
        let Some(profile) = made_under else { return self.change_control.decision_signature };
        profile.decision_signature.max(self.profile(&profile.id).and_then(|now| now.decision_signature))
    }

    /// What a change of the policy asks for.
    pub(super) fn change_terms(&self) -> Terms {
        let control = &self.change_control;
        made_of(&control.quorum, control.quorum_order, control.reject_threshold)
    }

    /// What a request under a profile asks for: of the owner's route, else the profile's own. Where it is not known whose the
    /// certificate is, each of these. Members of unix groups take no route.
    pub(super) fn terms(&self, profile: &Profile, owner: Option<&Account<'_>>, by_scheduler: bool) -> Vec<Terms> {
        let own = (&profile.quorum, profile.quorum_order);
        let routes = profile.route.iter().map(|route| (&route.quorum, route.quorum_order));
        let taken = match owner {
            None => routes.chain([own]).collect(),
            Some(owner) => {
                let mut theirs = profile.route.iter().zip(routes);
                let found = theirs.find(|(route, _)| self.standing.is(&route.owner, owner) == Held::Yes);
                vec![found.map_or(own, |(_, terms)| terms)]
            }
        };
        let each = taken.into_iter().map(|(quorum, order)| {
            let mut terms = made_of(quorum, order, profile.reject_threshold);
            if by_scheduler && profile.extra_for_scheduler > 0 {
                terms.steps.push((ANYBODY.to_owned(), profile.extra_for_scheduler));
            }
            terms
        });
        each.collect()
    }
}

fn made_of(quorum: &[Step], order: Order, reject_threshold: usize) -> Terms {
    let mut steps: Vec<(String, usize)> = quorum.iter().map(|step| (step.group.clone(), step.need.max(1))).collect();
    if steps.is_empty() {
        steps.push((ANYBODY.to_owned(), 1));
    }
    Terms { steps, ordered: order == Order::Ordered, reject_threshold: reject_threshold.max(1) }
}
