//! Every transition of a request and of its job, in one exhaustive function each.
//!
//! The database repeats these rules as constraints and triggers; a test drives both and compares.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Closed sets of values that are snake case on the wire and in the database.
macro_rules! closed_set {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value as the wire, the database and the ledger write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(raw: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|value| value.as_str() == raw).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|value| value.as_str()).collect();
                    format!("expected one of: {}", known.join(", "))
                })
            }
        }
    };
}
pub(crate) use closed_set;

closed_set! {
    /// What a request asks for.
    RequestKind {
        /// The first certificate under its name.
        CertIssuance = "cert_issuance",
        /// A successor to a certificate in force.
        CertRenewal = "cert_renewal",
        /// An end before its time.
        CertRevocation = "cert_revocation",
        /// Another policy document.
        PolicyChange = "policy_change",
        /// Work on a certification authority's own keys.
        CaOperation = "ca_operation",
    }
}

closed_set! {
    /// Where a request stands; all but `pending` are terminal.
    RequestState {
        /// Waiting for people.
        Pending = "pending",
        /// The quorum agreed.
        Approved = "approved",
        /// Somebody who may decide said no.
        Rejected = "rejected",
        /// Nobody decided in time.
        Expired = "expired",
        /// An admin ended it.
        Voided = "voided",
        /// The requester took it back.
        Withdrawn = "withdrawn",
    }
}

closed_set! {
    /// Where a job stands.
    JobState {
        /// Blocked by a pending request.
        AwaitingApproval = "awaiting_approval",
        /// Free to be picked up.
        Pending = "pending",
        /// Claimed by the executor.
        Running = "running",
        /// Done.
        Completed = "completed",
        /// Ended without a result; the error says why.
        Failed = "failed",
        /// Ended because its request was not approved.
        Cancelled = "cancelled",
    }
}

closed_set! {
    /// The work that a job does.
    JobKind {
        /// Get a first certificate signed.
        Issue = "issue",
        /// Get a successor signed.
        Renew = "renew",
        /// Write a certificate where the policy says.
        Deploy = "deploy",
        /// Revoke.
        Revoke = "revoke",
    }
}

closed_set! {
    /// What time does to a pending request, besides its end.
    TimerKind {
        /// Further groups are asked.
        Escalate = "escalate",
        /// A renewal that changes nothing passes, where nobody objected.
        AutoApprove = "auto_approve",
    }
}

closed_set! {
    /// One person's say.
    Verdict {
        /// Yes, to exactly this content.
        Approve = "approve",
        /// No.
        Reject = "reject",
    }
}

/// What happens to a pending request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestEvent {
    /// A vote arrived and the quorum is not complete yet.
    Vote,
    /// A vote arrived that completes the quorum.
    QuorumReached,
    /// The bypass of a development host took the place of the quorum.
    Bypass,
    /// The profile lets a renewal that changes nothing pass once people had their time to object.
    AutoApprove,
    /// The requester put other content in its place; the votes on the old content are gone.
    Amend,
    /// A rejection.
    Reject,
    /// The deadline passed.
    Expire,
    /// An admin ended it.
    Void,
    /// The requester took it back.
    Withdraw,
}

impl RequestEvent {
    /// Every event.
    pub const ALL: [Self; 9] = [
        Self::Vote,
        Self::QuorumReached,
        Self::Bypass,
        Self::AutoApprove,
        Self::Amend,
        Self::Reject,
        Self::Expire,
        Self::Void,
        Self::Withdraw,
    ];
}

/// What a transition does to the request and to the job that it blocks; both commit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The request's next state.
    pub request: RequestState,
    /// The next state of its job, which is at `awaiting_approval`.
    pub job: JobState,
}

/// The one function that decides what an event does to a request in `state`; `None` is a refusal.
pub const fn request_transition(state: RequestState, event: RequestEvent) -> Option<Transition> {
    let (request, job) = match (state, event) {
        (RequestState::Pending, RequestEvent::Vote | RequestEvent::Amend) => {
            (RequestState::Pending, JobState::AwaitingApproval)
        }
        (RequestState::Pending, RequestEvent::QuorumReached | RequestEvent::Bypass | RequestEvent::AutoApprove) => {
            (RequestState::Approved, JobState::Pending)
        }
        (RequestState::Pending, RequestEvent::Reject) => (RequestState::Rejected, JobState::Cancelled),
        (RequestState::Pending, RequestEvent::Expire) => (RequestState::Expired, JobState::Cancelled),
        (RequestState::Pending, RequestEvent::Void) => (RequestState::Voided, JobState::Cancelled),
        (RequestState::Pending, RequestEvent::Withdraw) => (RequestState::Withdrawn, JobState::Cancelled),
        (
            RequestState::Approved
            | RequestState::Rejected
            | RequestState::Expired
            | RequestState::Voided
            | RequestState::Withdrawn,
            _,
        ) => return None,
    };
    Some(Transition { request, job })
}

/// The steps of a job that are its own; leaving `awaiting_approval` is [`request_transition`]'s alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// The executor takes it, holding the gate's proof.
    Claim,
    /// The result is stored.
    Complete,
    /// It ended without a result.
    Fail,
}

/// The one function that decides what an event does to a job in `state`; `None` is a refusal.
pub const fn job_transition(state: JobState, event: JobEvent) -> Option<JobState> {
    match (state, event) {
        (JobState::Pending, JobEvent::Claim) => Some(JobState::Running),
        (JobState::Running, JobEvent::Complete) => Some(JobState::Completed),
        (JobState::Running, JobEvent::Fail) => Some(JobState::Failed),
        (JobState::Pending | JobState::Running, _)
        | (
            JobState::AwaitingApproval | JobState::Completed | JobState::Failed | JobState::Cancelled,
            JobEvent::Claim | JobEvent::Complete | JobEvent::Fail,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pending_moves_and_only_a_quorum_or_the_bypass_frees_the_job() {
        for &state in RequestState::ALL {
            for event in RequestEvent::ALL {
                let transition = request_transition(state, event);
                assert_eq!(transition.is_some(), state == RequestState::Pending, "{state} {event:?}");
                let frees = transition.is_some_and(|t| t.job == JobState::Pending);
                let quorum =
                    matches!(event, RequestEvent::QuorumReached | RequestEvent::Bypass | RequestEvent::AutoApprove);
                assert_eq!(frees, quorum && state == RequestState::Pending, "{state} {event:?}");
            }
        }
    }

    #[test]
    fn no_event_of_a_job_leads_out_of_awaiting_approval() {
        for &state in JobState::ALL {
            for event in [JobEvent::Claim, JobEvent::Complete, JobEvent::Fail] {
                let next = job_transition(state, event);
                let allowed = matches!(
                    (state, event),
                    (JobState::Pending, JobEvent::Claim) | (JobState::Running, JobEvent::Complete | JobEvent::Fail)
                );
                assert_eq!(next.is_some(), allowed, "{state} {event:?}");
            }
        }
    }
}
