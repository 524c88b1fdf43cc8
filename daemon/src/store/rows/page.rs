//! Pages: a condition for each filter that is set, newest first from a cursor.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{DEFAULT_LIMIT, MAX_LIMIT};
use rusqlite::ToSql;

/// Rows that a page under a text filter looks at, at most: a search costs a bounded stretch, not the table.
pub const TEXT_STRETCH: i64 = 20_000;

/// Where a page begins and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows before this one.
    pub before: i64,
    /// At most so many.
    pub limit: u32,
}

impl Window {
    /// Checks what a caller asks for.
    pub fn new(limit: Option<u32>, cursor: Option<&str>) -> Result<Self, ApiError> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::invalid(format!("`limit` is {limit}; a page has 1 to {MAX_LIMIT} rows")));
        }
        let before = match cursor {
            None => i64::MAX,
            Some(raw) => raw.parse().ok().filter(|row| *row >= 0).ok_or_else(|| {
                ApiError::invalid("`cursor` is not one that a page gave").hint("pass next_cursor unchanged")
            })?,
        };
        Ok(Self { before, limit })
    }
}

/// The conditions of a query, with their values.
#[derive(Default)]
pub struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    /// Rows that satisfy `condition`, which has one `?`.
    pub fn and(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.begin();
        self.sql.push_str(condition);
        self.values.push(Box::new(value));
    }

    /// The same, where there is a value.
    pub fn and_if(&mut self, condition: &str, value: Option<impl ToSql + 'static>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }

    /// Rows for which any of the alternatives holds; none of them, no row.
    pub fn any(&mut self, alternatives: Vec<(String, Box<dyn ToSql>)>) {
        self.begin();
        if alternatives.is_empty() {
            self.sql.push('0');
            return;
        }
        let (sql, values): (Vec<String>, Vec<Box<dyn ToSql>>) = alternatives.into_iter().unzip();
        self.sql.push_str(&format!("({})", sql.join(" OR ")));
        self.values.extend(values);
    }

    /// Rows for which one of the queries finds something: each a `SELECT 1 FROM …` without conditions, and those.
    pub fn any_exists(&mut self, queries: Vec<(&str, Conditions)>) {
        self.begin();
        let exists = queries.iter().map(|(query, of)| format!("EXISTS ({query}{})", of.sql));
        self.sql.push_str(&format!("({})", exists.collect::<Vec<_>>().join(" OR ")));
        self.values.extend(queries.into_iter().flat_map(|(_, of)| of.values));
    }

    /// Rows that satisfy `condition`, which has no `?`.
    pub fn plain(&mut self, condition: &str) {
        self.begin();
        self.sql.push_str(condition);
    }

    /// ` WHERE …`, or nothing.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The conditions as one expression, for a column that says whether a row fits.
    pub fn expression(&self) -> &str {
        self.sql.strip_prefix(" WHERE ").unwrap_or("1")
    }

    /// The values, in order.
    pub fn values(&self) -> Vec<&dyn ToSql> {
        self.values.iter().map(AsRef::as_ref).collect()
    }

    fn begin(&mut self) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
    }
}

/// A column that has `text` anywhere in it, without regard to case in ASCII. `instr` compares octets, and does not
/// try anew from each of them as `LIKE '%…%'` does.
pub fn contains(column: &str, text: &str) -> (String, Box<dyn ToSql>) {
    (format!("instr(lower({column}), lower(?)) > 0"), Box::new(text.to_owned()))
}

/// Cuts the row past the page off and says where the next page begins.
pub fn cut<T>(rows: &mut Vec<(i64, T)>, limit: u32) -> Option<String> {
    let limit = limit as usize;
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last().map(|(row, _)| row.to_string())
}
