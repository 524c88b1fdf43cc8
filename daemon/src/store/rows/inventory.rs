//! `inventory_certificates` and `inventory`: which certificates were found, and where they stand.

use std::collections::BTreeSet;

use countersign_shared::digest::Digest;
use countersign_shared::id::CertificateId;
use countersign_shared::protocol::VersionState;
use countersign_shared::text::Untrusted;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{json, one, parsed, to_json};
use crate::inventory::{Lineage, Place, Role, Seen, Sighting, names};
use crate::x509::found::FoundCertificate;

/// Whose sightings count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's: the daemon looks itself, and has the last word.
    Everything,
    /// Those of one importer, `uid:N`.
    Of(String),
    /// Those of all importers.
    Imports,
}

impl Scope {
    /// As the column `seen_by` has it.
    pub fn seen_by(&self) -> &str {
        match self {
            Self::Everything | Self::Imports => "",
            Self::Of(importer) => importer,
        }
    }

    const fn condition(&self) -> &'static str {
        match self {
            Self::Everything => "?2 = ''",
            Self::Of(_) => "i.seen_by = ?2",
            Self::Imports => "i.seen_by <> ?2",
        }
    }
}

/// How a sighting ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is there no longer.
    Gone,
    /// Another one took its place; whom the place belongs to.
    Succeeded(Digest, Lineage, Option<u32>),
    /// The place is looked at no longer.
    LeftOut,
}

/// How it stands with one certificate, over all its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it was issued here: as which certificate, and how that version stands.
    pub issued: Option<(CertificateId, VersionState)>,
    /// Whether it is to be looked after, somewhere.
    pub counts: bool,
    /// Whether it is listed among those that were found.
    pub there: bool,
    /// Until when it can be used, where alerts are to be raised for it.
    pub usable_until: Option<Timestamp>,
}

/// What stands at one place.
pub fn known(connection: &Connection, place: &Place, scope: &Scope) -> rusqlite::Result<Vec<Seen>> {
    let sql = format!(
        "SELECT i.alias, i.role, i.sha256, c.spki_sha256, c.names, c.not_before, c.not_after
         FROM inventory i JOIN inventory_certificates c ON c.sha256 = i.sha256
         WHERE i.place = ?1 AND i.ended_at IS NULL AND {} GROUP BY i.alias, i.sha256",
        scope.condition()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![place.to_string(), scope.seen_by()], |row| {
        Ok(Seen {
            place: place.clone(),
            alias: alias(row)?,
            role: if row.get_ref("role")?.as_str()? == "leaf" { Role::Leaf } else { Role::Authority },
            sha256: parsed(row, "sha256")?,
            spki_sha256: parsed(row, "spki_sha256")?,
            names: json::<BTreeSet<String>>(row, "names")?,
            not_before: parsed(row, "not_before")?,
            not_after: parsed(row, "not_after")?,
        })
    })?;
    rows.collect()
}

/// Every place where the daemon itself sees something.
pub fn places_seen(connection: &Connection) -> rusqlite::Result<BTreeSet<Place>> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT place FROM inventory WHERE ended_at IS NULL AND seen_by = ''")?;
    let rows = statement.query_map([], |row| parsed(row, "place"))?;
    rows.collect()
}

/// The places below a directory where something is seen.
pub fn places_below(connection: &Connection, directory: &Place, scope: &Scope) -> rusqlite::Result<BTreeSet<Place>> {
    let below = format!("{}/", directory.to_string().trim_end_matches('/'));
    let sql = format!(
        "SELECT DISTINCT i.place FROM inventory i INDEXED BY inventory_once_at_a_place
         WHERE i.place >= ?1 AND i.place < ?3 AND i.ended_at IS NULL AND {}",
        scope.condition()
    );
    // The next text that does not begin like it; 0 follows / in ASCII.
    let end = format!("{}0", below.trim_end_matches('/'));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![below, scope.seen_by(), end], |row| parsed(row, "place"))?;
    rows.collect()
}

/// Stores a certificate that is new.
pub fn keep(connection: &Connection, found: &FoundCertificate, at: Timestamp) -> rusqlite::Result<()> {
    let total = i64::try_from(found.names_total).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO inventory_certificates VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            found.sha256.to_string(),
            found.der,
            found.serial_hex,
            found.issuer.raw(),
            found.subject.raw(),
            found.primary_name().raw(),
            to_json(&names(found))?,
            total,
            found.key,
            found.spki_sha256.to_string(),
            found.ca,
            found.not_before.to_string(),
            found.not_after.to_string(),
            at.to_string(),
        ])?;
    Ok(())
}

/// Stores that a certificate is at a place.
pub fn sight(
    connection: &Connection,
    sighting: &Sighting,
    (seen_by, counts): (&str, bool),
    at: Timestamp,
) -> rusqlite::Result<()> {
    let chain: Vec<String> = sighting.chain.iter().map(ToString::to_string).collect();
    connection
        .prepare_cached(
            "INSERT INTO inventory (place, alias, sha256, seen_by, role, counts, chain, usable_until, owner_uid, state,
                 first_seen, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'present', ?10, ?10)
             ON CONFLICT (place, alias, sha256, seen_by) WHERE ended_at IS NULL
             DO UPDATE SET role = ?5, counts = ?6, chain = ?7, usable_until = ?8, owner_uid = ?9, state = 'present',
                 last_seen = ?10",
        )?
        .execute(params![
            sighting.place.to_string(),
            sighting.alias.as_ref().map_or("", Untrusted::raw),
            sighting.sha256.to_string(),
            seen_by,
            sighting.role.as_str(),
            counts,
            to_json(&chain)?,
            sighting.usable_until.to_string(),
            sighting.owner_uid,
            at.to_string(),
        ])?;
    Ok(())
}

/// The open sightings of a certificate at a place: row and alias.
pub fn open_at(
    connection: &Connection,
    place: &Place,
    scope: &Scope,
    sha256: &Digest,
) -> rusqlite::Result<Vec<(i64, Option<Untrusted>)>> {
    let sql = format!(
        "SELECT i.row, i.alias FROM inventory i INDEXED BY inventory_once_at_a_place
         WHERE i.place = ?1 AND i.ended_at IS NULL AND {} AND i.sha256 = ?3",
        scope.condition()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![place.to_string(), scope.seen_by(), sha256.to_string()], |row| {
        Ok((row.get("row")?, alias(row)?))
    })?;
    rows.collect()
}

/// Ends a sighting.
pub fn end(connection: &Connection, row: i64, end: End, at: Timestamp) -> rusqlite::Result<()> {
    let (state, successor, lineage, uid) = match end {
        End::Gone => ("gone", None, None, None),
        End::LeftOut => ("left_out", None, None, None),
        End::Succeeded(to, by, uid) => ("succeeded", Some(to.to_string()), Some(by.as_str()), uid),
    };
    let changed = connection
        .prepare_cached(
            "UPDATE inventory SET state = ?2, ended_at = ?3, successor = ?4, lineage = ?5, successor_uid = ?6
             WHERE row = ?1",
        )?
        .execute(params![row, state, at.to_string(), successor, lineage, uid])?;
    one(changed)
}

/// Notes that a place could not be looked at again.
pub fn lose_sight(connection: &Connection, row: i64) -> rusqlite::Result<()> {
    one(connection.prepare_cached("UPDATE inventory SET state = 'unknown' WHERE row = ?1")?.execute([row])?)
}

/// How it stands with a certificate now.
///
/// A copy in a file does not count from when the certificate was succeeded somewhere: it is a copy of what was in use, as
/// in an archive. One that turns up later counts anew. What a listener presents is in use, whatever files say.
///
/// Certificates are public: anybody can lay a copy of somebody else's into a place of their own, and something else over
/// it. So a succession counts for the places of the account to whom the place belonged before and after, or for all
/// where that is root; and what an importer says, for that importer. In the same way the end is the earliest that
/// is told by places of root and by listed listeners, else by those that the daemon sees, else by those imported.
pub fn standing(connection: &Connection, sha256: &Digest) -> rusqlite::Result<Standing> {
    let sha256 = sha256.to_string();
    let issued: Option<(CertificateId, VersionState)> = connection
        .prepare_cached(
            "SELECT certificate_id, state FROM certificate_versions WHERE sha256 = ?1 AND state <> 'quarantined'",
        )?
        .query_row([&sha256], |row| Ok((parsed(row, "certificate_id")?, parsed(row, "state")?)))
        .optional()?;
    let (by_listeners_alone, in_force) = match &issued {
        None => (false, false),
        Some((_, state)) => (true, !matches!(state, VersionState::Superseded | VersionState::Revoked)),
    };
    connection
        .prepare_cached(
            "WITH succeeded AS MATERIALIZED (
                 SELECT x.seen_by, x.owner_uid, x.successor_uid, max(x.ended_at) AS at FROM inventory x
                 WHERE x.sha256 = ?1 AND x.state = 'succeeded' GROUP BY x.seen_by, x.owner_uid, x.successor_uid),
             standing AS MATERIALIZED (
                 SELECT i.counts, i.place GLOB 'tls:*' AS presented, i.seen_by = '' AS seen, i.usable_until,
                     i.seen_by = '' AND coalesce(i.owner_uid, 0) = 0 AS by_root,
                     i.counts = 1 AND (i.place GLOB 'tls:*' OR (?2 = 0 AND i.first_seen > coalesce(
                         (SELECT max(x.at) FROM succeeded x WHERE x.seen_by IN ('', i.seen_by)
                          AND x.owner_uid IN (0, i.owner_uid) AND x.successor_uid IN (0, i.owner_uid)), ''))) AS in_use
                 FROM inventory i WHERE i.sha256 = ?1 AND i.ended_at IS NULL)
             SELECT count(*) FILTER (WHERE counts = 1) AS counting, count(*) AS seen,
                 count(*) FILTER (WHERE presented) AS presented,
                 coalesce(min(usable_until) FILTER (WHERE in_use AND by_root), min(usable_until) FILTER (WHERE in_use AND seen),
                     min(usable_until) FILTER (WHERE in_use)) AS usable_until
             FROM standing",
        )?
        .query_row(params![sha256, by_listeners_alone], |row| {
            let (counting, seen, presented): (i64, i64, i64) =
                (row.get("counting")?, row.get("seen")?, row.get("presented")?);
            let usable_until = super::parsed_if(row, "usable_until")?.filter(|_| !in_force);
            Ok(Standing {
                counts: counting > 0,
                there: !in_force && if by_listeners_alone { presented > 0 } else { seen > 0 },
                usable_until,
                issued,
            })
        })
}

fn alias(row: &Row<'_>) -> rusqlite::Result<Option<Untrusted>> {
    Ok(Some(row.get::<_, String>("alias")?).filter(|alias| !alias.is_empty()).map(Untrusted::from))
}
