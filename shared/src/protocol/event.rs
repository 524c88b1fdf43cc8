//! `events.subscribe` and the notifications that follow.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActorType, AuditAction};
use crate::time::Timestamp;

/// `events.subscribe`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeParams {
    /// The first sequence number wanted; what is already in the ledger from there on is sent first. The
    /// ledger's end where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<u64>,
}

/// The answer to `events.subscribe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeResult {
    /// The sequence number from which events follow.
    pub from_seq: u64,
}

/// The content of an `event` notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// A ledger record that the caller may know of.
    Record {
        /// The ledger's sequence number.
        seq: u64,
        /// When.
        at: Timestamp,
        /// What happened.
        action: AuditAction,
        /// Who did it.
        actor: String,
        /// Human or daemon.
        actor_type: ActorType,
        /// About what.
        resource_type: String,
        /// Its id.
        resource_id: String,
    },
    /// The subscriber fell more than 10,000 records behind: read the lists again; events go on from `seq`.
    Resync {
        /// The next sequence number that will be sent.
        seq: u64,
    },
    /// The daemon became read-only: damage was found. `daemon.status` tells which.
    Alarm {
        /// The ledger's size.
        seq: u64,
    },
}
