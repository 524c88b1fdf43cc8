//! Rows: each table's own file, with the statements that read and change it.

pub mod acknowledged;
pub mod alerts;
pub mod amendments;
pub mod anchors;
pub mod archives;
pub mod attempts;
pub mod audit;
pub mod by_end;
pub mod certificates;
pub mod checkpoints;
pub mod crls;
pub mod decisions;
pub mod delegations;
pub mod deliveries;
pub mod erasures;
pub mod export;
pub mod found;
pub mod idempotency;
pub mod inventory;
pub mod inventory_intake;
pub mod inventory_scans;
pub mod jobs;
pub mod meta;
pub mod metrics;
pub mod nodes;
pub mod notifications;
pub mod page;
pub mod policies;
pub mod proposals;
pub mod remarks;
pub mod requests;
pub mod revocations;
pub mod signatures;
pub mod submissions;
pub mod terms;
pub mod timers;

use std::str::FromStr;

use countersign_shared::text::Untrusted;
use rusqlite::Row;
use rusqlite::types::{FromSql, Type};

/// A column that holds one of our own types as text.
pub(crate) fn parsed<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T::Err: std::fmt::Display,
{
    let index = row.as_ref().column_index(column)?;
    let raw = row.get_ref(index)?.as_str()?;
    raw.parse().map_err(|error: T::Err| unfit(index, error.to_string()))
}

/// The same, where the column may be empty.
pub(crate) fn parsed_if<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    let index = row.as_ref().column_index(column)?;
    let Some(raw) = row.get_ref(index)?.as_str_or_null()? else { return Ok(None) };
    raw.parse().map(Some).map_err(|error: T::Err| unfit(index, error.to_string()))
}

/// Stands where a text was erased: by the record `text_erased`, which alone shows that it was.
pub const ERASED: &str = "[erased]";

/// A free text, or the word that stands in its place. One that was erased went with its salt.
fn free_text(row: &Row<'_>, text: &str, salt: &str) -> rusqlite::Result<Untrusted> {
    let salt = row.as_ref().column_index(salt)?;
    let (text, salt) = (row.get::<_, String>(text)?, row.get_ref(salt)?.as_blob()?);
    Ok(if text.is_empty() && salt.is_empty() { ERASED.into() } else { text.into() })
}

/// A column that holds JSON of our own types.
fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let index = row.as_ref().column_index(column)?;
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|error| unfit(index, error.to_string()))
}

/// A step that found its row in another state is a fault, never a quiet success.
fn one(changed: usize) -> rusqlite::Result<()> {
    if changed == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(changed)) }
}

/// Reads the columns of a row one after the other, in the order in which the statement names them. SQLite finds a
/// column by its name among all names each time it is asked, which costs more than reading it.
struct InOrder<'r, 'statement> {
    row: &'r Row<'statement>,
    next: usize,
}

impl<'r, 'statement> InOrder<'r, 'statement> {
    /// From the first column on.
    fn of(row: &'r Row<'statement>) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.row.get(self.step())
    }

    /// The next column, one of our own types as text.
    fn parsed<T: FromStr>(&mut self) -> rusqlite::Result<T>
    where
        T::Err: std::fmt::Display,
    {
        let index = self.step();
        self.row.get_ref(index)?.as_str()?.parse().map_err(|error: T::Err| unfit(index, error.to_string()))
    }

    /// The same, where the column may be empty.
    fn parsed_if<T: FromStr>(&mut self) -> rusqlite::Result<Option<T>>
    where
        T::Err: std::fmt::Display,
    {
        let index = self.step();
        let Some(raw) = self.row.get_ref(index)?.as_str_or_null()? else { return Ok(None) };
        raw.parse().map(Some).map_err(|error: T::Err| unfit(index, error.to_string()))
    }

    /// The next column, JSON of our own types.
    fn json<T: serde::de::DeserializeOwned>(&mut self) -> rusqlite::Result<T> {
        let index = self.step();
        serde_json::from_str(self.row.get_ref(index)?.as_str()?).map_err(|error| unfit(index, error.to_string()))
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }
}

/// JSON of our own types, to store.
fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn unfit(index: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, why.into())
}
