//! The end of the chain of records, and the nodes of their tree that a database keeps.

use countersign_proof::tree::{Frontier, is_stored};
use countersign_shared::digest::Digest;

use crate::columns::GENESIS;

/// A complete node of the tree that is stored: see [`countersign_proof::tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its level; leaves are at 0.
    pub level: u32,
    /// Its place in the level.
    pub index: u64,
    /// Its hash.
    pub hash: Digest,
}

/// The end of the chain: what the next record is tied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    prev: Digest,
    frontier: Frontier,
}

impl Default for Chain {
    fn default() -> Self {
        Self { prev: GENESIS, frontier: Frontier::default() }
    }
}

impl Chain {
    /// A chain as it was kept: the last record's hash and the tree's right edge.
    pub fn from_parts(prev: Digest, frontier: Frontier) -> Self {
        Self { prev, frontier }
    }

    /// The last record's hash.
    pub fn prev(&self) -> Digest {
        self.prev
    }

    /// The tree's right edge.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// How many records there are: the next one's sequence number.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Moves past a record with this hash; `complete` gets the nodes that are stored from here on, lowest first.
    pub fn advance(&mut self, hash: Digest, mut complete: impl FnMut(Node)) {
        self.prev = hash;
        self.frontier.append_and_report(hash, |level, index, hash| {
            if is_stored(level) {
                complete(Node { level, index, hash });
            }
        });
    }
}
