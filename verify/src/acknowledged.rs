//! Damage that a quorum of people acknowledged: what the records `damage_acknowledged` say.

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Acknowledged, AuditAction, Damage};
use rusqlite::Connection;
use serde::Deserialize;

use crate::survey::{Found, MAX_FOUND};

/// The id of the object that these records are about; there is an index over it.
pub const RESOURCE: &str = "damage";

/// The rule by which an anchor disagrees.
const ANCHOR: &str = "anchor";

/// One damage as an acknowledging record names it: `SEQ RULE EXPECTED FOUND`, with `-` for what there is none of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The damaged record, or that of the anchor; none for a row of state.
    pub seq: Option<u64>,
    /// By which rule.
    pub rule: String,
    /// The leaf hash that is recorded; of an anchor the digest of its note.
    pub expected: Option<Digest>,
    /// The digest of what stands there; of a row of state that of what was said of it; of an anchor the root over the records
    /// before the acknowledging one.
    pub found: Option<Digest>,
}

impl Entry {
    /// As the record has it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (seq, rule, expected, found) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let digest = |word: &str| match word {
            "-" => Some(None),
            word => word.parse().ok().map(Some),
        };
        let seq = if seq == "-" { None } else { Some(seq.parse().ok()?) };
        let entry = Self { seq, rule: rule.to_owned(), expected: digest(expected)?, found: digest(found)? };
        (words.next().is_none() && entry.to_string() == text).then_some(entry)
    }

    /// Of a record.
    pub fn of(found: &Found) -> Self {
        Self { seq: Some(found.seq), rule: found.rule.clone(), expected: Some(found.expected), found: found.found }
    }

    /// Whether it is about the octets or columns of a record.
    pub fn is_of_record(&self) -> bool {
        is_rule_of_record(&self.rule)
    }
}

/// Whether a rule is about the octets or columns of a record.
pub fn is_rule_of_record(rule: &str) -> bool {
    matches!(rule, "edited" | "columns" | "missing" | "reordered")
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digest = |digest: &Option<Digest>| digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string());
        let seq = self.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        write!(f, "{seq} {} {} {}", self.rule, digest(&self.expected), digest(&self.found))
    }
}

/// Every damage that is acknowledged, each with the record that says so.
#[derive(Clone, Debug, Default)]
pub struct Acknowledgements(Vec<(u64, Entry)>);

#[derive(Deserialize)]
struct Read {
    action: String,
    seq: u64,
    details: Details,
}

#[derive(Deserialize)]
struct Details {
    damage: Vec<String>,
}

impl Acknowledgements {
    /// Reads them. An acknowledging record that was itself damaged, and acknowledged as such, acknowledges nothing.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT seq, record FROM main.audit_events WHERE resource_id = ?1 AND action = ?2 ORDER BY seq DESC",
        )?;
        let mut rows = statement.query([RESOURCE, AuditAction::DamageAcknowledged.as_str()])?;
        let mut all = Self::default();
        while let Some(row) = rows.next()? {
            let seq: u64 = row.get(0)?;
            all.add(seq, row.get_ref(1)?.as_bytes()?);
        }
        Ok(all)
    }

    /// Takes in what a record says; those behind it come first.
    pub fn add(&mut self, seq: u64, record: &[u8]) {
        let Ok(read) = serde_json::from_slice::<Read>(record) else { return };
        let itself = self.0.iter().any(|(_, entry)| entry.is_of_record() && entry.seq == Some(seq));
        if itself || read.seq != seq || read.action != AuditAction::DamageAcknowledged.as_str() {
            return;
        }
        for text in &read.details.damage {
            // What a later record says stands before what an earlier one said.
            if let Some(entry) = Entry::parse(text).filter(|entry| entry.seq.is_none_or(|damaged| damaged < seq)) {
                self.0.push((seq, entry));
            }
        }
    }

    /// True where there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The record that acknowledges exactly this, where one does. `at` is the record that is damaged.
    pub fn by(&self, damaged: &Entry) -> Option<u64> {
        self.0.iter().find(|(_, entry)| entry == damaged).map(|(by, _)| *by)
    }

    /// The leaf hash that is recorded for the record `seq`, where it is acknowledged that the row with this digest stands there.
    pub fn standing(&self, seq: u64, row: Digest) -> Option<Digest> {
        let mut all = self.0.iter().map(|(_, entry)| entry);
        all.find_map(|entry| {
            entry.expected.filter(|_| entry.is_of_record() && entry.seq == Some(seq) && entry.found == Some(row))
        })
    }

    /// The leaf hash that is recorded for a damaged record, where it is acknowledged as it stands. `recorded` is what the next
    /// record says, where it is there.
    pub(crate) fn as_recorded(&self, found: &Found, recorded: Option<Digest>) -> Option<Digest> {
        let all = self.0.iter().map(|(_, entry)| entry);
        let mut same = all.filter(|entry| {
            entry.seq == Some(found.seq)
                && entry.rule == found.rule
                && entry.found.is_some()
                && entry.found == found.found
        });
        same.find_map(|entry| entry.expected.filter(|expected| recorded.is_none_or(|recorded| recorded == *expected)))
    }

    /// The leaf hashes of the records from one number on and before another, where it is acknowledged that all of them are
    /// missing.
    pub fn gone(&self, from: u64, before: u64) -> Option<Vec<Digest>> {
        let most = u64::try_from(MAX_FOUND).unwrap_or(u64::MAX);
        if before.saturating_sub(from) > most {
            return None;
        }
        let leaf = |seq: u64| {
            let mut all = self.0.iter().map(|(_, entry)| entry);
            all.find_map(|entry| entry.expected.filter(|_| entry.seq == Some(seq) && entry.rule == "missing"))
        };
        (from..before).map(leaf).collect()
    }

    /// All, with the record that says so.
    pub fn iter(&self) -> impl Iterator<Item = &(u64, Entry)> {
        self.0.iter()
    }

    /// How many records there were when an anchor that disagrees was acknowledged: the root over them is part of what was.
    pub fn sizes(&self) -> impl Iterator<Item = u64> {
        self.0.iter().filter(|(_, entry)| entry.rule == ANCHOR).map(|(by, _)| *by)
    }

    /// Whether it is acknowledged that the anchor which the record `seq` brought, whose note has this digest, disagrees with a
    /// ledger of `size` records; `root_at` has the root over its first records.
    ///
    /// # Errors
    /// A root could not be read.
    pub fn of_anchor<E>(
        &self,
        (seq, note): (u64, Digest),
        size: u64,
        root_at: impl Fn(u64) -> Result<Digest, E>,
    ) -> Result<bool, E> {
        for (by, entry) in &self.0 {
            let same = entry.rule == ANCHOR && entry.seq == Some(seq) && entry.expected == Some(note);
            if same && *by <= size && Some(root_at(*by)?) == entry.found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records that are damaged, and acknowledged as such.
    pub fn records(&self) -> impl Iterator<Item = u64> {
        self.0.iter().filter(|(_, entry)| entry.is_of_record()).filter_map(|(_, entry)| entry.seq)
    }

    /// Whether this record is one of them.
    pub fn is_damaged(&self, seq: u64) -> bool {
        self.records().any(|damaged| damaged == seq)
    }

    /// As reports name them, in the order of the ledger.
    pub fn to_report(&self) -> Vec<Acknowledged> {
        let mut all: Vec<Acknowledged> = self
            .0
            .iter()
            .map(|(by, entry)| Acknowledged { seq: entry.seq, rule: entry.rule.clone(), by_seq: *by })
            .collect();
        all.sort_by_key(|one| (one.by_seq, one.seq));
        all
    }

    /// What of it is not acknowledged: the first damaged record.
    pub fn beyond(&self, found: &[Found]) -> Option<Damage> {
        found.iter().find(|found| self.by(&Entry::of(found)).is_none()).map(|found| Damage {
            seq: Some(found.seq),
            rule: found.rule.clone(),
            text: found.text.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_is_written_and_nothing_else_is() {
        let digest = Digest::of(&[b"x"]);
        for entry in [
            Entry { seq: Some(7), rule: "edited".into(), expected: Some(digest), found: Some(digest) },
            Entry { seq: Some(0), rule: "missing".into(), expected: Some(digest), found: None },
            Entry { seq: None, rule: "state".into(), expected: None, found: Some(digest) },
        ] {
            assert_eq!(Entry::parse(&entry.to_string()), Some(entry));
        }
        for wrong in ["", "7", "7 edited - - -", "7  edited - -", "07 edited - -", "7 edited x -", "-1 edited - -"] {
            assert_eq!(Entry::parse(wrong), None, "{wrong}");
        }
    }

    fn record(seq: u64, damage: &[&str]) -> Vec<u8> {
        serde_json::to_vec(&serde_json::json!({
            "action": "damage_acknowledged", "seq": seq, "details": { "damage": damage }
        }))
        .unwrap()
    }

    #[test]
    fn a_damaged_acknowledgement_acknowledges_nothing() {
        let mut all = Acknowledgements::default();
        all.add(9, &record(9, &["5 columns - -"]));
        all.add(5, &record(5, &["2 columns - -"]));
        // Of another place than it says, of what comes behind it, and of another action.
        all.add(4, &record(3, &["1 columns - -"]));
        all.add(3, &record(3, &["3 columns - -", "8 columns - -"]));
        all.add(2, b"{}");
        assert_eq!(all.records().collect::<Vec<_>>(), [5]);
        assert!(all.by(&Entry::parse("5 columns - -").unwrap()).is_some());
        assert!(all.by(&Entry::parse("5 edited - -").unwrap()).is_none());
    }
}
