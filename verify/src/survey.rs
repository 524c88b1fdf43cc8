//! A slow pass over a database whose records are damaged: it goes on behind each damage with the leaf hash that is recorded
//! elsewhere (what the next record says that it follows, or the stored edge of the tree), never with that of the damaged bytes.
//! Taken only where the fast pass found something.

use std::collections::VecDeque;

use countersign_proof::tree::{Frontier, leaf_hash};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::{Damage, ExportLine};
use data_encoding::BASE64;
use rusqlite::{Connection, Row, Rows};
use serde::Deserialize;

use crate::columns::Columns;
use crate::offline::octets;
use crate::{damage, row};

/// Damaged records that a survey names; where there are more, a backup is needed.
pub const MAX_FOUND: usize = 64;

/// A record that is not the one that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its place.
    pub seq: u64,
    /// `edited`, `columns`, `reordered` or `missing`.
    pub rule: String,
    /// In words.
    pub text: String,
    /// The leaf hash that is recorded for it.
    pub expected: Digest,
    /// The digest of the row that stands there; none where none does.
    pub found: Option<Digest>,
}

/// The digest of a row of [`row::COLUMNS`] as it stands: what an acknowledgement names.
///
/// # Errors
/// A column is of another kind than the ledger's are.
pub fn digest_of_row(row: &Row<'_>) -> rusqlite::Result<Digest> {
    Ok(Owned::read(row)?.digest())
}

/// What a survey found.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Records that it went past, in order.
    pub found: Vec<Found>,
    /// What it could not go past.
    pub blocked: Option<Damage>,
}

/// Follows the records from number `begin` on, whose predecessor has the hash `prev`, up to the size of `stored`. `advance`
/// takes each leaf hash, and ends the survey with what it finds wrong with the tree.
pub fn survey(
    connection: &Connection,
    (begin, prev): (u64, Digest),
    stored: &Frontier,
    advance: &mut dyn FnMut(Digest) -> rusqlite::Result<Option<Damage>>,
) -> rusqlite::Result<Survey> {
    // From the table itself: an index could leave rows out.
    let sql = format!("SELECT {} FROM main.audit_events NOT INDEXED WHERE seq >= ?1 ORDER BY seq", row::COLUMNS);
    let mut statement = connection.prepare(&sql)?;
    let mut ahead = Ahead { rows: statement.query([begin])?, window: VecDeque::new(), stored };
    let (mut survey, mut prev) = (Survey::default(), prev);
    for at in begin..stored.size() {
        let (leaf, found) = match ahead.leaf_of(at, &prev)? {
            Ok(leaf) => leaf,
            Err(blocked) => return Ok(Survey { blocked: Some(blocked), ..survey }),
        };
        if let Some(found) = found {
            if survey.found.len() == MAX_FOUND {
                let text = format!("more than {MAX_FOUND} records are damaged, from {} on", survey.found[0].seq);
                return Ok(Survey { blocked: Some(damage(Some(at), "edited", text)), ..survey });
            }
            survey.found.push(found);
        }
        if let Some(blocked) = advance(leaf)? {
            return Ok(Survey { blocked: Some(blocked), ..survey });
        }
        prev = leaf;
        ahead.window.retain(|row| row.seq > at);
    }
    let beyond = ahead.row(stored.size())?.is_some() || ahead.rows.next()?.is_some();
    if beyond {
        let text = format!("{} records were committed, and there are more", stored.size());
        survey.blocked = Some(damage(Some(stored.size()), "inserted", text));
    }
    Ok(survey)
}

/// The rows from where the survey is, as far as they were looked at.
struct Ahead<'a> {
    rows: Rows<'a>,
    window: VecDeque<Owned>,
    stored: &'a Frontier,
}

type Leaf = (Digest, Option<Found>);

impl Ahead<'_> {
    /// The row with this number, where there is one. Numbers are asked for in steps of a few.
    fn row(&mut self, seq: u64) -> rusqlite::Result<Option<&Owned>> {
        while self.window.back().is_none_or(|last| last.seq < seq) {
            match self.rows.next()? {
                Some(row) => self.window.push_back(Owned::read(row)?),
                None => break,
            }
        }
        Ok(self.window.iter().find(|row| row.seq == seq))
    }

    /// What the record behind `seq` says that it follows, or the edge of the tree where it is the last.
    fn recorded(&mut self, seq: u64) -> rusqlite::Result<Option<Digest>> {
        if seq + 1 == self.stored.size() {
            let is_a_peak = self.stored.size() % 2 == 1;
            return Ok(self.stored.peaks().last().copied().filter(|_| is_a_peak));
        }
        Ok(self.row(seq + 1)?.and_then(Owned::follows))
    }

    /// The leaf hash of a record, and what is wrong with it; or why it cannot be known.
    fn leaf_of(&mut self, at: u64, prev: &Digest) -> rusqlite::Result<Result<Leaf, Damage>> {
        let recorded = self.recorded(at)?;
        let Some(row) = self.row(at)? else {
            let last = at + 1 == self.stored.size();
            return Ok(match recorded {
                // Behind an end that is gone nothing can be appended: the next record is the one after the last that is there.
                Some(leaf) if !last => {
                    let text = format!("the record is missing; the next one follows one whose hash is {leaf}");
                    Ok((leaf, Some(Found { seq: at, rule: "missing".into(), text, expected: leaf, found: None })))
                }
                _ if last => {
                    Err(damage(Some(at), "truncated", "the last record is missing: the end was cut off".into()))
                }
                _ => Err(damage(
                    Some(at),
                    "missing",
                    "the record is missing like the next one, and nothing says what its hash was".into(),
                )),
            });
        };
        let differs = recorded.is_some_and(|recorded| recorded != row.hash());
        let genuine = differs && self.is_genuine(at + 1)?;
        match self.row(at)? {
            Some(row) => Ok(Ok(judge(row, prev, recorded, genuine))),
            None => Ok(Err(damage(Some(at), "missing", "the record was there a moment ago".into()))),
        }
    }

    /// Whether the record with this number has the hash that is recorded for it, where one is.
    fn is_genuine(&mut self, seq: u64) -> rusqlite::Result<bool> {
        let recorded = self.recorded(seq)?;
        let hash = self.row(seq)?.map(|row| leaf_hash(&row.record));
        Ok(recorded.is_none() || recorded == hash)
    }
}

/// The leaf hash of a record behind `prev`, and what is wrong with it. `recorded` is what the next record says that it follows;
/// `genuine` whether that one is itself what is recorded for it.
pub(crate) fn judge(row: &Owned, prev: &Digest, recorded: Option<Digest>, genuine: bool) -> Leaf {
    let (hash, stands) = (row.hash(), row.digest());
    let found = |rule: &str, text: String, expected: Digest| {
        (expected, Some(Found { seq: row.seq, rule: rule.to_owned(), text, expected, found: Some(stands) }))
    };
    if let Err(wrong) = row.check(prev) {
        // Where nothing else says it, the octets may be right beside columns that are not: the tree shows it.
        return found(&wrong.rule, wrong.text, recorded.unwrap_or(hash));
    }
    match recorded {
        Some(recorded) if recorded != hash && genuine => {
            let text = format!("it has the hash {hash}, and the next record follows one whose hash is {recorded}");
            found("edited", text, recorded)
        }
        _ => (hash, None),
    }
}

/// A row, out of the hands of what it was read from.
#[derive(Clone)]
pub(crate) struct Owned {
    pub(crate) seq: u64,
    columns: [Vec<u8>; 9],
    record: Vec<u8>,
}

#[derive(Deserialize)]
struct Tied {
    prev: Digest,
}

impl Owned {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let octets = |index: usize| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_bytes()?.to_vec());
        let mut columns: [Vec<u8>; 9] = Default::default();
        for (index, column) in columns.iter_mut().enumerate() {
            *column = octets(index + 1)?;
        }
        Ok(Self { seq: row.get(0)?, columns, record: octets(10)? })
    }

    /// Of a line of an export, which has the row as it stood; none where it does not.
    pub(crate) fn of_line(line: &ExportLine) -> Option<Self> {
        let record = octets(line).ok()?;
        let details = line.details.get();
        // What is no object stands as text.
        let details =
            if details.starts_with('{') { details.to_owned() } else { serde_json::from_str::<String>(details).ok()? };
        let told = [
            &line.event_id,
            &line.created_at,
            &line.actor,
            &line.actor_type,
            &line.action,
            &line.category,
            &line.resource_type,
            &line.resource_id,
            &details,
        ];
        let columns = match &line.columns_base64 {
            None => told.map(|text| text.clone().into_bytes()),
            Some(all) => {
                let all: Option<Vec<Vec<u8>>> = all.iter().map(|text| BASE64.decode(text.as_bytes()).ok()).collect();
                let all: [Vec<u8>; 9] = all?.try_into().ok()?;
                // What people read says the same.
                let same = all.iter().zip(told).all(|(column, text)| String::from_utf8_lossy(column) == text.as_str());
                same.then_some(all)?
            }
        };
        Some(Self { seq: line.seq, columns, record })
    }

    /// The leaf hash of the octets that stand there.
    pub(crate) fn hash(&self) -> Digest {
        leaf_hash(&self.record)
    }

    pub(crate) fn follows(&self) -> Option<Digest> {
        serde_json::from_slice::<Tied>(&self.record).ok().map(|tied| tied.prev)
    }

    /// Of everything that stands in the row, each column behind its length.
    fn digest(&self) -> Digest {
        let mut all = Vec::with_capacity(self.record.len() * 2 + 128);
        for column in self.columns.iter().chain([&self.record]) {
            all.extend_from_slice(&(column.len() as u64).to_be_bytes());
            all.extend_from_slice(column);
        }
        Digest::of(&[b"countersign-row-v1\0", &self.seq.to_be_bytes(), &all])
    }

    fn check(&self, prev: &Digest) -> Result<(), Damage> {
        let [event_id, created_at, actor, actor_type, action, category, resource_type, resource_id, details] =
            &self.columns;
        let columns = Columns {
            seq: self.seq,
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
        let mut expected = Vec::with_capacity(self.record.len());
        columns.write_record(prev, &mut expected);
        if expected == self.record { Ok(()) } else { Err(row::explain(&columns, &self.record, prev)) }
    }
}
