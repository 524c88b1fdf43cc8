//! A say that was handed over, as the ledger has it. The row in `delegations` says where to look, and nothing else.

use countersign_shared::id::DelegationId;
use rusqlite::Connection;
use serde::Deserialize;

use super::two_person::Party;
use crate::store::rows::{audit, delegations};

/// A delegation that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// `dg-…`
    pub id: DelegationId,
    /// Whose say it is, by the account that they granted it from.
    pub by: Party,
    /// True where they granted it from a login session.
    pub from_login: bool,
    /// The person who may use it.
    pub to: String,
    /// Only under these profiles; all where there is no list.
    pub profiles: Option<Vec<String>>,
    /// The first moment of the time line at which it holds no more.
    pub until_tick: i64,
}

#[derive(Deserialize)]
struct Record {
    action: String,
    resource_id: String,
    seq: u64,
    actor: String,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    uid: u32,
    person: String,
    login_uid: Option<u32>,
    to: String,
    until_tick: i64,
    profiles: Option<Vec<String>>,
}

impl Delegated {
    /// Those to `person` that hold at `tick`, at most `limit`.
    pub fn to(connection: &Connection, person: &str, tick: i64, limit: usize) -> rusqlite::Result<Vec<Self>> {
        let mut held = Vec::new();
        for row in delegations::open_to(connection, person, tick, limit)? {
            let record = audit::record(connection, row.seq())?;
            let delegated = record.and_then(|record| Self::read(&record, row.id(), row.seq()));
            let Some(delegated) = delegated.filter(|delegated| delegated.to == person) else { continue };
            if delegated.holds(connection, tick)? {
                held.push(delegated);
            }
        }
        Ok(held)
    }

    /// Whether it holds at `tick`: by the time line, whatever has been recorded of its end, and by the records.
    pub fn holds(&self, connection: &Connection, tick: i64) -> rusqlite::Result<bool> {
        Ok(tick < self.until_tick && delegations::is_open(connection, &self.id)?)
    }

    /// True where it is about this profile.
    pub fn covers(&self, profile: &str) -> bool {
        self.profiles.as_ref().is_none_or(|ids| ids.iter().any(|id| id == profile))
    }

    fn read(record: &[u8], id: &DelegationId, seq: u64) -> Option<Self> {
        let record: Record = serde_json::from_slice(record).ok()?;
        let about = record.action == "delegation_granted" && record.resource_id == id.as_str() && record.seq == seq;
        let details = record.details;
        about.then(|| Self {
            id: id.clone(),
            by: Party {
                account: record.actor,
                uid: details.uid,
                login_uid: None,
                login_account: None,
                person: Some(details.person),
                login_person: None,
            },
            from_login: details.login_uid.is_some(),
            to: details.to,
            profiles: details.profiles,
            until_tick: details.until_tick,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(action: &str, id: &str, seq: u64, more: &str) -> Vec<u8> {
        format!(
            r#"{{"action":"{action}","actor":"bob","details":{{"uid":2,"to":"erin","until_tick":9{more}}},"resource_id":"{id}","seq":{seq}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn only_the_record_of_this_very_grant_is_believed() {
        let id: DelegationId = "dg-1".parse().unwrap();
        let person = r#","person":"bob""#;
        let read = |record: &[u8]| Delegated::read(record, &id, 5);
        let granted = read(&record("delegation_granted", "dg-1", 5, person)).unwrap();
        assert_eq!((granted.by.voter().as_str(), granted.to.as_str(), granted.until_tick), ("bob", "erin", 9));
        assert!(granted.covers("p-web") && !granted.from_login);
        for other in [
            record("delegation_ended", "dg-1", 5, person),
            record("delegation_granted", "dg-2", 5, person),
            record("delegation_granted", "dg-1", 6, person),
            record("delegation_granted", "dg-1", 5, ""),
            b"{}".to_vec(),
        ] {
            assert_eq!(read(&other), None, "{}", String::from_utf8_lossy(&other));
        }
        let limited = record("delegation_granted", "dg-1", 5, r#","person":"bob","login_uid":2,"profiles":["p-api"]"#);
        let limited = read(&limited).unwrap();
        assert!(limited.from_login && limited.covers("p-api") && !limited.covers("p-web"));
    }
}
