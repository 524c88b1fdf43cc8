//! What a message is about, as it is now: a request or a certificate, with its names.

use countersign_shared::content::San;
use countersign_shared::error::ApiError;
use countersign_shared::id::{CertificateId, RequestId};
use countersign_shared::protocol::{Certificate, PersonRef, RequestSummary};
use countersign_shared::text::Untrusted;
use rusqlite::Connection;
use serde_json::Value;

use crate::notify::{Kind, Message};
use crate::service::actor::SCHEDULER;
use crate::store::rows::requests::RequestRow;
use crate::store::rows::{audit, certificates, requests, submissions};
use crate::store::sight::Sight;
use crate::store::transaction::Failure;
use crate::tell::{House, Notice, words};

/// A request.
pub(super) struct Subject {
    pub row: RequestRow,
    pub summary: RequestSummary,
    /// Every name, the primary one first.
    pub names: Vec<Untrusted>,
}

impl Subject {
    /// The request that a notification names.
    pub fn of(house: House<'_>, notice: &Notice) -> Result<Self, Failure> {
        let id: RequestId = notice.resource_id.parse().map_err(|_| missing(&notice.resource_id))?;
        Self::read(house.connection, &id)
    }

    pub fn read(connection: &Connection, id: &RequestId) -> Result<Self, Failure> {
        let row = requests::get(connection, id)?.ok_or_else(|| missing(id.as_str()))?;
        let summary = requests::summary(connection, id, &Sight::All)?.ok_or_else(|| missing(id.as_str()))?;
        let sans = match &row.work {
            Some(work) => submissions::sans(connection, work.submission_id)?,
            None => Vec::new(),
        };
        let names = named(&summary.primary_name, &sans);
        Ok(Self { row, summary, names })
    }

    /// A message about it, with all that a request tells.
    pub fn message(&self, house: House<'_>, notice: &Notice, kind: Kind) -> Result<Message, Failure> {
        let requester = &self.summary.requester;
        Ok(Message {
            names: self.names.clone(),
            risk: self.summary.risks.iter().map(|risk| words::risk(*risk).into()).collect(),
            requester: Some(called(requester)),
            command: Some(format!("countersign show {}", self.row.id).into()),
            ..message(house, notice, self.row.id.as_str(), kind)?
        })
    }

    /// Who is told how it ended: whoever asked, or the owner of the certificate where no human did.
    pub fn asker(&self, connection: &Connection) -> Result<Option<PersonRef>, Failure> {
        if self.row.requester.account != SCHEDULER {
            return Ok(Some(self.row.requester.clone()));
        }
        Ok(self.owner(connection)?.filter(|owner| owner.account != SCHEDULER))
    }

    /// The owner of the certificate; none for a change of the policy.
    pub fn owner(&self, connection: &Connection) -> Result<Option<PersonRef>, Failure> {
        match &self.row.work {
            Some(work) => Ok(Some(certificate(connection, &work.certificate_id)?.owner)),
            None => Ok(None),
        }
    }
}

/// A message that is about another object than the one that its notification names.
pub(super) fn message(house: House<'_>, notice: &Notice, about: &str, kind: Kind) -> Result<Message, Failure> {
    let notice = Notice { resource_id: about.to_owned(), ..notice.clone() };
    Ok(house.message(&notice, kind, Vec::new())?)
}

/// The certificate that a notification names, or another of that id.
pub(super) fn certificate(connection: &Connection, id: &CertificateId) -> Result<Certificate, Failure> {
    Ok(certificates::get(connection, id, &Sight::All)?.ok_or_else(|| missing(id.as_str()))?)
}

/// What the record that caused a notification says.
pub(super) fn details(house: House<'_>, notice: &Notice) -> Result<Value, Failure> {
    let record = audit::record(house.connection, notice.seq)?;
    let record = record.and_then(|record| serde_json::from_slice::<Value>(&record).ok());
    let details = record.and_then(|mut record| record.get_mut("details").map(Value::take));
    Ok(details.ok_or_else(|| ApiError::internal(format!("the record {} of {} is missing", notice.seq, notice.kind)))?)
}

/// The primary name, then the others.
pub(super) fn named(primary: &Untrusted, sans: &[San]) -> Vec<Untrusted> {
    let others = sans.iter().map(San::value).filter(|name| name != primary);
    std::iter::once(primary.clone()).chain(others).collect()
}

/// Somebody as messages name them: `alice (alice-adm)`.
pub(super) fn called(who: &PersonRef) -> Untrusted {
    match &who.person {
        Some(person) if *person != who.account => format!("{person} ({})", who.account).into(),
        _ => who.account.as_str().into(),
    }
}

/// A text that says something.
pub(super) fn said(text: Untrusted) -> Option<Untrusted> {
    (!text.is_blank()).then_some(text)
}

pub(super) fn missing(id: &str) -> ApiError {
    ApiError::internal(format!("{id} is missing"))
}
