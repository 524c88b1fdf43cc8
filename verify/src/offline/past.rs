//! Damage in an export or in archives that people acknowledged, where the acknowledging record stands in the files as well. Each
//! line is a row as it stood, so that what it was acknowledged as can be told again.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use countersign_shared::digest::Digest;
use countersign_shared::protocol::{AuditAction, ExportLine};

use super::export::{Lines, next_line, octets};
use crate::acknowledged::Acknowledgements;
use crate::columns::GENESIS;
use crate::survey::{MAX_FOUND, Owned, judge};

/// Which records are damaged, and gone past.
#[derive(Debug)]
pub struct Past {
    /// The leaf hash that is recorded for each.
    pub leaves: BTreeMap<u64, Digest>,
    /// What people acknowledged.
    pub acknowledged: Acknowledgements,
}

/// Looks through the files for what is acknowledged in them; none where there is nothing, or where there is more that is wrong.
/// `open` begins them anew.
pub fn look(open: impl Fn() -> io::Result<Vec<Lines>>) -> io::Result<Option<Past>> {
    let mut said = Vec::new();
    let mut rows = Rows::over(open()?);
    while let Some(line) = rows.line()? {
        if line.action == AuditAction::DamageAcknowledged.as_str()
            && let Ok(record) = octets(&line)
        {
            said.push((line.seq, record));
        }
    }
    if said.is_empty() || rows.unreadable {
        return Ok(None);
    }
    said.sort_by_key(|(seq, _)| std::cmp::Reverse(*seq));
    let mut acknowledged = Acknowledgements::default();
    said.iter().for_each(|(seq, record)| acknowledged.add(*seq, record));
    let leaves = leaves(Rows::over(open()?), &acknowledged)?;
    Ok(leaves.filter(|leaves| !leaves.is_empty()).map(|leaves| Past { leaves, acknowledged }))
}

/// The recorded leaf hash of each damaged record; none where one of them is not acknowledged.
fn leaves(mut rows: Rows, acknowledged: &Acknowledgements) -> io::Result<Option<BTreeMap<u64, Digest>>> {
    let mut leaves = BTreeMap::new();
    let mut before: Option<(u64, Digest)> = None;
    while let Some(row) = rows.take()? {
        if let Some((last, _)) = before {
            if row.seq <= last {
                return Ok(None);
            }
            if last + 1 < row.seq {
                let gone = acknowledged.gone(last + 1, row.seq);
                // Between two lines of an export there may be others, of which it was not asked for.
                before = gone.filter(|gone| gone.last().copied() == row.follows()).map(|gone| {
                    leaves.extend((last + 1..).zip(gone.iter().copied()));
                    (row.seq - 1, gone.last().copied().unwrap_or(GENESIS))
                });
            }
        }
        let prev = match before {
            Some((_, hash)) => hash,
            None if row.seq == 0 => GENESIS,
            None => row.follows().unwrap_or(GENESIS),
        };
        let recorded = rows.at(0, row.seq + 1)?.and_then(Owned::follows);
        let genuine = {
            let after = rows.at(1, row.seq + 2)?.and_then(Owned::follows);
            let next = rows.at(0, row.seq + 1)?.map(Owned::hash);
            after.is_none() || after == next
        };
        let (mut leaf, found) = judge(&row, &prev, recorded, genuine);
        if let Some(found) = found {
            let Some(expected) = acknowledged.as_recorded(&found, recorded) else { return Ok(None) };
            leaf = expected;
            leaves.insert(row.seq, leaf);
        }
        if leaves.len() > MAX_FOUND {
            return Ok(None);
        }
        before = Some((row.seq, leaf));
    }
    Ok((!rows.unreadable).then_some(leaves))
}

/// The lines of several files, one after the other, as rows.
struct Rows {
    files: VecDeque<Lines>,
    ahead: VecDeque<Owned>,
    /// A line is none of an export: nothing behind it is looked at.
    unreadable: bool,
}

impl Rows {
    fn over(files: Vec<Lines>) -> Self {
        Self { files: files.into(), ahead: VecDeque::new(), unreadable: false }
    }

    fn line(&mut self) -> io::Result<Option<ExportLine>> {
        let mut line = Vec::new();
        while let Some(file) = self.files.front_mut() {
            if next_line(file, &mut line)? {
                let ended = line.pop_if(|last| *last == b'\n').is_some();
                let read = serde_json::from_slice(&line).ok().filter(|_| ended);
                self.unreadable |= read.is_none();
                return Ok(read);
            }
            self.files.pop_front();
        }
        Ok(None)
    }

    fn fill(&mut self, rows: usize) -> io::Result<()> {
        while self.ahead.len() < rows && !self.unreadable {
            let Some(line) = self.line()? else { break };
            match Owned::of_line(&line) {
                Some(row) => self.ahead.push_back(row),
                None => self.unreadable = true,
            }
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<Option<Owned>> {
        self.fill(1)?;
        Ok(self.ahead.pop_front())
    }

    /// The row that stands so many behind the next one, where it has this number.
    fn at(&mut self, place: usize, seq: u64) -> io::Result<Option<&Owned>> {
        self.fill(place + 1)?;
        Ok(self.ahead.get(place).filter(|row| row.seq == seq))
    }
}
