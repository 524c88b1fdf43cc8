//! Mistakes of a policy document, each with its place: line, table, key.

use std::collections::BTreeMap;

use countersign_shared::text::Untrusted;

use super::read::{CHANGE_CONTROL, INVENTORY};

/// Errors kept of one document; what comes after is counted.
const MAX_ERRORS: usize = 200;
/// The longest error in characters, so that a value quoted from the document cannot flood a screen.
const MAX_CHARS: usize = 400;

/// One table of the document: where it stands and how it is called.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The table's key: `profile`.
    pub table: &'static str,
    /// Its `id` or `name` as it came, else its number counted from 1; empty for the one table that is no list.
    pub label: String,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// The lines of its keys.
    pub keys: BTreeMap<String, usize>,
}

/// Collects errors and warnings.
#[derive(Debug, Default)]
pub(super) struct Report {
    errors: Vec<String>,
    warnings: Vec<String>,
    more: usize,
}

impl Report {
    /// An error about one key of a table; an empty key is the table as a whole.
    pub fn error(&mut self, place: &Place, key: &str, what: impl AsRef<str>) {
        let text = located(place, key, what.as_ref());
        self.push(&text);
    }

    /// An error about a line outside any table.
    pub fn line_error(&mut self, line: usize, what: impl AsRef<str>) {
        self.push(&format!("line {line}: {}", what.as_ref()));
    }

    /// Something that is allowed and deserves a look.
    pub fn warning(&mut self, place: &Place, key: &str, what: impl AsRef<str>) {
        if self.warnings.len() < MAX_ERRORS {
            self.warnings.push(shown(&located(place, key, what.as_ref())));
        }
    }

    /// True while nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors, or the warnings where there is none.
    pub fn finish(mut self) -> Result<Vec<String>, Vec<String>> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        if self.more > 0 {
            self.errors.push(format!("and {} more errors", self.more));
        }
        Err(self.errors)
    }

    fn push(&mut self, text: &str) {
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(shown(text));
        } else {
            self.more += 1;
        }
    }
}

fn located(place: &Place, key: &str, what: &str) -> String {
    let line = place.keys.get(key).copied().unwrap_or(place.line);
    let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    match place.table {
        table @ (CHANGE_CONTROL | INVENTORY) => format!("line {line}: [{table}]: {key}{what}"),
        table => format!("line {line}: [[{table}]] {}: {key}{what}", place.label),
    }
}

/// A document comes from outside, and so does what its errors quote.
fn shown(text: &str) -> String {
    let text = Untrusted::from(text).safe().to_string();
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
