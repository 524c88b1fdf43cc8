//! `request.*`: ask, list, look, decide, wait.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Certificate, Job, PersonRef};
use crate::content::{CertificateContent, KeyAlgorithm, San};
use crate::digest::Digest;
use crate::id::{CertificateId, JobId, RequestId};
use crate::lifecycle::{RequestKind, RequestState, Verdict, closed_set};
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
    /// For which certificate.
    pub certificate_id: CertificateId,
    /// The job that it blocks.
    pub job_id: JobId,
    /// The profile's id.
    pub profile_id: String,
    /// The profile's environment.
    pub environment: String,
    /// Who asks.
    pub requester: PersonRef,
    /// The common name, or the first SAN.
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

/// `request.approve`, `request.reject`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideParams {
    /// `ar-…`
    pub id: RequestId,
    /// The content digest that the person saw.
    pub digest: Digest,
    /// The note, at most 4 KiB; required to reject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Untrusted>,
}

/// The answer to a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideResult {
    /// `ar-…`
    pub id: RequestId,
    /// Where the request stands now.
    pub state: RequestState,
    /// Where its job stands now.
    pub job: Job,
    /// The ledger record of this decision.
    pub seq: u64,
    /// That record's hash (the leaf hash of the Merkle tree).
    pub record_sha256: Digest,
    /// Votes given and needed.
    pub votes: Votes,
}

/// How far a quorum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Votes {
    /// People who approved.
    pub given: u32,
    /// People who have to.
    pub needed: u32,
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Who.
    pub by: PersonRef,
    /// Yes or no.
    pub verdict: Verdict,
    /// The note.
    pub note: Untrusted,
    /// The version and digest that it is bound to.
    pub version: u32,
    /// See `version`.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
}

closed_set! {
    /// How a policy check came out.
    CheckOutcome {
        /// The rule holds.
        Passed = "passed",
        /// The rule holds, and a person should look.
        Warned = "warned",
    }
}

/// One rule of the profile, applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The rule's name: `names`, `key`, `validity`, `wildcard`, `proof_of_possession` …
    pub rule: String,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// In words; safe to show.
    pub text: String,
}

/// One way in which the new certificate differs from the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// `san`, `key`, `validity`, `common_name`, `extended_key_usage` …
    pub field: String,
    /// The value in force; absent where it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Untrusted>,
    /// The new value; absent where it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Untrusted>,
}

/// What is known of the CSR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsrView {
    /// PEM.
    pub pem: String,
    /// SHA-256 of its DER.
    pub sha256: Digest,
    /// The subject as the CSR writes it (RFC 4514).
    pub subject: Untrusted,
    /// The key.
    pub key: KeyAlgorithm,
    /// SHA-256 of the DER SubjectPublicKeyInfo.
    pub spki_sha256: Digest,
}

/// Whether the caller may decide, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MayDecide {
    /// True where `approve` and `reject` would be accepted now.
    pub allowed: bool,
    /// The rule that stands against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// In words; empty where it is allowed.
    pub why: String,
}

/// `request.get`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestDetail {
    /// The row of the queue.
    pub request: RequestSummary,
    /// The profile's name.
    pub profile_name: String,
    /// Exactly what will be signed.
    pub content: CertificateContent,
    /// The CSR.
    pub csr: CsrView,
    /// How the certificate will differ from what the CSR asks.
    pub changes: Vec<Change>,
    /// How it will differ from the certificate in force.
    pub differences: Vec<Difference>,
    /// The certificate in force, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<Certificate>,
    /// The profile's rules, applied.
    pub checks: Vec<Check>,
    /// Decisions on the current version.
    pub decisions: Vec<Decision>,
    /// Votes given and needed.
    pub votes: Votes,
    /// Who could decide, by the names of the policy.
    pub who_may_decide: Vec<String>,
    /// Whether the caller can.
    pub you: MayDecide,
    /// The work.
    pub job: Job,
    /// The digest of the policy that the request was made under.
    pub policy_sha256: Digest,
}

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
    /// The work.
    pub job: Job,
    /// The note of the rejection or the reason of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Untrusted>,
    /// The certificate and its issuers in PEM, leaf first, where it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_pem: Option<String>,
}
