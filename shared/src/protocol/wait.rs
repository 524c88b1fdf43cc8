//! `request.wait`: how a request or job ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, RequestSummary};
use crate::lifecycle::closed_set;
use crate::text::Untrusted;
use crate::time::Span;

/// `request.wait`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitParams {
    /// `ar-…`, or `job-…` for an unattended job.
    pub id: String,
    /// How long to wait: 0 to 1h, 5m where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

closed_set! {
    /// How a request or job ended.
    Outcome {
        /// Still under way when the time ran out.
        Waiting = "waiting",
        /// A certificate is there.
        Issued = "issued",
        /// The policy that was proposed is in force.
        Applied = "applied",
        /// The certificate is revoked.
        Revoked = "revoked",
        /// Rejected.
        Rejected = "rejected",
        /// Nobody decided in time.
        Expired = "expired",
        /// Ended by an admin.
        Voided = "voided",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Approved, but issuing failed.
        Failed = "failed",
    }
}

/// The answer to `request.wait`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitResult {
    /// How it ended.
    pub outcome: Outcome,
    /// The request, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestSummary>,
    /// The work; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// The note of the rejection or the reason of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Untrusted>,
    /// The certificate and its issuers in PEM, leaf first, where it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_pem: Option<String>,
}
