//! One row of the ledger: its columns have to make the very bytes that are hashed.

use countersign_proof::tree::LEAF_PREFIX;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Error, Row};

use crate::columns::Columns;
use crate::damage;

/// The columns of [`Values`], in its order.
pub const COLUMNS: &str =
    "seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id, details, record";

/// What stands in a row, as far as it can be read.
pub struct Values<'a> {
    /// Its number.
    pub seq: Result<u64, Box<Error>>,
    /// `event_id` to `details`; or what is wrong with the first of them, or with the record, that is of a wrong type.
    pub columns: Result<[&'a [u8]; 9], Box<Error>>,
    /// The record's octets, even where they are of a wrong type.
    pub record: Result<&'a [u8], Box<Error>>,
}

impl<'a> Values<'a> {
    /// Of a row of [`COLUMNS`].
    ///
    /// # Errors
    /// It has other columns.
    pub fn read(row: &'a Row<'_>) -> rusqlite::Result<Self> {
        let mut columns = [ValueRef::Null; 9];
        for (index, column) in (1..).zip(&mut columns) {
            *column = row.get_ref(index)?;
        }
        let record = row.get_ref(10)?;
        Ok(Self {
            seq: row.get(0).map_err(Box::new),
            columns: octets(&columns, record).map_err(|error| Box::new(error.into())),
            record: record.as_bytes().map_err(|error| Box::new(error.into())),
        })
    }
}

fn octets<'a>(values: &[ValueRef<'a>; 9], record: ValueRef<'_>) -> Result<[&'a [u8]; 9], FromSqlError> {
    let mut columns = [&[][..]; 9];
    for (column, value) in columns.iter_mut().zip(values) {
        *column = value.as_bytes()?;
    }
    record.as_blob()?;
    Ok(columns)
}

/// Checks that a row is the record number `at`, that its columns make its bytes, and that it follows the record with the
/// hash `prev`. Returns its own hash. `scratch` is any buffer; one for all rows saves making it each time.
pub fn check(row: &Values<'_>, at: u64, prev: &Digest, scratch: &mut Vec<u8>) -> Result<Digest, Damage> {
    let unreadable = |error: &Error| damage(Some(at), "columns", format!("unreadable: {error}"));
    let seq = *row.seq.as_ref().map_err(|error| unreadable(error))?;
    if seq != at {
        return Err(damage(Some(at), "missing", format!("the next record in order is {seq}")));
    }
    let [event_id, created_at, actor, actor_type, action, category, resource_type, resource_id, details] =
        *row.columns.as_ref().map_err(|error| unreadable(error))?;
    let record = *row.record.as_ref().map_err(|error| unreadable(error))?;
    let columns =
        Columns { seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id, details };
    // Made behind the prefix of a leaf, and so hashed in one piece.
    scratch.clear();
    scratch.push(LEAF_PREFIX);
    columns.write_record(prev, scratch);
    if *record != scratch[1..] {
        return Err(explain(&columns, record, prev));
    }
    Ok(Digest::of(&[scratch]))
}

/// The slow path: which part of the record disagrees with what.
pub fn explain(columns: &Columns<'_>, record: &[u8], prev: &Digest) -> Damage {
    let at = Some(columns.seq);
    let Ok(read) = serde_json::from_slice::<serde_json::Value>(record) else {
        return damage(at, "edited", "the record's bytes are not JSON".into());
    };
    let pairs = [
        ("action", columns.action),
        ("actor", columns.actor),
        ("actor_type", columns.actor_type),
        ("at", columns.created_at),
        ("category", columns.category),
        ("event_id", columns.event_id),
        ("resource_id", columns.resource_id),
        ("resource_type", columns.resource_type),
    ];
    for (name, column) in pairs {
        let inside = read.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        if inside.as_bytes() != column {
            let column = Untrusted::new(String::from_utf8_lossy(column));
            let inside = Untrusted::from(inside);
            let text = format!("{name}: the record says \"{}\", the column \"{}\"", inside.safe(), column.safe());
            return damage(at, "columns", text);
        }
    }
    if read.get("details").map(ToString::to_string).is_none_or(|details| details.as_bytes() != columns.details) {
        return damage(at, "columns", "details: the column differs from the record".into());
    }
    if let Some(number) = read.get("seq").and_then(serde_json::Value::as_u64).filter(|number| *number != columns.seq) {
        let text = format!("the record that stands here says that it is number {number}: rows were moved");
        return damage(at, "reordered", text);
    }
    let inside = read.get("prev").and_then(|value| value.as_str()).unwrap_or_default();
    if inside != prev.to_string() {
        let inside = Untrusted::from(inside);
        let text = format!(
            "it follows a record whose hash is {}; the record before it has {prev}: one of the two was edited, \
             dropped or moved",
            inside.safe()
        );
        return damage(at, "edited", text);
    }
    damage(at, "edited", "the bytes are not the canonical form of what they say".into())
}
