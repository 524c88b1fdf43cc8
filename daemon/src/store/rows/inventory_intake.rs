//! `inventory_intake`: how much was new in the name of each account on its newest day.

use countersign_shared::digest::Digest;
use countersign_shared::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::one;
use crate::inventory::Sighting;

/// What was new within a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Certificates at places where they had not been.
    pub sightings: u64,
    /// Of certificates that were not stored yet.
    pub octets: u64,
}

/// What was taken in the name of `who` on the day of `at` so far.
pub fn taken(connection: &Connection, who: &str, at: Timestamp) -> rusqlite::Result<Intake> {
    let taken = connection
        .prepare_cached("SELECT sightings, octets FROM inventory_intake WHERE who = ?1 AND day = ?2")?
        .query_row([who, &day(at)], |row| Ok(Intake { sightings: row.get("sightings")?, octets: row.get("octets")? }))
        .optional()?;
    Ok(taken.unwrap_or_default())
}

/// Notes it; what was noted of another day goes.
pub fn note(connection: &Connection, who: &str, at: Timestamp, taken: Intake) -> rusqlite::Result<()> {
    let (sightings, octets) =
        (i64::try_from(taken.sightings).unwrap_or(i64::MAX), i64::try_from(taken.octets).unwrap_or(i64::MAX));
    one(connection
        .prepare_cached(
            "INSERT INTO inventory_intake VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET day = ?2, sightings = ?3, octets = ?4",
        )?
        .execute(params![who, day(at), sightings, octets])?)
}

/// True where the sighting is known: the same certificate at the same place, by the same.
pub fn is_known(connection: &Connection, sighting: &Sighting, seen_by: &str) -> rusqlite::Result<bool> {
    let alias = sighting.alias.as_ref().map_or("", countersign_shared::text::Untrusted::raw);
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM inventory WHERE place = ?1 AND alias = ?2 AND sha256 = ?3 AND seen_by = ?4
                 AND ended_at IS NULL)",
        )?
        .query_row(params![sighting.place.to_string(), alias, sighting.sha256.to_string(), seen_by], |row| row.get(0))
}

/// True where the certificate is stored.
pub fn is_kept(connection: &Connection, sha256: &Digest) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM inventory_certificates WHERE sha256 = ?1)")?
        .query_row([sha256.to_string()], |row| row.get(0))
}

/// Year, month and day.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}
