//! `delegation.*`: an approver hands their say to a named person, for a bounded time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PersonRef;
use crate::id::DelegationId;
use crate::text::Untrusted;
use crate::time::{Span, Timestamp};

/// `delegation.grant`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegateParams {
    /// A person of the policy, other than the caller.
    pub to: String,
    /// How long, `1h` to `30d`.
    pub duration: Span,
    /// Only under these profiles; all where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<String>>,
    /// Why, at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
}

/// `delegation.revoke`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationIdParams {
    /// `dg-…`
    pub id: DelegationId,
}

/// `delegation.list`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDelegationsParams {
    /// Only those that hold now.
    #[serde(default)]
    pub active: bool,
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of delegations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationPage {
    /// The rows.
    pub delegations: Vec<Delegation>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A say that was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// `dg-…`
    pub id: DelegationId,
    /// Whose say it is.
    pub by: PersonRef,
    /// The person who may use it.
    pub to: String,
    /// Only under these profiles; all where there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<String>>,
    /// Why.
    pub reason: Untrusted,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// True while it holds.
    pub active: bool,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who ended it: an account, or `system-reaper` when its time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// The ledger record of its grant.
    pub seq: u64,
}
