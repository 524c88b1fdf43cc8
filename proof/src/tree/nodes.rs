//! Where proofs read the tree from, and what a database keeps for it.
//!
//! # What is stored
//! The leaves are the records themselves, so that their hashes need no room. Of the inner nodes, those of every fourth level
//! ([`STRIDE`]) are stored when they become complete, one row each:
//!
//! ```sql
//! CREATE TABLE IF NOT EXISTS ledger_nodes (
//!     level INTEGER NOT NULL CHECK (level BETWEEN 4 AND 60 AND level % 4 = 0),
//!     idx   INTEGER NOT NULL CHECK (idx >= 0),
//!     hash  BLOB NOT NULL CHECK (length(hash) = 32),
//!     PRIMARY KEY (level, idx)
//! ) STRICT, WITHOUT ROWID;
//! CREATE TRIGGER IF NOT EXISTS ledger_nodes_no_update BEFORE UPDATE ON ledger_nodes
//! BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
//! CREATE TRIGGER IF NOT EXISTS ledger_nodes_no_delete BEFORE DELETE ON ledger_nodes
//! BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
//! CREATE TRIGGER IF NOT EXISTS ledger_nodes_in_order BEFORE INSERT ON ledger_nodes
//! WHEN NEW.idx <> (SELECT coalesce(max(idx) + 1, 0) FROM ledger_nodes WHERE level = NEW.level)
//! BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END;
//! ```
//!
//! In the transaction of the record, for what [`super::Frontier::append_and_report`] reports and [`is_stored`] takes:
//!
//! ```sql
//! INSERT INTO ledger_nodes (level, idx, hash) VALUES (?1, ?2, ?3);
//! ```
//!
//! [`Nodes::read`] is one of two queries, each over neighbouring rows:
//!
//! ```sql
//! SELECT record FROM audit_events WHERE seq >= ?1 AND seq < ?2 ORDER BY seq;                      -- level 0: hashed as leaves
//! SELECT hash FROM ledger_nodes WHERE level = ?1 AND idx >= ?2 AND idx < ?3 ORDER BY idx;
//! ```
//!
//! # What it costs
//! A record in 16 adds a row, one in 256 a second, and so on: 1/15 row and about 3 octets a record. A node of a level between
//! is made of at most eight stored ones ([`MOST_AT_ONCE`]). A proof in a tree of ten million records takes 24 siblings: 24
//! queries and 90 hashes read on average, of them at most 15 records; the right edge of the tree, where it is a sibling, takes
//! up to as much again.
//!
//! # What it is worth
//! Stored nodes are a cache. A proof that was made from a wrong one leads to another root, and whoever makes a proof verifies it
//! before it is handed out; the full verification makes every node again from the records and compares.

use countersign_shared::digest::Digest;

use super::{empty_root, node_hash};

/// Of the inner nodes, those whose level is a multiple of this are stored.
pub const STRIDE: u32 = 4;

/// The most hashes that [`Nodes::read`] is asked for at once.
pub const MOST_AT_ONCE: usize = 1 << (STRIDE - 1);

/// True for the levels of inner nodes that are stored.
pub fn is_stored(level: u32) -> bool {
    level > 0 && level.is_multiple_of(STRIDE)
}

/// Where the hashes of leaves and of stored nodes come from.
pub trait Nodes {
    /// Why they could not be read.
    type Error;

    /// Fills `hashes`, at most [`MOST_AT_ONCE`], with those of the nodes `first`, `first + 1`, … of a level: 0 for the leaves,
    /// otherwise one that [`is_stored`]. A node that is missing is an error.
    fn read(&self, level: u32, first: u64, hashes: &mut [Digest]) -> Result<(), Self::Error>;
}

/// The root of the tree as it was when it had `size` leaves.
pub fn root_at<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Digest, N::Error> {
    if size == 0 { Ok(empty_root()) } else { range(nodes, 0, size) }
}

/// The roots of the complete subtrees of the tree as it was when it had `size` leaves, largest first: what
/// [`super::Frontier::from_parts`] goes on from.
pub fn peaks_at<N: Nodes + ?Sized>(nodes: &N, size: u64) -> Result<Vec<Digest>, N::Error> {
    let (mut peaks, mut place, mut rest) = (Vec::new(), 0_u64, size);
    while let Some(level) = rest.checked_ilog2() {
        peaks.push(subtree(nodes, level, place >> level)?);
        place += 1 << level;
        rest -= 1 << level;
    }
    Ok(peaks)
}

/// The hash over the leaves `begin .. end`, where `begin` is a place at which RFC 6962 splits: a multiple of the power of two
/// that is not below the number of leaves.
pub(super) fn range<N: Nodes + ?Sized>(nodes: &N, begin: u64, end: u64) -> Result<Digest, N::Error> {
    let length = end - begin;
    // From the right, smallest subtree first: each is the right neighbour of all that is larger.
    let mut level = length.trailing_zeros();
    let mut place = end - (1 << level);
    let mut hash = subtree(nodes, level, place >> level)?;
    let mut rest = length & (length - 1);
    while rest > 0 {
        level = rest.trailing_zeros();
        place -= 1 << level;
        hash = node_hash(&subtree(nodes, level, place >> level)?, &hash);
        rest &= rest - 1;
    }
    Ok(hash)
}

/// The node `(level, index)`, made of the stored ones below it where it is not stored.
fn subtree<N: Nodes + ?Sized>(nodes: &N, level: u32, index: u64) -> Result<Digest, N::Error> {
    let above = level % STRIDE;
    let mut width = 1 << above;
    let mut hashes = [Digest::from_bytes([0; 32]); MOST_AT_ONCE];
    nodes.read(level - above, index << above, &mut hashes[..width])?;
    while width > 1 {
        width /= 2;
        for pair in 0..width {
            hashes[pair] = node_hash(&hashes[2 * pair], &hashes[2 * pair + 1]);
        }
    }
    Ok(hashes[0])
}

#[cfg(test)]
mod tests {
    use super::super::reference::{Stored, numbered, tree_hash};
    use super::super::{Frontier, leaf_hash};
    use super::*;

    #[test]
    fn every_earlier_root_is_read_from_the_stored_nodes() {
        let leaves = numbered(600);
        let stored = Stored::of(&leaves);
        for size in 0..=600 {
            assert_eq!(root_at(&stored, size), Ok(tree_hash(&leaves[..size as usize])), "{size}");
        }
        assert_eq!(root_at(&stored, 601), Err((0, 600)));
    }

    #[test]
    fn every_earlier_tree_goes_on_from_its_peaks() {
        let leaves = numbered(600);
        let stored = Stored::of(&leaves);
        for size in 0..600 {
            let peaks = peaks_at(&stored, size).unwrap();
            let mut tree = Frontier::from_parts(size, peaks).unwrap();
            assert_eq!(tree.root(), tree_hash(&leaves[..size as usize]), "{size}");
            tree.append(leaf_hash(&leaves[size as usize]));
            assert_eq!(tree.root(), tree_hash(&leaves[..=size as usize]), "{size}");
        }
    }

    #[test]
    fn a_root_of_many_records_reads_few() {
        let stored = Stored::of(&numbered(70_000));
        root_at(&stored, 69_999).unwrap();
        assert!(stored.hashes_read.get() <= 40, "{}", stored.hashes_read.get());
    }
}
