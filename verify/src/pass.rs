//! One pass over the records of a database: the chain, the tree, the nodes that are stored of it, and the roots at the sizes
//! that checkpoints are of. What a checkpoint is compared with comes from the records, never from stored nodes.

use std::collections::BTreeMap;

use countersign_proof::anchor::Roots;
use countersign_proof::tree::{Frontier, leaf_hash};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use rusqlite::{Connection, Rows};

use crate::aside::Source;
use crate::chain::{Chain, Node};
use crate::nodes::{Beside, Levels, Stored};
use crate::row::Values;
use crate::survey::{Survey, survey};
use crate::{Progress, aside, nodes, row};

/// Records between two words on the progress.
const STEP: u64 = 4096;

/// What becomes of the records behind one that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// They are not looked at.
    Left,
    /// They are hashed as they are, for the anchors.
    Hashed,
}

/// On how many threads records are looked at: the outcome is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// Each is read and checked on this one.
    One,
    /// They are read on this one and checked on another.
    Two,
}

/// Where a pass is, and what it found.
#[derive(Debug)]
pub struct Pass {
    chain: Chain,
    /// Falling.
    wanted: Vec<u64>,
    roots: BTreeMap<u64, Digest>,
    damage: Option<Damage>,
    beside: usize,
}

impl Pass {
    /// Begins behind what `chain` vouches for, and keeps the root at each of the sizes `wanted` that it comes by, its begin
    /// included.
    pub fn begin(chain: Chain, wanted: impl IntoIterator<Item = u64>) -> Self {
        let mut wanted: Vec<u64> = wanted.into_iter().filter(|size| *size >= chain.size()).collect();
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        let mut pass = Self { chain, wanted, roots: BTreeMap::new(), damage: None, beside: 0 };
        pass.keep();
        pass
    }

    /// So many other threads are kept busy meanwhile: a second one of this pass has to have a core besides.
    pub fn beside(self, threads: usize) -> Self {
        Self { beside: threads, ..self }
    }

    /// How far it came.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The first record or node that is wrong.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Where the chain ends, what was found, and the roots that were kept.
    pub fn into_parts(self) -> (Chain, Option<Damage>, BTreeMap<u64, Digest>) {
        (self.chain, self.damage, self.roots)
    }

    /// Moves past a record with this hash, right or wrong: the tree is that of the records as they are.
    pub fn advance(&mut self, hash: Digest, complete: impl FnMut(Node)) {
        self.chain.advance(hash, complete);
        self.keep();
    }

    fn keep(&mut self) {
        while self.wanted.last() == Some(&self.chain.size()) {
            self.wanted.pop();
            self.roots.insert(self.chain.size(), self.chain.frontier().root());
        }
    }

    /// Every record from here on, in order, and beside them the stored nodes where there is a table of them. A long pass takes
    /// a second thread, where there is a core for it.
    ///
    /// # Errors
    /// The database cannot be read on; what was found before stands.
    pub fn records(
        &mut self,
        connection: &Connection,
        with_nodes: bool,
        behind: Behind,
        progress: &mut Progress<'_>,
    ) -> rusqlite::Result<()> {
        let threads = aside::worth(total(connection)?.saturating_sub(self.chain.size()), self.beside);
        self.records_on(threads, connection, with_nodes, behind, progress)
    }

    /// The same on so many threads, or on one where there is no second to be had.
    ///
    /// # Errors
    /// As for [`Pass::records`].
    pub fn records_on(
        &mut self,
        threads: Threads,
        connection: &Connection,
        with_nodes: bool,
        behind: Behind,
        progress: &mut Progress<'_>,
    ) -> rusqlite::Result<()> {
        let total = total(connection)?;
        let mut levels = with_nodes.then(|| Levels::prepare(connection)).transpose()?;
        let mut beside = levels.as_mut().map(|levels| levels.behind(self.chain.size())).transpose()?;
        // From the table itself: an index could leave rows out.
        let sql = format!("SELECT {} FROM main.audit_events NOT INDEXED WHERE seq >= ?1 ORDER BY seq", row::COLUMNS);
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([self.chain.size()])?;
        let mut told = |at: u64| {
            if at.is_multiple_of(STEP) {
                progress(at, total);
            }
        };
        let begin = self.chain.size();
        let mut check = Check { pass: self, behind, scratch: Vec::with_capacity(1024), nodes: Vec::new() };
        let aside = match threads {
            Threads::One => None,
            Threads::Two => {
                let mut source = Source { rows: &mut rows, beside: beside.as_mut(), begin };
                aside::check(&mut source, &mut check, &mut told)
            }
        };
        let to_the_end = match aside {
            Some(outcome) => outcome?,
            None => check.here(&mut rows, beside.as_mut(), &mut told)?,
        };
        if to_the_end {
            progress(total, total);
        }
        Ok(())
    }

    /// The same for records of which some are damaged, up to the size of `stored`: goes on behind each with the leaf hash that
    /// is recorded for it. What it could not go past is in what it returns, and is not the damage of the pass.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn past(&mut self, connection: &Connection, with_nodes: bool, stored: &Frontier) -> rusqlite::Result<Survey> {
        let mut levels = with_nodes.then(|| Levels::prepare(connection)).transpose()?;
        let mut beside = levels.as_mut().map(|levels| levels.behind(self.chain.size())).transpose()?;
        let (begin, mut nodes) = ((self.chain.size(), self.chain.prev()), Vec::new());
        survey(connection, begin, stored, &mut |leaf| {
            self.advance(leaf, |node| nodes.push(node));
            for node in nodes.drain(..) {
                self.node(&node, |level| beside.as_mut().map(|beside| beside.next(level)).transpose())?;
            }
            Ok(self.damage.take())
        })
    }

    /// Holds a node that the last record completed against what is stored, unless something is wrong already.
    fn node(
        &mut self,
        node: &Node,
        stored: impl FnOnce(u32) -> rusqlite::Result<Option<Option<Stored>>>,
    ) -> rusqlite::Result<()> {
        if self.damage.is_none()
            && let Some(stored) = stored(node.level)?
        {
            self.damage = nodes::compare(node, stored, self.chain.size());
        }
        Ok(())
    }
}

/// How many records there are, if none is missing.
fn total(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT coalesce(max(seq) + 1, 0) FROM audit_events", [], |row| row.get(0))
}

/// Takes the rows in their order, wherever they were read.
pub(crate) struct Check<'p> {
    pass: &'p mut Pass,
    behind: Behind,
    scratch: Vec<u8>,
    nodes: Vec<Node>,
}

impl Check<'_> {
    /// Takes the next row; `stored` has what is stored at a level beside it, where there is a table of nodes. False where
    /// nothing behind the row is to be looked at.
    pub(crate) fn row(
        &mut self,
        row: Values<'_>,
        mut stored: impl FnMut(u32) -> rusqlite::Result<Option<Option<Stored>>>,
    ) -> rusqlite::Result<bool> {
        let Self { pass, behind, scratch, nodes } = self;
        let left = |pass: &Pass| pass.damage.is_some() && *behind == Behind::Left;
        let mut right = None;
        if pass.damage.is_none() {
            match row::check(&row, pass.chain.size(), &pass.chain.prev(), scratch) {
                Ok(hash) => right = Some(hash),
                Err(found) => pass.damage = Some(found),
            }
        }
        let hash = match right {
            Some(hash) => hash,
            None if left(pass) => return Ok(false),
            None => leaf_hash(row.record.map_err(|error| *error)?),
        };
        pass.advance(hash, |node| nodes.push(node));
        for node in nodes.drain(..) {
            pass.node(&node, &mut stored)?;
        }
        Ok(!left(pass))
    }

    /// Each row as it is read, on this thread.
    fn here(
        &mut self,
        rows: &mut Rows<'_>,
        mut beside: Option<&mut Beside<'_>>,
        told: &mut dyn FnMut(u64),
    ) -> rusqlite::Result<bool> {
        while let Some(row) = rows.next()? {
            told(self.pass.chain.size());
            let stored = |level| beside.as_mut().map(|beside| beside.next(level)).transpose();
            if !self.row(Values::read(row)?, stored)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// As far as it came. An error is a size whose root was not kept.
impl Roots for Pass {
    type Error = u64;

    fn size(&self) -> u64 {
        self.chain.size()
    }

    fn root_at(&self, size: u64) -> Result<Digest, u64> {
        self.roots.get(&size).copied().ok_or(size)
    }
}

#[cfg(test)]
#[path = "pass_tests.rs"]
mod tests;
