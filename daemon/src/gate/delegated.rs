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

/// A vote by a say that was handed over.
#[derive(Deserialize)]
struct Vote {
    details: VoteDetails,
}

#[derive(Deserialize)]
struct VoteDetails {
    delegation: DelegationId,
    giver_account: String,
    giver_uid: u32,
    giver_person: String,
    person: String,
    tick: i64,
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

    /// Whether the vote in the record at `seq` was one by the say that it names: handed by that giver to that voter for
    /// this profile, before it, neither over nor taken back by then.
    pub(super) fn allowed(connection: &Connection, seq: u64, profile: &str) -> rusqlite::Result<bool> {
        let vote = audit::record(connection, seq)?.and_then(|record| serde_json::from_slice::<Vote>(&record).ok());
        let Some(Vote { details: vote }) = vote else { return Ok(false) };
        let Some(row) = delegations::get(connection, &vote.delegation)? else { return Ok(false) };
        let granted = audit::record(connection, row.seq())?;
        let Some(granted) = granted.and_then(|record| Self::read(&record, &vote.delegation, row.seq())) else {
            return Ok(false);
        };
        let by = &granted.by;
        let of_whom = (by.account.as_str(), by.uid, by.person.as_deref());
        let in_time = row.seq() < seq && vote.tick < granted.until_tick;
        let in_time = in_time && delegations::ended_seq(connection, &vote.delegation)?.is_none_or(|end| seq < end);
        Ok(in_time
            && of_whom == (vote.giver_account.as_str(), vote.giver_uid, Some(vote.giver_person.as_str()))
            && granted.to == vote.person
            && granted.covers(profile))
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
    use crate::store::migrations::{migrate, newest};

    fn record(action: &str, id: &str, seq: u64, more: &str) -> Vec<u8> {
        format!(
            r#"{{"action":"{action}","actor":"bob","details":{{"uid":2,"to":"erin","until_tick":9{more}}},"resource_id":"{id}","seq":{seq}}}"#
        )
        .into_bytes()
    }

    /// A ledger of five records, those not given about something else; the row points at the one of the grant, 1.
    fn ledger(records: &[(u64, &str, &str, &str)]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, newest()).unwrap();
        for seq in 0..5 {
            let given = records.iter().find(|record| record.0 == seq).copied();
            let (_, action, id, details) = given.unwrap_or((seq, "daemon_started", "daemon", "{}"));
            let record = format!(
                r#"{{"action":"{action}","actor":"bob","details":{details},"resource_id":"{id}","seq":{seq}}}"#
            );
            let sql = "INSERT INTO audit_events (seq, event_id, created_at, actor, actor_type, action, category,
                           resource_type, resource_id, details, record)
                       VALUES (?1, 'ev-' || ?1, '2026-01-01T00:00:00Z', 'bob', 'User', ?2, 'auth', 'x', ?3, ?4, ?5)";
            connection.execute(sql, rusqlite::params![seq, action, id, details, record.as_bytes()]).unwrap();
        }
        let sql = "INSERT INTO delegations (id, giver_uid, giver_account, giver_person, to_person, reason, reason_salt,
                       created_at, until_at, until_tick, seq)
                   VALUES ('dg-1', 2, 'bob', 'bob', 'erin', '', x'', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 9, 1)";
        connection.execute(sql, []).unwrap();
        connection
    }

    #[test]
    fn a_vote_is_held_against_the_grant_that_it_names() {
        let granted = r#"{"uid":2,"person":"bob","to":"erin","until_tick":9,"profiles":["p-web"]}"#;
        let vote = r#"{"delegation":"dg-1","giver_account":"bob","giver_uid":2,"giver_person":"bob","person":"erin","tick":8}"#;
        let allowed = |granted: &str, vote: &str, end: u64, profile: &str| {
            let connection = ledger(&[
                (1, "delegation_granted", "dg-1", granted),
                (3, "approval_approved", "ar-1", vote),
                (end, "delegation_ended", "dg-1", "{}"),
            ]);
            Delegated::allowed(&connection, 3, profile).unwrap()
        };
        assert!(allowed(granted, vote, 4, "p-web"));
        assert!(!allowed(granted, vote, 2, "p-web"), "taken back before");
        assert!(!allowed(granted, vote, 4, "p-api"), "of another profile");
        for (from, to) in [
            (r#""tick":8"#, r#""tick":9"#),
            ("dg-1", "dg-2"),
            (r#""giver_uid":2"#, r#""giver_uid":3"#),
            (r#""giver_account":"bob""#, r#""giver_account":"carol""#),
            (r#""giver_person":"bob""#, r#""giver_person":"carol""#),
            (r#""person":"erin""#, r#""person":"frank""#),
            (r#","giver_person":"bob""#, ""),
        ] {
            assert!(vote.contains(from));
            assert!(!allowed(granted, &vote.replace(from, to), 4, "p-web"), "{from} {to}");
        }
        for (from, to) in [(r#""to":"erin""#, r#""to":"frank""#), (r#""until_tick":9"#, r#""until_tick":8"#)] {
            assert!(!allowed(&granted.replace(from, to), vote, 4, "p-web"), "{from} {to}");
        }
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
