//! Ledger records as the gate reads them: the bytes that were hashed, never the columns beside them.

use countersign_shared::id::RequestId;
use countersign_shared::lifecycle::{RequestKind, Verdict};
use rusqlite::Connection;
use serde::Deserialize;

use super::two_person::Party;
use crate::policy::{Asked, Terms};
use crate::store::rows::requests::RequestRow;
use crate::store::rows::{audit, decisions};

/// What a record says, as far as it bears on a signature.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Evidence {
    pub(super) action: String,
    pub(super) resource_id: String,
    pub(super) seq: u64,
    pub(super) actor: String,
    pub(super) details: Details,
}

/// See [`Evidence`].
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Details {
    #[serde(default)]
    pub(super) digest: String,
    #[serde(default)]
    pub(super) version: u32,
    #[serde(default)]
    pub(super) tick: i64,
    /// A certificate that was issued.
    #[serde(default)]
    pub(super) sha256: String,
    #[serde(default)]
    uid: Option<u32>,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    login_uid: Option<u32>,
    #[serde(default)]
    login_account: Option<String>,
    #[serde(default)]
    login_person: Option<String>,
    /// The quorum that was asked. Records from before a quorum could have several steps have none.
    #[serde(default)]
    quorum: Vec<Asked>,
    #[serde(default)]
    ordered: bool,
    #[serde(default)]
    reject_threshold: Option<u32>,
    /// A request: what is asked for, under which policy, until when, not to be carried out before when, and what time
    /// does to it meanwhile (`escalate:0:TICK`).
    #[serde(default)]
    pub(super) kind: Option<RequestKind>,
    #[serde(default)]
    pub(super) policy_sha256: String,
    #[serde(default)]
    pub(super) deadline_tick: Option<i64>,
    #[serde(default)]
    pub(super) not_before_tick: Option<i64>,
    #[serde(default)]
    pub(super) timers: Vec<String>,
    /// A vote: the groups whose places it can fill.
    #[serde(default)]
    counts_for: Option<Vec<String>>,
    /// A vote by a say that was handed over: by whom.
    #[serde(default)]
    giver_account: Option<String>,
    #[serde(default)]
    giver_uid: Option<u32>,
    #[serde(default)]
    giver_person: Option<String>,
    /// Approved by the passing of time, as the profile says.
    #[serde(default)]
    pub(super) auto_approved: bool,
}

impl Evidence {
    /// Reads a record's bytes; `None` for one that is not of a kind that the gate knows.
    pub(super) fn read(record: &[u8]) -> Option<Self> {
        serde_json::from_slice(record).ok()
    }

    /// The record at `seq`, where it is about that object.
    pub(super) fn at(connection: &Connection, seq: u64, resource_id: &str) -> rusqlite::Result<Option<Self>> {
        let record = audit::record(connection, seq)?;
        let evidence = record.as_deref().and_then(Self::read);
        Ok(evidence.filter(|evidence| evidence.seq == seq && evidence.resource_id == resource_id))
    }

    /// The human who acted, as attested then; `None` for the daemon itself.
    pub(super) fn party(&self) -> Option<Party> {
        Some(Party {
            account: self.actor.clone(),
            uid: self.details.uid?,
            login_uid: self.details.login_uid,
            login_account: self.details.login_account.clone(),
            person: self.details.person.clone(),
            login_person: self.details.login_person.clone(),
        })
    }

    /// Whose say a vote used, where that was handed over.
    fn giver(&self) -> Option<Party> {
        Some(Party {
            account: self.details.giver_account.clone()?,
            uid: self.details.giver_uid?,
            login_uid: None,
            login_account: None,
            person: self.details.giver_person.clone(),
            login_person: None,
        })
    }

    /// The terms that it names; `None` for a record from before there were any.
    pub(super) fn terms(&self) -> Option<Terms> {
        let reject_threshold = self.details.reject_threshold?;
        let steps = self.details.quorum.clone();
        (!steps.is_empty()).then_some(Terms { steps, ordered: self.details.ordered, reject_threshold })
    }
}

/// When the record at `seq` was made, on the time line; none where it is about another request.
pub fn recorded_tick(connection: &Connection, seq: u64, request: &RequestId) -> rusqlite::Result<Option<i64>> {
    Ok(Evidence::at(connection, seq, request.as_str())?.map(|evidence| evidence.details.tick))
}

/// What time does to a request, as the record of the request says.
pub fn recorded_timers(connection: &Connection, request: &RequestRow) -> rusqlite::Result<Vec<String>> {
    let asked = Evidence::at(connection, request.requested_seq, request.id.as_str())?;
    Ok(asked.map(|asked| asked.details.timers).unwrap_or_default())
}

/// One vote on a version of a request, as its record has it.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Who, as attested then.
    pub by: Party,
    /// Whose say, where it was handed over.
    pub giver: Option<Party>,
    /// Yes or no.
    pub verdict: Verdict,
    /// The groups whose places it can fill.
    pub counts_for: Vec<String>,
    /// Its ledger record.
    pub seq: u64,
}

/// A voice for what is done to the ledger itself, as its record has it: when on the time line, and whose.
pub fn recorded_voice(record: &[u8], action: &str) -> Option<(i64, Cast)> {
    let evidence = Evidence::read(record).filter(|evidence| evidence.action == action)?;
    let (by, counts_for) = (evidence.party()?, evidence.details.counts_for.clone()?);
    Some((evidence.details.tick, Cast { by, giver: None, verdict: Verdict::Approve, counts_for, seq: evidence.seq }))
}

impl Cast {
    /// Every vote on a version and digest, in the order of the ledger. The decisions say where the records are, and
    /// nothing else: a row whose record is not such a vote is no vote.
    pub fn on(
        connection: &Connection,
        request: &RequestId,
        version: u32,
        digest: &str,
        terms: &Terms,
    ) -> rusqlite::Result<Vec<Self>> {
        let mut cast = Vec::new();
        for record in decisions::records(connection, request, version)? {
            let Some(evidence) = Evidence::read(&record) else { continue };
            let details = &evidence.details;
            let about = evidence.resource_id == request.as_str();
            if !about || details.version != version || details.digest != digest {
                continue;
            }
            let verdict = match evidence.action.as_str() {
                "approval_approved" => Verdict::Approve,
                "approval_rejected" => Verdict::Reject,
                _ => continue,
            };
            let Some(by) = evidence.party() else { continue };
            let giver = evidence.giver();
            // Before a vote said what it counts for, a quorum had one step, and every vote was for that.
            let counts_for =
                evidence.details.counts_for.unwrap_or_else(|| terms.groups().take(1).map(str::to_owned).collect());
            cast.push(Self { by, giver, verdict, counts_for, seq: evidence.seq });
        }
        Ok(cast)
    }
}
