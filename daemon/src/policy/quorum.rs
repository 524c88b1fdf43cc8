//! Who has to agree: steps, their order, other steps for some owners, and who is asked besides after a while. The
//! document writes these types as a request's snapshot keeps them.

use countersign_shared::canonical::{CanonicalBytes, CanonicalError, Object};
use countersign_shared::time::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::subject::Member;

/// The most steps of a quorum.
pub const MAX_STEPS: usize = 8;
/// The most people that one step asks for.
pub const MAX_NEED: u32 = 100;
/// The most people that all steps of a quorum ask for.
pub const MAX_PEOPLE: u32 = 200;

/// One step of a quorum: so many different people of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuorumStep {
    /// The group's name. An admin counts as a member of it.
    pub group: String,
    /// How many different people, the requester not among them: 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub need: u32,
}

/// Whether the steps of a quorum wait for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuorumOrder {
    /// Any step at any time.
    #[default]
    Parallel,
    /// A step is asked when those before it are complete.
    Ordered,
}

impl QuorumOrder {
    /// As the policy writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::Ordered => "ordered",
        }
    }

    pub(super) fn is_parallel(&self) -> bool {
        *self == Self::Parallel
    }
}

/// Another quorum for the certificates of some owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Whose certificates: `group:NAME`, `person:NAME`, `user:ACCOUNT`, `uid:N` or `unixgroup:NAME`.
    pub owner: Member,
    /// Who has to agree instead: 1 to 8 steps, each group once, at most 200 people.
    pub quorum: Vec<QuorumStep>,
    /// Whether these steps wait for each other; `parallel` when left out, whatever the profile says.
    #[serde(default, skip_serializing_if = "QuorumOrder::is_parallel")]
    pub quorum_order: QuorumOrder,
}

/// Further groups that are asked when a request has waited for so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// How long after the request was made; open hours alone where the profile has a calendar.
    pub after: Span,
    /// The groups whose members may fill any place of the quorum from then on.
    pub groups: Vec<String>,
}

/// People whom all steps together ask for; 1 where there is no step: one operator of the profile.
pub fn people_needed(steps: &[QuorumStep]) -> u32 {
    if steps.is_empty() { 1 } else { steps.iter().map(|step| step.need).fold(0, u32::saturating_add) }
}

/// Steps in words, one text each: `2 of group pki`, ordered ones as `first …` and `then …`.
pub(super) fn in_words(steps: &[QuorumStep], order: QuorumOrder) -> Vec<String> {
    let ordered = order == QuorumOrder::Ordered && steps.len() > 1;
    let word = |position: usize| match (ordered, position) {
        (false, _) => "",
        (true, 0) => "first ",
        (true, _) => "then ",
    };
    steps.iter().enumerate().map(|(i, step)| format!("{}{} of group {}", word(i), step.need, step.group)).collect()
}

fn one(step: &QuorumStep) -> Result<CanonicalBytes, CanonicalError> {
    Object::new().string("group", &step.group).integer("need", i64::from(step.need)).finish()
}

/// Adds `quorum`, `quorum_order` and `quorum_steps` as far as they are not the default. One step alone has the
/// form that it had before there could be several.
pub(super) fn write(form: &mut Object, steps: &[QuorumStep], order: QuorumOrder) -> Result<(), CanonicalError> {
    if let [step] = steps {
        form.object("quorum", &one(step)?);
    }
    if !order.is_parallel() {
        form.string("quorum_order", order.as_str());
    }
    if steps.len() > 1 {
        form.object("quorum_steps", &numbered(steps, one)?);
    }
    Ok(())
}

pub(super) fn canonical_route(route: &Route) -> Result<CanonicalBytes, CanonicalError> {
    let mut form = Object::new();
    form.string("owner", &route.owner.to_string());
    write(&mut form, &route.quorum, route.quorum_order)?;
    form.finish()
}

pub(super) fn canonical_escalation(escalation: &Escalation) -> Result<CanonicalBytes, CanonicalError> {
    let millis = i64::try_from(escalation.after.millis()).unwrap_or(i64::MAX);
    Object::new().integer("after_ms", millis).strings("groups", &escalation.groups).finish()
}

/// A list of objects as an object whose keys are positions: `00`, `01`, …, at most a hundred.
pub(super) fn numbered<T>(
    list: &[T],
    form: impl Fn(&T) -> Result<CanonicalBytes, CanonicalError>,
) -> Result<CanonicalBytes, CanonicalError> {
    let mut all = Object::new();
    for (position, item) in list.iter().enumerate() {
        all.object(&format!("{position:02}"), &form(item)?);
    }
    all.finish_within(super::rules::CANONICAL_LIMIT)
}

/// A quorum in a snapshot: `null` for none, an object for one step (as in snapshots of the first version), a list
/// for several.
pub(super) mod snapshot {
    use super::*;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        One(QuorumStep),
        Several(Vec<QuorumStep>),
    }

    pub fn serialize<S: Serializer>(steps: &[QuorumStep], serializer: S) -> Result<S::Ok, S::Error> {
        match steps {
            [] => serializer.serialize_none(),
            [step] => step.serialize(serializer),
            several => several.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<QuorumStep>, D::Error> {
        Ok(match Option::<Stored>::deserialize(deserializer)? {
            None => Vec::new(),
            Some(Stored::One(step)) => vec![step],
            Some(Stored::Several(steps)) => steps,
        })
    }
}
