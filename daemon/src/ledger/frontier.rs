//! The right edge of an RFC 6962 Merkle tree: enough to append and to state the root, in O(log n) hashes.

use countersign_shared::digest::Digest;

/// RFC 6962 §2.1: a leaf is hashed behind a zero octet.
pub const LEAF_PREFIX: u8 = 0;

/// RFC 6962 §2.1: an inner node is hashed behind a one.
const NODE_PREFIX: u8 = 1;

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
        let mut node = leaf;
        // Each trailing one bit of the size is a complete subtree that the new leaf completes a pair with.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The Merkle tree hash (RFC 6962 §2.1); of the empty tree, the hash of nothing.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return Digest::of(&[]) };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6962 §2.1 as it is written, recursively: the reference that the frontier is held against.
    fn tree_hash(leaves: &[Vec<u8>]) -> Digest {
        match leaves.len() {
            0 => Digest::of(&[]),
            1 => leaf_hash(&leaves[0]),
            n => {
                let k = n.next_power_of_two() / 2;
                node_hash(&tree_hash(&leaves[..k]), &tree_hash(&leaves[k..]))
            }
        }
    }

    #[test]
    fn roots_of_the_certificate_transparency_test_vectors() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        for (leaf, root) in leaves.iter().zip(roots) {
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
            prop_assert_eq!(frontier.root(), tree_hash(&leaves));
            let kept = Frontier::from_parts(frontier.size(), frontier.peaks().to_vec());
            prop_assert_eq!(kept, Some(frontier));
        }
    }
}
