//! A ledger that another program wrote, record by record, as the daemon would have.

use countersignd::ledger::record::Columns;
use countersignd::ledger::{Node, Tail, leaf_hash};
use rusqlite::Connection;

/// The columns of a record besides its number: `event_id`, `created_at`, `actor`, `actor_type`, `action`, `category`,
/// `resource_type`, `resource_id`, `details`.
pub type Columned = [String; 9];

/// Every record of the table `audit_events` of this schema, in order.
pub fn records(db: &Connection, schema: &str) -> Vec<Columned> {
    let sql = format!(
        "SELECT event_id, created_at, actor, actor_type, action, category, resource_type, resource_id, details
         FROM {schema}.audit_events ORDER BY seq"
    );
    let mut statement = db.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| {
        let texts: Vec<String> = (0..9).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
        Ok(texts.try_into().unwrap())
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// The exact bytes of the next record; the tail moves past it.
pub fn sealed(tail: &mut Tail, columns: &Columned) -> Vec<u8> {
    sealed_with(tail, columns, |_| {})
}

/// The same; `complete` gets the nodes of the tree that are stored from here on.
pub fn sealed_with(tail: &mut Tail, columns: &Columned, complete: impl FnMut(Node)) -> Vec<u8> {
    let [event_id, created_at, actor, actor_type, action, category, resource_type, resource_id, details] =
        columns.each_ref().map(|text| text.as_bytes());
    let columns = Columns {
        seq: tail.size(),
        event_id,
        created_at,
        actor,
        actor_type,
        action,
        category,
        resource_type,
        resource_id,
        details,
    };
    let mut record = Vec::new();
    columns.write_record(&tail.prev(), &mut record);
    tail.advance(leaf_hash(&record), complete);
    record
}

/// The peaks of a tail as they are stored.
pub fn peaks(tail: &Tail) -> Vec<u8> {
    tail.frontier().peaks().iter().flat_map(|peak| peak.as_bytes().to_vec()).collect()
}
