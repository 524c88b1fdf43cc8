//! `delegations`: says that were handed over, each until it ends, once.

use std::collections::BTreeSet;

use countersign_shared::id::DelegationId;
use countersign_shared::protocol::{Delegation, ListDelegationsParams, PersonRef};
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::page::{Conditions, Window, cut};
use super::{free_text, parsed, parsed_if, to_json, unfit};
use crate::store::sight::Own;

/// A delegation that is granted now.
pub struct NewDelegation<'a> {
    /// `dg-…`
    pub id: &'a DelegationId,
    /// Whose say it is.
    pub by: &'a PersonRef,
    /// The person who may use it.
    pub to: &'a str,
    /// Only under these profiles.
    pub profiles: Option<&'a [String]>,
    /// Why.
    pub reason: &'a str,
    /// The salt under which the record holds the reason.
    pub reason_salt: &'a [u8],
    /// Now.
    pub created_at: Timestamp,
    /// Until when, by the wall clock as it stands now.
    pub until: Timestamp,
    /// Until when, on the daemon's time line: what counts.
    pub until_tick: i64,
    /// The ledger record of the grant.
    pub seq: u64,
}

/// One delegation.
#[derive(Clone, Debug)]
pub struct DelegationRow {
    /// What callers see of it; `active` is for [`DelegationRow::view`] to say.
    delegation: Delegation,
    /// Until when, on the daemon's time line.
    pub until_tick: i64,
}

impl DelegationRow {
    /// As callers see it at `tick`.
    pub fn view(self, tick: i64) -> Delegation {
        Delegation { active: self.delegation.ended_at.is_none() && tick < self.until_tick, ..self.delegation }
    }

    /// `dg-…`
    pub fn id(&self) -> &DelegationId {
        &self.delegation.id
    }

    /// Whose say it is.
    pub fn by(&self) -> &PersonRef {
        &self.delegation.by
    }

    /// The person who may use it.
    pub fn to(&self) -> &str {
        &self.delegation.to
    }

    /// True where it is about this profile.
    pub fn covers(&self, profile: &str) -> bool {
        self.delegation.profiles.as_ref().is_none_or(|ids| ids.iter().any(|id| id == profile))
    }

    /// When it ended, and by whom.
    pub fn ended(&self) -> Option<(Timestamp, &str)> {
        self.delegation.ended_at.zip(self.delegation.ended_by.as_deref())
    }

    /// The ledger record of its grant.
    pub fn seq(&self) -> u64 {
        self.delegation.seq
    }
}

/// Stores one.
pub fn insert(connection: &Connection, new: &NewDelegation<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO delegations (id, giver_uid, giver_account, giver_person, to_person, profiles, reason,
                 reason_salt, created_at, until_at, until_tick, seq)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            new.id.as_str(),
            new.by.uid,
            new.by.account,
            new.by.person,
            new.to,
            new.profiles.map(|ids| to_json(&ids)).transpose()?,
            new.reason,
            new.reason_salt,
            new.created_at.to_string(),
            new.until.to_string(),
            new.until_tick,
            new.seq,
        ])?;
    Ok(())
}

/// One of them.
pub fn get(connection: &Connection, id: &DelegationId) -> rusqlite::Result<Option<DelegationRow>> {
    connection.prepare_cached("SELECT * FROM delegations WHERE id = ?1")?.query_row([id.as_str()], read).optional()
}

/// Whether one has not ended, as its row and the ledger both say. A row that was brought back is not believed.
pub fn is_open(connection: &Connection, id: &DelegationId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM delegations WHERE id = ?1 AND ended_at IS NULL)
                AND NOT EXISTS (SELECT 1 FROM audit_events INDEXED BY audit_by_resource
                                WHERE resource_id = ?1 AND action = 'delegation_ended')",
        )?
        .query_row([id.as_str()], |row| row.get(0))
}

/// The ledger record of the end of one, where there is one.
pub fn ended_seq(connection: &Connection, id: &DelegationId) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached(
            "SELECT min(seq) FROM audit_events INDEXED BY audit_by_resource
             WHERE resource_id = ?1 AND action = 'delegation_ended'",
        )?
        .query_row([id.as_str()], |row| row.get(0))
}

/// Those that hold at `tick`, oldest first. There are never many: see the limits of `delegation.grant`.
pub fn open(connection: &Connection, tick: i64) -> rusqlite::Result<Vec<DelegationRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM delegations INDEXED BY delegations_due WHERE ended_at IS NULL AND until_tick > ?1 ORDER BY row",
    )?;
    let rows = statement.query_map([tick], read)?;
    rows.collect()
}

/// Those among them to one person, at most `limit`.
pub fn open_to(connection: &Connection, person: &str, tick: i64, limit: usize) -> rusqlite::Result<Vec<DelegationRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT * FROM delegations WHERE ended_at IS NULL AND to_person = ?1 AND until_tick > ?2 ORDER BY row LIMIT ?3",
    )?;
    let rows = statement.query_map(params![person, tick, i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
    rows.collect()
}

/// Whether [`open_to`] finds any.
pub fn any_open_to(connection: &Connection, person: &str, tick: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM delegations WHERE ended_at IS NULL AND to_person = ?1 AND until_tick > ?2)",
        )?
        .query_row(params![person, tick], |row| row.get(0))
}

/// When the next one is over, apart from those set `aside`.
pub fn next_due(connection: &Connection, aside: &BTreeSet<i64>) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(
            "SELECT until_tick FROM delegations WHERE ended_at IS NULL
                 AND row NOT IN (SELECT value FROM json_each(?1)) ORDER BY until_tick LIMIT 1",
        )?
        .query_row([to_json(aside)?], |row| row.get(0))
        .optional()
}

/// Rows that are over at `tick` and have not ended, the earliest first, apart from those set `aside`. Nothing else is
/// read of them, so none can be in the way.
pub fn due(connection: &Connection, tick: i64, aside: &BTreeSet<i64>, limit: u32) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT row FROM delegations WHERE ended_at IS NULL AND until_tick <= ?1
             AND row NOT IN (SELECT value FROM json_each(?2)) ORDER BY until_tick LIMIT ?3",
    )?;
    let rows = statement.query_map(params![tick, to_json(aside)?, limit], |row| row.get(0))?;
    rows.collect()
}

/// One of them by its row.
pub fn by_row(connection: &Connection, row: i64) -> rusqlite::Result<DelegationRow> {
    connection.prepare_cached("SELECT * FROM delegations WHERE row = ?1")?.query_row([row], read)
}

/// Ends one.
pub fn end(connection: &Connection, id: &DelegationId, at: Timestamp, by: &str, seq: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE delegations SET ended_at = ?2, ended_by = ?3, ended_seq = ?4 WHERE id = ?1")?
        .execute(params![id.as_str(), at.to_string(), by, seq])?;
    Ok(())
}

/// A page, newest first, and where the next begins: all of them, or those by and to one human.
pub fn page(
    connection: &Connection,
    filter: &ListDelegationsParams,
    window: Window,
    own: Option<&Own>,
    tick: i64,
) -> rusqlite::Result<(Vec<Delegation>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("row < ?", window.before);
    conditions.and_if("ended_at IS NULL AND until_tick > ?", filter.active.then_some(tick));
    if let Some(own) = own {
        let same_account = format!("(giver_uid = {} AND giver_account = ?)", own.uid);
        let mut alternatives: Vec<(String, Box<dyn ToSql>)> = vec![(same_account, Box::new(own.account.clone()))];
        if let Some(person) = &own.person {
            alternatives.push(("giver_person = ?".to_owned(), Box::new(person.clone())));
            alternatives.push(("to_person = ?".to_owned(), Box::new(person.clone())));
        }
        conditions.any(alternatives);
    }
    let sql = format!("SELECT * FROM delegations{} ORDER BY row DESC LIMIT {}", conditions.sql(), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows =
        statement.query_map(conditions.values().as_slice(), |row| Ok((row.get("row")?, read(row)?.view(tick))))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, Delegation)>>>()?;
    let next = cut(&mut rows, window.limit);
    Ok((rows.into_iter().map(|(_, delegation)| delegation).collect(), next))
}

fn read(row: &Row<'_>) -> rusqlite::Result<DelegationRow> {
    Ok(DelegationRow {
        delegation: Delegation {
            id: parsed(row, "id")?,
            by: PersonRef {
                account: row.get("giver_account")?,
                person: row.get("giver_person")?,
                uid: row.get("giver_uid")?,
            },
            to: row.get("to_person")?,
            profiles: profiles(row)?,
            reason: free_text(row, "reason", "reason_salt")?,
            created_at: parsed(row, "created_at")?,
            until: parsed(row, "until_at")?,
            active: false,
            ended_at: parsed_if(row, "ended_at")?,
            ended_by: row.get("ended_by")?,
            seq: row.get("seq")?,
        },
        until_tick: row.get("until_tick")?,
    })
}

/// The profiles, where there is a list.
fn profiles(row: &Row<'_>) -> rusqlite::Result<Option<Vec<String>>> {
    let index = row.as_ref().column_index("profiles")?;
    let Some(raw) = row.get_ref(index)?.as_str_or_null()? else { return Ok(None) };
    serde_json::from_str(raw).map(Some).map_err(|error| unfit(index, error.to_string()))
}
