//! The right edge of the tree: enough to append and to state the root, in O(log n) hashes.

use countersign_shared::digest::Digest;

use super::{empty_root, node_hash};

/// The roots of the complete subtrees that cover the leaves, largest first; one for each bit of the size.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

impl Frontier {
    /// A frontier as it was kept; `None` where the number of peaks does not fit the size.
    pub fn from_parts(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// See [`Frontier`].
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf: Digest) {
        self.append_and_report(leaf, |_, _, _| {});
    }

    /// Appends a leaf by its hash, and reports each inner node that it completes, lowest first: level, index, hash. On average
    /// one node a leaf; with [`super::is_stored`] one in fifteen leaves leaves something to store.
    pub fn append_and_report(&mut self, leaf: Digest, mut complete: impl FnMut(u32, u64, Digest)) {
        let mut node = leaf;
        // Each trailing one bit of the size is a complete subtree that the new leaf completes a pair with.
        for level in 1..=self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
                complete(level, self.size >> level, node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The Merkle tree hash (RFC 6962 §2.1); of the empty tree, the hash of nothing.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, Stored};
    use super::super::{is_stored, leaf_hash};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn roots_of_the_certificate_transparency_test_vectors() {
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root().to_string(), reference::EMPTY_ROOT);
        for (leaf, root) in reference::LEAVES.iter().zip(reference::ROOTS) {
            frontier.append(leaf_hash(leaf));
            assert_eq!(frontier.root().to_string(), root);
        }
    }

    proptest! {
        #[test]
        fn the_frontier_agrees_with_the_definition(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..70)) {
            let mut frontier = Frontier::default();
            for leaf in &leaves {
                frontier.append(leaf_hash(leaf));
            }
            prop_assert_eq!(frontier.root(), reference::tree_hash(&leaves));
            let kept = Frontier::from_parts(frontier.size(), frontier.peaks().to_vec());
            prop_assert_eq!(kept, Some(frontier));
        }

        #[test]
        fn the_nodes_reported_are_the_complete_subtrees(size in 0_u64..300) {
            let leaves = reference::numbered(size);
            let mut reported = 0;
            let mut frontier = Frontier::default();
            for leaf in &leaves {
                frontier.append_and_report(leaf_hash(leaf), |level, index, hash| {
                    let (begin, end) = ((index << level) as usize, ((index + 1) << level) as usize);
                    assert_eq!(hash, reference::tree_hash(&leaves[begin..end]), "{level} {index}");
                    reported += 1;
                });
            }
            prop_assert_eq!(reported, (1..64).map(|level| size >> level).sum::<u64>());
            let stored = Stored::of(&leaves);
            prop_assert!(stored.nodes.keys().all(|(level, _)| is_stored(*level)));
            prop_assert_eq!(stored.nodes.len() as u64, (1..16).map(|n| size >> (4 * n)).sum::<u64>());
        }
    }
}
