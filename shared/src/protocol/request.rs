//! `request.submit`, `request.list`: ask, and see what waits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Job, PersonRef};
use crate::content::San;
use crate::digest::Digest;
use crate::id::{CertificateId, JobId, RequestId};
use crate::lifecycle::{RequestKind, RequestState, closed_set};
use crate::text::Untrusted;
use crate::time::{Span, Timestamp};

/// `request.submit`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitParams {
    /// The CSR (PKCS#10, RFC 2986): PEM text, or DER in base 64.
    pub csr: String,
    /// The profile; where it is left out exactly one has to match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Why, at most 4 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
    /// The change ticket, at most 256 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Untrusted>,
    /// Narrows the profiles that can match to those of this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// How long the certificate should be valid; the profile's maximum where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for: Option<Span>,
    /// A key of the caller's choice, 1 to 128 octets: the same key and content return the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Not to be carried out before this moment, at most 90 days away; only where people have to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// A name that the requests of one batch share: 1 to 64 letters, digits, `.`, `_` and `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
}

/// The answer to `request.submit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitResult {
    /// The request, where the profile requires approval; an unattended profile makes a job alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestSummary>,
    /// The work.
    pub job: Job,
    /// The managed certificate's id.
    pub certificate_id: CertificateId,
    /// What the certificate will differ in from what the CSR asks.
    pub changes: Vec<Change>,
    /// True where an earlier submission with the same idempotency key made this.
    pub repeated: bool,
}

/// One thing that the profile dropped, changed or added to what the CSR asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What it is about: `basic_constraints`, `key_usage`, `subject`, `san`, an extension's OID.
    pub field: String,
    /// `dropped`, `changed` or `added`.
    pub action: ChangeAction,
    /// The value that the CSR asks for or that was added.
    pub value: Untrusted,
    /// By which rule.
    pub why: String,
}

closed_set! {
    /// How the certificate differs from the CSR.
    ChangeAction {
        /// Asked for and not given.
        Dropped = "dropped",
        /// Given otherwise than asked.
        Changed = "changed",
        /// Given without being asked for.
        Added = "added",
    }
}

closed_set! {
    /// What makes a request worth a second look; approving one of these asks to type the name at risk.
    Risk {
        /// A SAN begins with `*.`.
        Wildcard = "wildcard",
        /// The CSR asks to be a certification authority.
        CaRequested = "ca_requested",
        /// The certificate will be a certification authority.
        Ca = "ca",
        /// A name is IDNA: it may look like another.
        Idn = "idn",
        /// A SAN is an address.
        BareIp = "bare_ip",
        /// Names are added to a certificate in force.
        NamesAdded = "names_added",
        /// The key differs from the certificate in force.
        KeyChanged = "key_changed",
        /// Somebody other than the certificate's owner asks.
        OtherOwner = "other_owner",
        /// The approval bypass is on.
        Bypass = "bypass",
        /// The policy that is proposed lets more people or certificates through than the one in force.
        PolicyLaxer = "policy_laxer",
    }
}

/// A row of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestSummary {
    /// `ar-…`
    pub id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// Where it stands.
    pub state: RequestState,
    /// For which certificate; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_id: Option<CertificateId>,
    /// The job that it blocks; none for a change of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The profile's id; `policy` for a change of the policy.
    pub profile_id: String,
    /// The profile's environment.
    pub environment: String,
    /// Who asks.
    pub requester: PersonRef,
    /// The common name, or the first SAN; `policy 4` for a change to a fourth policy.
    pub primary_name: Untrusted,
    /// The first five SANs.
    pub names: Vec<San>,
    /// How many SANs there are.
    pub names_total: u32,
    /// Why.
    pub reason: Untrusted,
    /// The change ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Untrusted>,
    /// What deserves a second look.
    pub risks: Vec<Risk>,
    /// 1, and one more with each amendment.
    pub version: u32,
    /// The content digest that a decision has to name.
    pub digest: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires if nobody decides.
    pub expires_at: Timestamp,
    /// Not to be carried out before this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The name that requests of one batch share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// When it left `pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// Who moved it out of `pending`: an account, or `system-reaper`, `system-bypass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// The sequence number of the newest ledger record about it.
    pub seq: u64,
}

/// `request.list`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRequestsParams {
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<RequestState>,
    /// Only under this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Only for this certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateId>,
    /// Only by this account or person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<String>,
    /// Only in this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Only of this batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RequestKind>,
    /// Only with this text in the id, a name, the reason, the ticket or the requester; no letter case in ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// 1 to 500; 100 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestPage {
    /// The rows.
    pub requests: Vec<RequestSummary>,
    /// Where the next page begins; absent on the last. A page under a text filter may hold few rows or none
    /// and still have a successor: each looks at a bounded stretch of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// The ledger's size when the page was read: subscribe from here and miss nothing.
    pub as_of_seq: u64,
}

/// Parameters of the methods that take one request's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestIdParams {
    /// `ar-…`
    pub id: RequestId,
}
