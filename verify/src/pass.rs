//! One pass over the records of a database: the chain, the tree, the nodes that are stored of it, and the roots at the sizes
//! that checkpoints are of. What a checkpoint is compared with comes from the records, never from stored nodes.

use std::collections::BTreeMap;

use countersign_proof::anchor::Roots;
use countersign_proof::tree::{Frontier, leaf_hash};
use countersign_shared::digest::Digest;
use countersign_shared::protocol::Damage;
use rusqlite::{Connection, Row};

use crate::chain::{Chain, Node};
use crate::nodes::{Beside, Levels};
use crate::survey::{Survey, survey};
use crate::{Progress, row};

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

/// Where a pass is, and what it found.
#[derive(Debug)]
pub struct Pass {
    chain: Chain,
    /// Falling.
    wanted: Vec<u64>,
    roots: BTreeMap<u64, Digest>,
    damage: Option<Damage>,
}

impl Pass {
    /// Begins behind what `chain` vouches for, and keeps the root at each of the sizes `wanted` that it comes by, its begin
    /// included.
    pub fn begin(chain: Chain, wanted: impl IntoIterator<Item = u64>) -> Self {
        let mut wanted: Vec<u64> = wanted.into_iter().filter(|size| *size >= chain.size()).collect();
        wanted.sort_unstable_by(|a, b| b.cmp(a));
        let mut pass = Self { chain, wanted, roots: BTreeMap::new(), damage: None };
        pass.keep();
        pass
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

    /// Every record from here on, in order, and beside them the stored nodes where there is a table of them.
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
        let total: u64 =
            connection.query_row("SELECT coalesce(max(seq) + 1, 0) FROM audit_events", [], |row| row.get(0))?;
        let mut levels = with_nodes.then(|| Levels::prepare(connection)).transpose()?;
        let mut beside = levels.as_mut().map(|levels| levels.behind(self.chain.size())).transpose()?;
        // From the table itself: an index could leave rows out.
        let sql = format!("SELECT {} FROM main.audit_events NOT INDEXED WHERE seq >= ?1 ORDER BY seq", row::COLUMNS);
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([self.chain.size()])?;
        let (mut scratch, mut nodes) = (Vec::with_capacity(1024), Vec::new());
        while let Some(row) = rows.next()? {
            let at = self.chain.size();
            if at.is_multiple_of(STEP) {
                progress(at, total);
            }
            let hash = match &self.damage {
                None => match row::check(row, at, &self.chain.prev(), &mut scratch) {
                    Ok(hash) => hash,
                    Err(found) => {
                        self.damage = Some(found);
                        match behind {
                            Behind::Left => return Ok(()),
                            Behind::Hashed => hash_of(row)?,
                        }
                    }
                },
                Some(_) => hash_of(row)?,
            };
            self.advance(hash, |node| nodes.push(node));
            self.nodes(&mut nodes, beside.as_mut())?;
            if self.damage.is_some() && behind == Behind::Left {
                return Ok(());
            }
        }
        progress(total, total);
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
            self.nodes(&mut nodes, beside.as_mut())?;
            Ok(self.damage.take())
        })
    }

    fn nodes(&mut self, nodes: &mut Vec<Node>, beside: Option<&mut Beside<'_>>) -> rusqlite::Result<()> {
        if let Some(beside) = beside {
            for node in nodes.iter() {
                if self.damage.is_none() {
                    self.damage = beside.compare(node, self.chain.size())?;
                }
            }
        }
        nodes.clear();
        Ok(())
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

fn hash_of(row: &Row<'_>) -> rusqlite::Result<Digest> {
    Ok(leaf_hash(row.get_ref(10)?.as_bytes()?))
}
