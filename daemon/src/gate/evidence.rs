//! Ledger records as the gate reads them: the bytes that were hashed, never the columns beside them.

use rusqlite::Connection;
use serde::Deserialize;

use super::two_person::Party;
use crate::store::rows::audit;

/// What a record says, as far as it bears on a signature.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Evidence {
    pub(super) action: String,
    pub(super) resource_id: String,
    pub(super) seq: u64,
    actor: String,
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
    uid: Option<u32>,
    #[serde(default)]
    person: Option<String>,
    #[serde(default)]
    login_uid: Option<u32>,
    #[serde(default)]
    login_person: Option<String>,
}

impl Evidence {
    /// Reads a record's bytes; `None` for one that is not of a kind that the gate knows.
    pub(super) fn read(record: &[u8]) -> Option<Self> {
        serde_json::from_slice(record).ok()
    }

    /// Every record about an object, in order. A record that cannot be read is evidence of nothing.
    pub(super) fn about(connection: &Connection, resource_id: &str) -> rusqlite::Result<Vec<Self>> {
        let records = audit::records_about(connection, resource_id)?;
        let evidence = records.iter().filter_map(|record| Self::read(record));
        Ok(evidence.filter(|evidence| evidence.resource_id == resource_id).collect())
    }

    /// The human who acted, as attested then; `None` for the daemon itself.
    pub(super) fn party(&self) -> Option<Party> {
        Some(Party {
            account: self.actor.clone(),
            uid: self.details.uid?,
            login_uid: self.details.login_uid,
            person: self.details.person.clone(),
            login_person: self.details.login_person.clone(),
        })
    }
}
