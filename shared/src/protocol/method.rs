//! Every method, once: its name, parameters, result and summary. Dispatch, the client and the OpenRPC
//! document are made from this table.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;

/// A method of the protocol.
pub trait Method {
    /// `noun.verb`
    const NAME: &'static str;
    /// One line for `rpc.discover`.
    const SUMMARY: &'static str;
    /// What it takes.
    type Params: Serialize + DeserializeOwned + JsonSchema;
    /// What it answers.
    type Result: Serialize + DeserializeOwned + JsonSchema;
}

/// A method as `rpc.discover` describes it.
pub struct MethodInfo {
    /// `noun.verb`
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The schema of its parameters.
    pub params: fn(&mut SchemaGenerator) -> Schema,
    /// The schema of its result.
    pub result: fn(&mut SchemaGenerator) -> Schema,
}

macro_rules! methods {
    ($($type:ident = $name:literal: $params:ty => $result:ty, $summary:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $summary)]
            pub struct $type;
            impl Method for $type {
                const NAME: &'static str = $name;
                const SUMMARY: &'static str = $summary;
                type Params = $params;
                type Result = $result;
            }
        )+

        /// Every method that is built.
        pub const METHODS: &[MethodInfo] = &[$(MethodInfo {
            name: $name,
            summary: $summary,
            params: |generator| generator.subschema_for::<$params>(),
            result: |generator| generator.subschema_for::<$result>(),
        }),+];
    };
}

methods! {
    RequestSubmit = "request.submit": SubmitParams => SubmitResult, "Ask for a certificate.";
    RequestList = "request.list": ListRequestsParams => RequestPage, "Requests that the caller may see, newest first.";
    RequestGet = "request.get": RequestIdParams => RequestDetail, "One request with everything a decision needs.";
    RequestApprove = "request.approve": DecideParams => DecideResult, "Agree to exactly the content of this digest.";
    RequestReject = "request.reject": DecideParams => DecideResult, "Refuse it, with a note.";
    RequestDecide = "request.decide": DecideManyParams => DecideManyResult, "One verdict on many requests, each with the digest seen.";
    RequestVoid = "request.void": EndParams => EndResult, "End a pending request, as an admin, with a reason.";
    RequestWithdraw = "request.withdraw": EndParams => EndResult, "Take one's own pending request back.";
    RequestAmend = "request.amend": AmendParams => AmendResult, "Put other content in place of one's own pending request; its votes are void.";
    RequestComment = "request.comment": CommentParams => CommentResult, "Remark on a request.";
    RequestWait = "request.wait": WaitParams => WaitResult, "Answer when the request or job has ended, or the time is up.";
    CertificateList = "certificate.list": ListCertificatesParams => CertificatePage, "Certificates that were issued, and those that were found, newest first.";
    CertificateGet = "certificate.get": CertificateIdParams => CertificateDetail, "One certificate with its versions or places, and its chain.";
    CertificateImport = "certificate.import": ImportParams => ImportResult, "Make certificates known that the caller has read from files.";
    CertificateAssign = "certificate.assign": AssignParams => AssignResult, "Give a certificate that was found to another owner.";
    CertificateRenew = "certificate.renew": RenewParams => SubmitResult, "Ask for a successor to a certificate, for the same names.";
    CertificateRetire = "certificate.retire": RetireParams => RetireResult, "Stop alerts of a certificate that has expired.";
    CertificateRevoke = "certificate.revoke": RevokeParams => RevokeResult, "Ask for the end of a certificate before its time.";
    JobList = "job.list": ListJobsParams => JobPage, "Jobs, newest first.";
    JobGet = "job.get": JobIdParams => Job, "One job.";
    JobRetry = "job.retry": JobIdParams => Job, "A new job under the same approval in place of a failed one.";
    ProfileList_ = "profile.list": NoParams => ProfileList, "The profiles of the policy in force.";
    ProfileGet = "profile.get": ProfileIdParams => Profile, "One profile.";
    PolicyGet = "policy.get": NoParams => PolicyResult, "The policy in force.";
    PolicyCheck = "policy.check": PolicyCheckParams => PolicyCheckResult, "Judge a policy document without changing anything.";
    PolicyPropose = "policy.propose": ProposeParams => ProposeResult, "Ask for another policy, under the quorum of the one in force.";
    DelegationGrant = "delegation.grant": DelegateParams => Delegation, "Hand one's say to a named person for a time.";
    DelegationList = "delegation.list": ListDelegationsParams => DelegationPage, "Delegations by the caller and to the caller; all of them for an admin or auditor.";
    DelegationRevoke = "delegation.revoke": DelegationIdParams => Delegation, "Take one's say back.";
    AlertList = "alert.list": ListAlertsParams => AlertPage, "Messages and what became of them, newest first.";
    AlertTest = "alert.test": TestAlertParams => TestAlertResult, "Send an alert for real, marked TEST, and answer what the other side said.";
    AlertRequeue = "alert.requeue": RequeueParams => RequeueResult, "Have dead messages tried again.";
    AlertPlan_ = "alert.plan": AlertPlanParams => AlertPlanPage, "Which alert goes when, to whom, on what; sends nothing.";
    AuditList = "audit.list": ListAuditParams => AuditPage, "Ledger records, newest first.";
    AuditGet = "audit.get": AuditGetParams => AuditRecord, "One ledger record with its exact bytes.";
    AuditCount_ = "audit.count": AuditCountParams => AuditCount, "How many ledger records there are under a filter, exactly.";
    AuditExport = "audit.export": ExportParams => ExportPage, "The records of a time range with their bytes; itself recorded.";
    AuditEvidence = "audit.evidence": EvidenceParams => EvidencePage, "All there is about a request, a certificate or a period, with proofs; itself recorded.";
    AuditArchive = "audit.archive": ArchiveParams => ArchiveLines, "Seal the next records into an archive, or read one that is sealed; each is recorded.";
    AuditArchives = "audit.archives": ListArchivesParams => ArchivePage, "Archives that were sealed, newest first.";
    AuditVerify = "audit.verify": NoParams => VerifyResult, "Verify the whole ledger now.";
    AuditCheckpoint = "audit.checkpoint": NoParams => CheckpointResult, "Sign what the ledger is now, to be kept elsewhere.";
    AuditProof = "audit.proof": ProofParams => ProofResult, "Prove that records are in the ledger, or that it only grew.";
    AuditAnchor = "audit.anchor": AnchorParams => AnchorResult, "Take a checkpoint back that was kept elsewhere, and compare the ledger with it.";
    AuditAnchors = "audit.anchors": ListAnchorsParams => AnchorPage, "Checkpoints that came back from elsewhere, newest first.";
    AuditRepair = "audit.repair": RepairParams => RepairResult, "Show what is damaged, or acknowledge exactly that; a quorum of people does.";
    AuditErase = "audit.erase": EraseParams => EraseResult, "Ask for a free text to be erased, or agree to it; a quorum of people does.";
    DaemonStatus = "daemon.status": NoParams => StatusResult, "State, alarms and sizes.";
    DaemonWhoami = "daemon.whoami": NoParams => WhoamiResult, "Who the kernel says the caller is, and what that may do.";
    DaemonMetrics = "daemon.metrics": NoParams => MetricsResult, "Prometheus text.";
    EventsSubscribe = "events.subscribe": SubscribeParams => SubscribeResult, "Ledger records as they commit, as `event` notifications.";
    RpcDiscover = "rpc.discover": NoParams => serde_json::Value, "This interface as an OpenRPC document.";
    DemoActAs = "demo.act_as": ActAsParams => WhoamiResult, "Choose the acting person of this connection; demo daemons only.";
}

/// Methods of the contract that this version refuses by name.
pub const NOT_BUILT: &[&str] = &[];
