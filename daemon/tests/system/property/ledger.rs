//! The ledger as the oracle reads it: the bytes of the records, and nothing of the columns beside them.

use countersign_shared::digest::Digest;
use rusqlite::Connection;
use serde_json::Value;

/// One record.
pub struct Record {
    pub seq: i64,
    pub action: String,
    pub actor: String,
    /// A user's, and not the daemon's own.
    pub by_user: bool,
    pub about: String,
    pub at: String,
    pub details: Value,
}

impl Record {
    pub fn text(&self, key: &str) -> Option<&str> {
        self.details.get(key).and_then(Value::as_str)
    }

    pub fn number(&self, key: &str) -> Option<i64> {
        self.details.get(key).and_then(Value::as_i64)
    }

    pub fn uid(&self, key: &str) -> Option<u32> {
        self.number(key).and_then(|uid| uid.try_into().ok())
    }

    pub fn list(&self, key: &str) -> Vec<&str> {
        self.details.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn flag(&self, key: &str) -> bool {
        self.details.get(key).and_then(Value::as_bool).unwrap_or(false)
    }
}

/// Every record so far, and the hash of the last.
#[derive(Default)]
pub struct Ledger {
    pub records: Vec<Record>,
    prev: Option<Digest>,
}

impl Ledger {
    /// Reads what has come since the last time; complains of what does not follow what came before.
    pub fn read_on(&mut self, db: &Connection, complaints: &mut Vec<String>) {
        let next = i64::try_from(self.records.len()).unwrap();
        let mut statement = db.prepare("SELECT seq, record FROM audit_events WHERE seq >= ?1 ORDER BY seq").unwrap();
        let rows = statement.query_map([next], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        for row in rows {
            let (seq, bytes): (i64, Vec<u8>) = row.unwrap();
            let read: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let text = |key: &str| read.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let follows = self.prev.unwrap_or_else(|| Digest::from_bytes([0; 32])).to_string() == text("prev");
            if !follows || read.get("seq").and_then(Value::as_i64) != Some(seq) || seq != self.size() {
                complaints.push(format!("record {seq} does not follow the one before it"));
            }
            self.prev = Some(Digest::of(&[&[0], &bytes]));
            self.records.push(Record {
                seq,
                action: text("action"),
                actor: text("actor"),
                by_user: text("actor_type") == "User",
                about: text("resource_id"),
                at: text("at"),
                details: read.get("details").cloned().unwrap_or(Value::Null),
            });
        }
    }

    pub fn size(&self) -> i64 {
        i64::try_from(self.records.len()).unwrap()
    }

    pub fn about<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records.iter().filter(move |record| record.about == id)
    }

    pub fn at(&self, seq: i64) -> Option<&Record> {
        usize::try_from(seq).ok().and_then(|seq| self.records.get(seq))
    }
}
