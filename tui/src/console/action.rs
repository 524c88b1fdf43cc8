//! What happens to the console, and what the console wants done: the only ways in and out of [`super::update`].

use countersign_shared::decision_text::Salt;
use countersign_shared::error::ErrorKind;
use countersign_shared::id::{CertificateId, RequestId};
use countersign_shared::lifecycle::Verdict;
use countersign_shared::protocol::{
    AlertPage, AnchorPage, AnchorParams, AnchorResult, AuditCount, AuditCountParams, AuditPage, AuditRecord,
    CertificatePage, CheckpointResult, CommentParams, CommentResult, DecideManyParams, DecideManyResult, DecideParams,
    DecideResult, DecisionSignature, EndParams, EndResult, Event, ListAlertsParams, ListAnchorsParams, ListAuditParams,
    ListCertificatesParams, ListRequestsParams, ProofResult, RenewParams, RequestDetail, RequestPage, RequeueParams,
    RequeueResult, RetireParams, RetireResult, RevokeParams, RevokeResult, StatusResult, SubmitResult, VerifyResult,
    WhoamiResult,
};
use countersign_shared::time::Timestamp;

use super::key::Key;
use super::state::Dossier;
use crate::signing::ToSign;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Action {
    /// The wall clock, told from time to time.
    Tick(Timestamp),
    /// The terminal's size in cells.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// A key press.
    Key(Key),
    /// Pasted text.
    Paste(String),
    /// The open review has been drawn as it is and nothing typed before is waiting: it may be acted on.
    Armed,
    /// A connection for calls stands, newly made.
    Connected,
    /// No connection stands; another try follows by itself.
    Disconnected {
        /// Why, in words that are safe to show.
        why: String,
    },
    /// The event stream of this generation ended.
    EventsLost {
        /// See [`Effect::Subscribe`].
        generation: u64,
    },
    /// A ledger event.
    Event {
        /// See [`Effect::Subscribe`].
        generation: u64,
        /// What the daemon sent.
        event: Event,
    },
    /// A call was answered.
    Answered {
        /// The generation of the call: an answer that nobody waits for any more is dropped.
        generation: u64,
        /// The result or refusal.
        answer: Answer,
    },
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The daemon's kind; `None` where the connection failed.
    pub kind: Option<ErrorKind>,
    /// The daemon's own words.
    pub message: String,
    /// What to do next; may be empty.
    pub hint: String,
    /// True where the daemon may have acted although no answer came.
    pub uncertain: bool,
}

/// The answer to a [`Call`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Call::Status`].
    Status(Result<Box<StatusResult>, Refusal>),
    /// To [`Call::Whoami`].
    Whoami(Result<Box<WhoamiResult>, Refusal>),
    /// To [`Call::Requests`].
    Requests(Result<Box<RequestPage>, Refusal>),
    /// To [`Call::Request`].
    Request(Result<Box<RequestDetail>, Refusal>),
    /// To [`Call::Each`]: each request by itself, in the order of the call; a connection that was lost ends them
    /// all with the same refusal.
    Each(Vec<(RequestId, Result<Box<RequestDetail>, Refusal>)>),
    /// To [`Call::Do`].
    Done(Result<Box<Done>, Refusal>),
    /// To [`Call::Audit`].
    Audit(Result<Box<AuditPage>, Refusal>),
    /// To [`Call::Count`].
    Counted(Result<Box<AuditCount>, Refusal>),
    /// To [`Call::Record`].
    Record(Result<Box<AuditRecord>, Refusal>),
    /// To [`Call::Checkpoint`].
    Checkpoint(Result<Box<CheckpointResult>, Refusal>),
    /// To [`Call::Prove`].
    Proved(Result<Box<ProofResult>, Refusal>),
    /// To [`Call::Anchors`].
    Anchors(Result<Box<AnchorPage>, Refusal>),
    /// To [`Effect::Save`]: the whole name of the file.
    Saved(Result<String, NotSaved>),
    /// To [`Effect::Open`]: what the file holds, or why it is of no use.
    Opened(Result<String, String>),
    /// To [`Effect::Prepare`].
    Prepared(Result<Prepared, String>),
    /// To [`Effect::Sign`]: a signature of each text in their order, or why there is none; the terminal is back.
    Signed(Result<Vec<DecisionSignature>, String>),
    /// To [`Call::Verify`].
    Verified(Result<Box<VerifyResult>, Refusal>),
    /// To [`Call::Certificates`].
    Certificates(Result<Box<CertificatePage>, Refusal>),
    /// To [`Call::Certificate`].
    Certificate(Result<Box<Dossier>, Refusal>),
    /// To [`Call::Alerts`].
    Alerts(Result<Box<AlertPage>, Refusal>),
    /// To [`Call::ActAs`].
    ActedAs(Result<Box<WhoamiResult>, Refusal>),
}

/// What a text that is to be signed is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// One for each text.
    pub salts: Vec<Salt>,
    /// The file of the key that the environment names; empty where it names none.
    pub key: String,
}

/// Why a file was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSaved {
    /// There is one of this name.
    Exists,
    /// In words.
    Failed(String),
}

/// A call to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `daemon.status`
    Status,
    /// `daemon.whoami`
    Whoami,
    /// `request.list`
    Requests(ListRequestsParams),
    /// `request.get`
    Request(RequestId),
    /// `request.get` for each of these.
    Each(Vec<RequestId>),
    /// Anything that changes something.
    Do(Deed),
    /// `audit.list`
    Audit(ListAuditParams),
    /// `audit.count`
    Count(AuditCountParams),
    /// `audit.get`, by the sequence number.
    Record(u64),
    /// `audit.checkpoint`
    Checkpoint,
    /// `audit.proof` of the record with this sequence number.
    Prove(u64),
    /// `audit.anchors`
    Anchors(ListAnchorsParams),
    /// `audit.verify`; it is always answered.
    Verify,
    /// `certificate.list`
    Certificates(ListCertificatesParams),
    /// `certificate.get`, and what stands around it.
    Certificate(CertificateId),
    /// `alert.list`
    Alerts(ListAlertsParams),
    /// `demo.act_as`
    ActAs(String),
}

/// What a person does; it cannot be called back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `request.approve` or `request.reject`
    Decide(Verdict, DecideParams),
    /// `request.decide`
    DecideMany(DecideManyParams),
    /// `request.withdraw`
    Withdraw(EndParams),
    /// `request.void`
    Void(EndParams),
    /// `request.comment`
    Comment(CommentParams),
    /// `certificate.revoke`
    Revoke(RevokeParams),
    /// `certificate.renew`
    Renew(RenewParams),
    /// `certificate.retire`
    Retire(RetireParams),
    /// `alert.requeue`
    Requeue(RequeueParams),
    /// `audit.anchor`
    Anchor(AnchorParams),
}

/// What came of a [`Deed`].
#[derive(Clone, Debug)]
pub enum Done {
    /// Of [`Deed::Decide`].
    Decided(DecideResult),
    /// Of [`Deed::DecideMany`].
    Many(DecideManyResult),
    /// Of [`Deed::Withdraw`] and [`Deed::Void`].
    Ended(EndResult),
    /// Of [`Deed::Comment`].
    Commented(CommentResult),
    /// Of [`Deed::Revoke`].
    Revoked(RevokeResult),
    /// Of [`Deed::Renew`].
    Renewed(SubmitResult),
    /// Of [`Deed::Retire`].
    Retired(RetireResult),
    /// Of [`Deed::Requeue`].
    Requeued(RequeueResult),
    /// Of [`Deed::Anchor`].
    Anchored(AnchorResult),
}

/// Something that the console wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Call the daemon and answer with this generation.
    Call {
        /// Comes back in [`Action::Answered`].
        generation: u64,
        /// What to call.
        call: Call,
    },
    /// Follow the ledger from this sequence number, in place of any subscription before.
    Subscribe {
        /// Comes back in [`Action::Event`].
        generation: u64,
        /// The first sequence number wanted.
        from_seq: u64,
    },
    /// Write a file, whole or not at all.
    Save {
        /// Comes back in [`Action::Answered`].
        generation: u64,
        /// Its name, as it was typed.
        path: String,
        /// What it is to hold.
        octets: String,
        /// True where a file of this name may be replaced.
        replace: bool,
    },
    /// Read a file.
    Open {
        /// Comes back in [`Action::Answered`].
        generation: u64,
        /// Its name, as it was typed.
        path: String,
    },
    /// Draw salts for texts that are to be signed, and look which key the environment names.
    Prepare {
        /// Comes back in [`Action::Answered`].
        generation: u64,
        /// How many texts there are.
        texts: usize,
    },
    /// Give the terminal to `ssh-keygen` and have these signed, one after the other.
    Sign {
        /// Comes back in [`Action::Answered`].
        generation: u64,
        /// What is signed.
        texts: Vec<ToSign>,
        /// The file of the key, as it was typed; empty for the agent.
        key: String,
    },
    /// Make the connections anew.
    Reconnect,
    /// End the console.
    Quit,
}
