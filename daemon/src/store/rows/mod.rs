//! Rows: each table's own file, with the statements that read and change it.

pub mod audit;
pub mod certificates;
pub mod decisions;
pub mod deliveries;
pub mod idempotency;
pub mod jobs;
pub mod meta;
pub mod metrics;
pub mod notifications;
pub mod page;
pub mod policies;
pub mod requests;
pub mod submissions;

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;

/// A column that holds one of our own types as text.
fn parsed<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T::Err: std::fmt::Display,
{
    let index = row.as_ref().column_index(column)?;
    let raw = row.get_ref(index)?.as_str()?;
    raw.parse().map_err(|error: T::Err| unfit(index, error.to_string()))
}

/// The same, where the column may be empty.
fn parsed_if<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    let index = row.as_ref().column_index(column)?;
    let Some(raw) = row.get_ref(index)?.as_str_or_null()? else { return Ok(None) };
    raw.parse().map(Some).map_err(|error: T::Err| unfit(index, error.to_string()))
}

/// A column that holds JSON of our own types.
fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let index = row.as_ref().column_index(column)?;
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|error| unfit(index, error.to_string()))
}

/// JSON of our own types, to store.
fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn unfit(index: usize, why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, why.into())
}
