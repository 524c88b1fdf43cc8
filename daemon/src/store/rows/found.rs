//! `found_certificates`: certificates that are looked after and were not asked for here.

use countersign_shared::digest::Digest;
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::{
    FoundBy, FoundCertificate, FoundPlace, ListCertificatesParams, PersonRef, Successor, VersionState,
};
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::inventory::Standing;
use super::page::{Conditions, TEXT_STRETCH, Window, contains, cut};
use super::{json, one, parsed};
use crate::store::sight::Sight;

/// Names and places of one certificate that are told.
const TOLD_NAMES: usize = 100;
const TOLD_PLACES: u32 = 10;
const DAY_MILLIS: i64 = 86_400_000;

/// A found certificate as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: CertificateId,
    /// Counts its ends.
    pub version: u32,
    /// The end that is watched, or was last.
    pub usable_until: Timestamp,
    there: bool,
    watched: bool,
    /// An admin said of this end that nobody looks after it.
    retired: bool,
}

/// One that is stored now.
pub struct NewFound<'a> {
    /// Its id.
    pub id: &'a CertificateId,
    /// Which.
    pub sha256: &'a Digest,
    /// How it became known.
    pub source: FoundBy,
    /// Whose it is.
    pub owner: Option<&'a PersonRef>,
    /// Until when it can be used, whether or not that is watched.
    pub usable_until: Timestamp,
    /// How it stands.
    pub standing: &'a Standing,
    /// Now.
    pub at: Timestamp,
    /// Its ledger record.
    pub seq: u64,
}

/// What a message says of a found certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The name it is known by.
    pub primary_name: Untrusted,
    /// Its first hundred names, with their types.
    pub names: Vec<Untrusted>,
    /// The issuer it names.
    pub issuer: Untrusted,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// notAfter.
    pub not_after: Timestamp,
    /// The earliest end of the certificate and of what stands with it.
    pub usable_until: Timestamp,
    /// The first ten places where it is.
    pub places: Vec<FoundPlace>,
    /// How many there are.
    pub places_total: u64,
    /// Whose it is.
    pub owner: Option<PersonRef>,
    /// Where a listener still presents a version that was issued here and has been replaced or revoked: of which
    /// certificate.
    pub issued_as: Option<CertificateId>,
}

/// What is stored of a fingerprint.
pub fn stored(connection: &Connection, sha256: &Digest) -> rusqlite::Result<Option<Stored>> {
    connection
        .prepare_cached(
            "SELECT id, version, usable_until, there, watched, retired IS version AS retired FROM found_certificates
             WHERE sha256 = ?1",
        )?
        .query_row([sha256.to_string()], |row| {
            Ok(Stored {
                id: parsed(row, "id")?,
                version: row.get("version")?,
                usable_until: parsed(row, "usable_until")?,
                there: row.get("there")?,
                watched: row.get("watched")?,
                retired: row.get("retired")?,
            })
        })
        .optional()
}

/// Stores a new one; where it counts it is watched from here on.
pub fn insert(connection: &Connection, new: &NewFound<'_>) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO found_certificates (id, sha256, source, owner_uid, owner_account, owner_person, created_at, version,
                 usable_until, there, watched, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            new.id.as_str(),
            new.sha256.to_string(),
            new.source.as_str(),
            new.owner.map(|owner| owner.uid),
            new.owner.map(|owner| owner.account.as_str()),
            new.owner.and_then(|owner| owner.person.as_deref()),
            new.at.to_string(),
            new.usable_until.to_string(),
            new.standing.there,
            new.standing.usable_until.is_some(),
            new.seq,
        ])?;
    Ok(())
}

/// How many certificates a user has made known by importing them that are looked after still.
pub fn imported_by(connection: &Connection, uid: u32) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "SELECT count(*) FROM found_certificates INDEXED BY found_imported
             WHERE owner_uid = ?1 AND source = 'import' AND there = 1",
        )?
        .query_row([uid], |row| row.get(0))
}

/// Brings one to how it stands now; true where its watch begins, ends or has another end.
pub fn settle(connection: &Connection, stored: &Stored, standing: &Standing) -> rusqlite::Result<bool> {
    let end = standing.usable_until.unwrap_or(stored.usable_until);
    let another = end != stored.usable_until;
    let watched = standing.usable_until.is_some() && (another || !stored.retired);
    let moves = watched != stored.watched || another;
    if !moves && standing.there == stored.there {
        return Ok(false);
    }
    let changed = connection
        .prepare_cached(
            "UPDATE found_certificates SET there = ?2, watched = ?3, usable_until = ?4, version = version + ?5 WHERE id = ?1",
        )?
        .execute(params![stored.id.as_str(), standing.there, watched, end.to_string(), another])?;
    one(changed)?;
    Ok(moves)
}

/// Ends the watch of its end for good; true where `id` is of a found certificate. Another end of it is watched again.
pub fn retire(connection: &Connection, id: &CertificateId) -> rusqlite::Result<bool> {
    let mut retire =
        connection.prepare_cached("UPDATE found_certificates SET watched = 0, retired = version WHERE id = ?1")?;
    Ok(retire.execute([id.as_str()])? > 0)
}

/// Gives it to somebody, as the record `seq` says.
pub fn give(connection: &Connection, id: &CertificateId, to: &PersonRef, seq: u64) -> rusqlite::Result<()> {
    let changed = connection
        .prepare_cached(
            "UPDATE found_certificates SET given_uid = ?2, given_account = ?3, given_person = ?4, given_seq = ?5
             WHERE id = ?1",
        )?
        .execute(params![id.as_str(), to.uid, to.account, to.person, seq])?;
    one(changed)
}

/// What a message says of the found certificate `id`; nothing where there is none of that id.
pub fn about(connection: &Connection, id: &CertificateId) -> rusqlite::Result<Option<About>> {
    let found = get(connection, id, &Sight::All, Timestamp::EPOCH)?;
    Ok(found.map(|found| About {
        primary_name: found.primary_name,
        names: found.names,
        issuer: found.issuer,
        serial: found.serial,
        not_after: found.not_after,
        usable_until: found.usable_until,
        places: found.places,
        places_total: found.places_total,
        owner: found.owner,
        issued_as: found.issued_as,
    }))
}

/// One by its id, where the caller may see it.
pub fn get(
    connection: &Connection,
    id: &CertificateId,
    sight: &Sight,
    now: Timestamp,
) -> rusqlite::Result<Option<FoundCertificate>> {
    let mut conditions = Conditions::default();
    conditions.and("f.id = ?", id.as_str().to_owned());
    sight.limit_found(&mut conditions);
    let sql = format!("{SELECT}{}", conditions.sql());
    let found =
        connection.prepare_cached(&sql)?.query_row(conditions.values().as_slice(), |row| read(row, now)).optional()?;
    found.map(|found| with_places(connection, found)).transpose()
}

const SELECT: &str =
    "SELECT f.*, c.* FROM found_certificates f CROSS JOIN inventory_certificates c ON c.sha256 = f.sha256";

/// A page of those that are somewhere, newest first.
pub fn page(
    connection: &Connection,
    filter: &ListCertificatesParams,
    window: Window,
    sight: &Sight,
    now: Timestamp,
) -> rusqlite::Result<(Vec<FoundCertificate>, Option<String>)> {
    let mut conditions = Conditions::default();
    conditions.and("f.there = 1 AND f.row < ?", window.before);
    conditions.and_if("f.usable_until <= ?", filter.expires_within.map(|days| ends_by(now, days)));
    sight.limit_found(&mut conditions);
    let mut stretch_end = None;
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        let newest: i64 =
            connection.query_row("SELECT coalesce(max(row), 0) FROM found_certificates", [], |row| row.get(0))?;
        let low = newest.saturating_add(1).min(window.before) - TEXT_STRETCH;
        conditions.and("f.row >= ?", low);
        conditions.any(vec![contains("f.id", text), contains("c.primary_name", text)]);
        stretch_end = (low > 0).then(|| low.to_string());
    }
    let sql = format!("{SELECT}{} ORDER BY f.row DESC LIMIT {}", conditions.sql(), window.limit + 1);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(conditions.values().as_slice(), |row| Ok((row.get("row")?, read(row, now)?)))?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, FoundCertificate)>>>()?;
    let next = cut(&mut rows, window.limit).or(stretch_end);
    let rows = rows.into_iter().map(|(_, found)| with_places(connection, found));
    Ok((rows.collect::<rusqlite::Result<_>>()?, next))
}

/// The places of a fingerprint that is there, at most ten, and how many there are.
pub fn places(connection: &Connection, sha256: &Digest) -> rusqlite::Result<(Vec<FoundPlace>, u64)> {
    let (sha256, open) = (sha256.to_string(), "i.ended_at IS NULL");
    Ok((places_of(connection, &sha256, open)?, count(connection, &sha256, open)?))
}

/// The moment that lies so many days ahead, as columns have it.
pub fn ends_by(now: Timestamp, days: u32) -> String {
    let millis = now.unix_millis().saturating_add(i64::from(days).saturating_mul(DAY_MILLIS));
    Timestamp::from_unix_millis(millis).map_or_else(|| "9999-12-31T23:59:59.999Z".to_owned(), |at| at.to_string())
}

/// Whole days until `end`, rounded down.
pub fn days_left(end: Timestamp, now: Timestamp) -> i64 {
    (end.unix_millis() - now.unix_millis()).div_euclid(DAY_MILLIS)
}

/// The DER of a found certificate, and of what stands with it at the first of its places.
pub fn chain(connection: &Connection, sha256: &Digest) -> rusqlite::Result<Vec<Vec<u8>>> {
    let sha256 = sha256.to_string();
    let chain: Option<Vec<String>> = connection
        .prepare_cached("SELECT chain FROM inventory WHERE sha256 = ?1 ORDER BY ended_at IS NOT NULL, row LIMIT 1")?
        .query_row([&sha256], |row| json(row, "chain"))
        .optional()?;
    let mut statement = connection.prepare_cached("SELECT der FROM inventory_certificates WHERE sha256 = ?1")?;
    let all = std::iter::once(sha256).chain(chain.unwrap_or_default());
    all.map(|sha256| statement.query_row([sha256], |row| row.get(0))).collect()
}

fn places_of(connection: &Connection, sha256: &str, which: &str) -> rusqlite::Result<Vec<FoundPlace>> {
    let sql = format!(
        "SELECT i.place, i.alias, min(i.state) AS state, min(i.first_seen) AS first_seen, max(i.last_seen) AS last_seen
         FROM inventory i WHERE i.sha256 = ?1 AND {which} GROUP BY i.place, i.alias ORDER BY min(i.row) LIMIT {TOLD_PLACES}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([sha256], |row| {
        Ok(FoundPlace {
            place: row.get::<_, String>("place")?.into(),
            alias: Some(row.get::<_, String>("alias")?).filter(|alias| !alias.is_empty()).map(Untrusted::from),
            state: parsed(row, "state")?,
            first_seen: parsed(row, "first_seen")?,
            last_seen: parsed(row, "last_seen")?,
        })
    })?;
    rows.collect()
}

fn count(connection: &Connection, sha256: &str, which: &str) -> rusqlite::Result<u64> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT DISTINCT i.place, i.alias FROM inventory i WHERE i.sha256 = ?1 AND {which})"
    );
    connection.prepare_cached(&sql)?.query_row([sha256], |row| row.get(0))
}

pub(super) fn with_places(connection: &Connection, mut found: FoundCertificate) -> rusqlite::Result<FoundCertificate> {
    (found.places, found.places_total) = places(connection, &found.sha256)?;
    let sha256 = found.sha256.to_string();
    if found.places_total == 0 {
        let ended = "i.ended_at IS NOT NULL";
        (found.places, found.places_total) =
            (places_of(connection, &sha256, ended)?, count(connection, &sha256, ended)?);
    }
    found.issued_as = connection
        .prepare_cached(
            "SELECT certificate_id, state FROM certificate_versions WHERE sha256 = ?1 AND state <> 'quarantined'",
        )?
        .query_row([&sha256], |row| {
            Ok((parsed::<CertificateId>(row, "certificate_id")?, parsed::<VersionState>(row, "state")?))
        })
        .optional()?
        .map(|(id, _)| id);
    if found.watched {
        // Whoever may say so has not said that something took its place.
        return Ok(found);
    }
    found.successor = connection
        .prepare_cached(
            "SELECT i.successor, i.lineage, i.ended_at, coalesce(
                 (SELECT v.certificate_id FROM certificate_versions v WHERE v.sha256 = i.successor
                  AND v.state <> 'quarantined'),
                 (SELECT n.id FROM found_certificates n WHERE n.sha256 = i.successor)) AS id
             FROM inventory i WHERE i.sha256 = ?1 AND i.state = 'succeeded' ORDER BY i.row DESC LIMIT 1",
        )?
        .query_row([&sha256], |row| {
            Ok(Successor {
                sha256: parsed(row, "successor")?,
                id: super::parsed_if(row, "id")?,
                lineage: parsed(row, "lineage")?,
                at: parsed(row, "ended_at")?,
            })
        })
        .optional()?;
    Ok(found)
}

pub(super) fn read(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<FoundCertificate> {
    let mut names: Vec<Untrusted> = json(row, "names")?;
    names.truncate(TOLD_NAMES);
    let usable_until = parsed(row, "usable_until")?;
    Ok(FoundCertificate {
        id: parsed(row, "id")?,
        primary_name: row.get::<_, String>("primary_name")?.into(),
        names,
        names_total: row.get("names_total")?,
        subject: row.get::<_, String>("subject")?.into(),
        issuer: row.get::<_, String>("issuer")?.into(),
        serial: row.get("serial")?,
        sha256: parsed(row, "sha256")?,
        spki_sha256: parsed(row, "spki_sha256")?,
        key: row.get("key")?,
        ca: row.get("ca")?,
        not_before: parsed(row, "not_before")?,
        not_after: parsed(row, "not_after")?,
        usable_until,
        days_left: days_left(usable_until, now),
        source: parsed(row, "source")?,
        owner: owner(row)?,
        created_at: parsed(row, "created_at")?,
        there: row.get("there")?,
        watched: row.get("watched")?,
        places: Vec::new(),
        places_total: 0,
        issued_as: None,
        successor: None,
    })
}

/// Whom it was given to last; else whom it was found with.
fn owner(row: &Row<'_>) -> rusqlite::Result<Option<PersonRef>> {
    Ok(match person(row, ["given_uid", "given_account", "given_person"])? {
        Some(given) => Some(given),
        None => person(row, ["owner_uid", "owner_account", "owner_person"])?,
    })
}

fn person(row: &Row<'_>, [uid, account, person]: [&str; 3]) -> rusqlite::Result<Option<PersonRef>> {
    let (uid, account): (Option<u32>, Option<String>) = (row.get(uid)?, row.get(account)?);
    let person = row.get(person)?;
    Ok(uid.zip(account).map(|(uid, account)| PersonRef { account, person, uid }))
}
