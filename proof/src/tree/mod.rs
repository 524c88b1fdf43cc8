//! The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1) over SHA-256, whose leaves are the ledger's records.
//!
//! A *node* `(level, index)` is the root of the complete subtree over the leaves `index·2^level .. (index+1)·2^level`. Once
//! complete it never changes; everything else in the tree is computed from such nodes when it is asked for.

mod consistency;
mod frontier;
mod inclusion;
mod nodes;

pub use consistency::{prove_consistency, verify_consistency};
pub use frontier::Frontier;
pub use inclusion::{prove_inclusion, root_of_inclusion, verify_inclusion};
pub use nodes::{MOST_AT_ONCE, Nodes, STRIDE, is_stored, peaks_at, root_at};

use std::fmt;

use countersign_shared::digest::Digest;

/// RFC 6962 §2.1: a leaf is hashed behind a zero octet.
pub const LEAF_PREFIX: u8 = 0;

/// RFC 6962 §2.1: an inner node is hashed behind a one.
const NODE_PREFIX: u8 = 1;

/// The longest path there can be: the tree of 2⁶⁴−1 leaves is 64 levels high, and a consistency proof starts with one hash more.
pub const LONGEST_PATH: usize = 65;

/// The hash of a leaf.
pub fn leaf_hash(record: &[u8]) -> Digest {
    Digest::of(&[&[LEAF_PREFIX], record])
}

/// The hash of an inner node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut node = [NODE_PREFIX; 65];
    node[1..33].copy_from_slice(left.as_bytes());
    node[33..].copy_from_slice(right.as_bytes());
    Digest::of(&[&node])
}

/// The root of the tree without leaves: the hash of nothing.
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// The largest power of two below `size`, which is at least 2: where RFC 6962 splits a tree.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Why a proof does not show what it is said to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// There is no such leaf, or no earlier tree of that size: the place and the size.
    Outside {
        /// The leaf's index, or the size of the earlier tree.
        place: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The number of hashes is another than these sizes need.
    Length {
        /// How many there are.
        found: usize,
    },
    /// The hashes lead to another root than the tree's.
    Root {
        /// The root to which they lead.
        found: Digest,
        /// The root that the tree is said to have.
        expected: Digest,
    },
    /// The hashes of a consistency proof lead to another root than the earlier tree's.
    EarlierRoot {
        /// The root to which they lead.
        found: Digest,
        /// The root that the earlier tree is said to have.
        expected: Digest,
    },
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside { place, size } => write!(f, "{place} is not in a tree of {size} records"),
            Self::Length { found } => write!(f, "{found} hashes are not what a proof for these sizes has"),
            Self::Root { found, expected } => write!(f, "the proof leads to the root {found}, not to {expected}"),
            Self::EarlierRoot { found, expected } => {
                write!(f, "the proof leads to {found} as the earlier root, not to {expected}")
            }
        }
    }
}

impl std::error::Error for ProofError {}

#[cfg(test)]
pub(crate) mod reference;
