//! Who has to agree to a request, and how far that is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// The terms that a request is decided under: those that it was made under, or those of the policy in force where
/// they are stricter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Every step has to be filled.
    pub steps: Vec<Step>,
    /// True where each step is asked only when those before it are filled.
    pub ordered: bool,
    /// How many people have to reject to end it.
    pub reject_threshold: u32,
    /// How many did.
    pub rejections: u32,
    /// True where the policy in force asks for more than the request was made under.
    pub tightened: bool,
    /// Whom time brings in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
    /// When it is approved if nobody objects: only a renewal with the same names and kind of key, under a profile
    /// that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_approve_at: Option<Timestamp>,
    /// How long after the approval it may be carried out; none for a change of the policy, which takes force at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry_out_within: Option<Span>,
}

/// So many different people of one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The group; `*` is any operator of the profile (for a change of the policy: any operator of all profiles; an admin is one).
    pub group: String,
    /// How many.
    pub need: u32,
    /// Who fills its places: people or accounts, at most `need`.
    pub filled_by: Vec<String>,
    /// True where it is asked now.
    pub open: bool,
}

/// Further groups, whose members may fill any place once they are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// When.
    pub at: Timestamp,
    /// The groups.
    pub groups: Vec<String>,
    /// True once they are asked.
    pub done: bool,
}
