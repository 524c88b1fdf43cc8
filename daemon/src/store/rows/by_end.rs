//! Certificates by their end, the soonest first: those that were issued by the end of the version in force, and those
//! that were found by the end that is watched, together. What has no version in force follows, newest first.
//!
//! Each index is read from where the page before ended. A cursor names an end and a row, not a place in a list: what is
//! renewed between two pages moves to its new end and shifts nothing else.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{
    Certificate, CertificatePage, CertificateSource, FoundCertificate, ListCertificatesParams,
};
use countersign_shared::time::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::page::{Conditions, TEXT_STRETCH, Window, contains};
use super::{certificates, found};
use crate::store::sight::Sight;

/// What the cursor begins with among what has an end, and among what has none.
const ENDS: char = 'e';
const ENDLESS: char = 'n';

/// A row's place in the order. At one end those that were issued come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position(String, Key);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Issued(String),
    Found(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    Position(Position),
    /// Everything that ends, and of the rest the rows from this one on.
    Row(i64),
}

/// Where a page begins.
#[derive(Debug)]
pub struct Start {
    after: After,
    issued: bool,
    found: bool,
    limit: usize,
}

/// A stretch of one table: its rows in order, and how far it looked where there may be more.
struct Stretch<T> {
    rows: Vec<(Position, T)>,
    looked: Option<Position>,
}

enum Entry {
    Issued(Certificate),
    Found(FoundCertificate),
}

impl Start {
    /// Checks what a caller asks for.
    pub fn new(params: &ListCertificatesParams) -> Result<Self, ApiError> {
        let source = params.source.unwrap_or(CertificateSource::Issued);
        let managed = params.profile.is_some() || params.environment.is_some();
        let after = match params.cursor.as_deref() {
            None => After::Nothing,
            Some(raw) => read_cursor(raw).ok_or_else(|| {
                ApiError::invalid("`cursor` is not one that a page in this order gave")
                    .hint("pass next_cursor unchanged, and the same order")
            })?,
        };
        Ok(Self {
            after,
            issued: source != CertificateSource::Found,
            found: source != CertificateSource::Issued && !managed,
            limit: Window::new(params.limit, None)?.limit as usize,
        })
    }

    /// The page.
    pub fn read(
        &self,
        connection: &Connection,
        filter: &ListCertificatesParams,
        sight: &Sight,
        now: Timestamp,
    ) -> rusqlite::Result<CertificatePage> {
        let mut page = CertificatePage { certificates: Vec::new(), found: Vec::new(), next_cursor: None };
        let mut before = i64::MAX;
        match &self.after {
            After::Row(row) => before = *row,
            After::Nothing | After::Position(_) => {
                page.next_cursor = self.ending(connection, (filter, sight, now), &mut page)?;
            }
        }
        // An end is asked for: what has none is not meant.
        if page.next_cursor.is_some() || !self.issued || filter.expires_within.is_some() {
            return Ok(page);
        }
        let taken = page.certificates.len() + page.found.len();
        if taken == self.limit {
            page.next_cursor = Some(format!("{ENDLESS}{before}"));
            return Ok(page);
        }
        page.next_cursor = endless(connection, (filter, sight), before, self.limit - taken, &mut page.certificates)?;
        Ok(page)
    }

    fn ending(
        &self,
        connection: &Connection,
        of: (&ListCertificatesParams, &Sight, Timestamp),
        page: &mut CertificatePage,
    ) -> rusqlite::Result<Option<String>> {
        let after = match &self.after {
            After::Position(position) => Some(position),
            After::Nothing | After::Row(_) => None,
        };
        let mut entries = Vec::new();
        let mut looked: Vec<Position> = Vec::new();
        if self.issued {
            let stretch = issued(connection, of, after, self.limit)?;
            entries.extend(stretch.rows.into_iter().map(|(position, row)| (position, Entry::Issued(row))));
            looked.extend(stretch.looked);
        }
        if self.found {
            let stretch = found(connection, of, after, self.limit)?;
            entries.extend(stretch.rows.into_iter().map(|(position, row)| (position, Entry::Found(row))));
            looked.extend(stretch.looked);
        }
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        // Past the nearer of the two stretches the other table may have rows that come first.
        let mut end = looked.into_iter().min();
        if let Some(end) = &end {
            entries.retain(|(position, _)| position <= end);
        }
        if entries.len() > self.limit {
            entries.truncate(self.limit);
            end = entries.last().map(|(position, _)| position.clone());
        }
        for (_, entry) in entries {
            match entry {
                Entry::Issued(row) => page.certificates.extend(certificates::with_current(connection, Some(row))?),
                Entry::Found(row) => page.found.push(found::with_places(connection, row)?),
            }
        }
        Ok(end.map(|end| cursor(&end)))
    }
}

/// Rows of what was issued, at most `limit` and one.
fn issued(
    connection: &Connection,
    (filter, sight, now): (&ListCertificatesParams, &Sight, Timestamp),
    after: Option<&Position>,
    limit: usize,
) -> rusqlite::Result<Stretch<Certificate>> {
    let fits = managed(filter, sight);
    // At the end of a found one everything that was issued came before it.
    let (end, key) = match after {
        None => (String::new(), Value::Null),
        Some(Position(end, Key::Issued(id))) => (end.clone(), Value::from(id.clone())),
        Some(Position(end, Key::Found(_))) => (end.clone(), Value::Blob(Vec::new())),
    };
    let sql = format!(
        "SELECT c.*, v.not_after AS ends, ({}) AS fits
         FROM certificate_versions v INDEXED BY versions_by_end CROSS JOIN certificates c ON c.id = v.certificate_id
         WHERE v.state = 'active' AND (v.not_after, v.certificate_id) > (?, ?) AND v.not_after <= ?
         ORDER BY v.not_after, v.certificate_id",
        fits.expression()
    );
    let bounds = [Value::from(end), key, Value::from(until(filter, now))];
    stretch(connection, &sql, &fits, bounds, limit, |row| {
        let position = Position(row.get("ends")?, Key::Issued(row.get("id")?));
        Ok((position, if row.get("fits")? { Some(certificates::read(row)?) } else { None }))
    })
}

/// Rows of what was found and is somewhere, at most `limit` and one.
fn found(
    connection: &Connection,
    (filter, sight, now): (&ListCertificatesParams, &Sight, Timestamp),
    after: Option<&Position>,
    limit: usize,
) -> rusqlite::Result<Stretch<FoundCertificate>> {
    let mut fits = Conditions::default();
    sight.limit_found(&mut fits);
    text(filter, &mut fits, ["f.id", "c.primary_name"]);
    let (end, key) = match after {
        None => (String::new(), 0),
        Some(Position(end, Key::Issued(_))) => (end.clone(), 0),
        Some(Position(end, Key::Found(row))) => (end.clone(), *row),
    };
    let sql = format!(
        "SELECT f.*, c.*, ({}) AS fits
         FROM found_certificates f INDEXED BY found_by_end CROSS JOIN inventory_certificates c ON c.sha256 = f.sha256
         WHERE f.there = 1 AND (f.usable_until, f.row) > (?, ?) AND f.usable_until <= ?
         ORDER BY f.usable_until, f.row",
        fits.expression()
    );
    let bounds = [Value::from(end), Value::from(key), Value::from(until(filter, now))];
    stretch(connection, &sql, &fits, bounds, limit, |row| {
        let position = Position(row.get("usable_until")?, Key::Found(row.get("row")?));
        Ok((position, if row.get("fits")? { Some(found::read(row, now)?) } else { None }))
    })
}

/// Reads rows until there are enough, or as many have been looked at as one page looks at.
fn stretch<T>(
    connection: &Connection,
    sql: &str,
    fits: &Conditions,
    bounds: [Value; 3],
    limit: usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<(Position, Option<T>)>,
) -> rusqlite::Result<Stretch<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut values = fits.values();
    values.extend(bounds.iter().map(|value| value as &dyn rusqlite::ToSql));
    let mut rows = statement.query(params_from_iter(values))?;
    let mut taken = Vec::new();
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        let (position, fitting) = read(row)?;
        looked += 1;
        taken.extend(fitting.map(|row| (position.clone(), row)));
        if taken.len() > limit || looked == TEXT_STRETCH {
            return Ok(Stretch { rows: taken, looked: Some(position) });
        }
    }
    Ok(Stretch { rows: taken, looked: None })
}

/// What was asked for and has no version in force, newest first.
fn endless(
    connection: &Connection,
    (filter, sight): (&ListCertificatesParams, &Sight),
    before: i64,
    limit: usize,
    into: &mut Vec<Certificate>,
) -> rusqlite::Result<Option<String>> {
    let mut fits = managed(filter, sight);
    fits.plain(
        "NOT EXISTS (SELECT 1 FROM certificate_versions v WHERE v.certificate_id = c.id AND v.state = 'active')",
    );
    let sql =
        format!("SELECT c.*, ({}) AS fits FROM certificates c WHERE c.row < ? ORDER BY c.row DESC", fits.expression());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut values = fits.values();
    values.push(&before);
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut taken, mut looked, mut last) = (0, 0, None);
    while let Some(row) = rows.next()? {
        if taken == limit || looked == TEXT_STRETCH {
            return Ok(last.map(|row: i64| format!("{ENDLESS}{row}")));
        }
        looked += 1;
        last = Some(row.get("row")?);
        if row.get("fits")? {
            taken += 1;
            into.extend(certificates::with_current(connection, Some(certificates::read(row)?))?);
        }
    }
    Ok(None)
}

/// The filters of what was issued that are not bounds of the index.
fn managed(filter: &ListCertificatesParams, sight: &Sight) -> Conditions {
    let mut fits = Conditions::default();
    fits.and_if("c.profile_id = ?", filter.profile.clone());
    fits.and_if("c.environment = ?", filter.environment.clone());
    sight.limit_certificates(&mut fits);
    text(filter, &mut fits, ["c.id", "c.primary_name"]);
    fits
}

fn text(filter: &ListCertificatesParams, fits: &mut Conditions, columns: [&str; 2]) {
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        fits.any(columns.iter().map(|column| contains(column, text)).collect());
    }
}

fn until(filter: &ListCertificatesParams, now: Timestamp) -> String {
    filter.expires_within.map_or_else(|| "9999-12-31T23:59:59.999Z".to_owned(), |days| found::ends_by(now, days))
}

fn cursor(Position(end, key): &Position) -> String {
    match key {
        Key::Issued(id) => format!("{ENDS}{end}i{id}"),
        Key::Found(row) => format!("{ENDS}{end}f{row}"),
    }
}

fn read_cursor(raw: &str) -> Option<After> {
    if let Some(row) = raw.strip_prefix(ENDLESS) {
        return row.parse().ok().filter(|row| *row >= 0).map(After::Row);
    }
    let (end, key) = raw.strip_prefix(ENDS)?.split_at_checked("9999-12-31T23:59:59.999Z".len())?;
    let end: Timestamp = end.parse().ok()?;
    let key = match (key.strip_prefix('i'), key.strip_prefix('f')) {
        (Some(id), _) => Key::Issued(id.parse::<countersign_shared::id::CertificateId>().ok()?.as_str().to_owned()),
        (_, Some(row)) => Key::Found(row.parse().ok().filter(|row| *row >= 0)?),
        _ => return None,
    };
    Some(After::Position(Position(end.to_string(), key)))
}
