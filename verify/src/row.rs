//! One row of the ledger: its columns have to make the very bytes that are hashed.

use countersign_proof::tree::LEAF_PREFIX;
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use countersign_shared::text::Untrusted;
use rusqlite::Row;

use crate::columns::Columns;
use crate::damage;

/// The columns that [`check`] reads, in its order.
pub const COLUMNS: &str =
    "seq, event_id, created_at, actor, actor_type, action, category, resource_type, resource_id, details, record";

/// Checks that `row` is the record number `at`, that its columns make its bytes, and that it follows the record with the
/// hash `prev`. Returns its own hash. `scratch` is any buffer; one for all rows saves making it each time.
pub fn check(row: &Row<'_>, at: u64, prev: &Digest, scratch: &mut Vec<u8>) -> Result<Digest, Damage> {
    let unreadable = |error: rusqlite::Error| damage(Some(at), "columns", format!("unreadable: {error}"));
    let column =
        |index: usize| row.get_ref(index).and_then(|value| value.as_bytes().map_err(Into::into)).map_err(unreadable);
    let seq: u64 = row.get(0).map_err(unreadable)?;
    if seq != at {
        return Err(damage(Some(at), "missing", format!("the next record in order is {seq}")));
    }
    let columns = Columns {
        seq,
        event_id: column(1)?,
        created_at: column(2)?,
        actor: column(3)?,
        actor_type: column(4)?,
        action: column(5)?,
        category: column(6)?,
        resource_type: column(7)?,
        resource_id: column(8)?,
        details: column(9)?,
    };
    let record = row.get_ref(10).and_then(|value| value.as_blob().map_err(Into::into)).map_err(unreadable)?;
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
