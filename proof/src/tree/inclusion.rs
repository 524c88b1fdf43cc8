//! That a record is in a tree: RFC 6962 §2.1.1, verified as in RFC 9162 §2.1.3.2.

use countersign_shared::digest::Digest;

use super::nodes::range;
use super::{Nodes, ProofError, node_hash, split};

/// The hashes that lead from leaf `index` to the root of the tree of `size` leaves, the leaf's sibling first. `None` where
/// there is no such leaf in it.
pub fn prove_inclusion<N: Nodes + ?Sized>(nodes: &N, index: u64, size: u64) -> Result<Option<Vec<Digest>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let mut path = Vec::new();
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, begin, middle)?);
            begin = middle;
        }
    }
    path.reverse();
    Ok(Some(path))
}

/// The root to which a leaf's path leads.
pub fn root_of_inclusion(leaf: &Digest, index: u64, size: u64, path: &[Digest]) -> Result<Digest, ProofError> {
    if index >= size {
        return Err(ProofError::Outside { place: index, size });
    }
    let length = ProofError::Length { found: path.len() };
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(length);
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // A last node without a sibling moves up unchanged to where it has one.
            while node.is_multiple_of(2) && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(length) }
}

/// Verifies that the leaf with this hash is number `index` of the tree with this size and root.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    let found = root_of_inclusion(leaf, index, size, path)?;
    if found == *root { Ok(()) } else { Err(ProofError::Root { found, expected: *root }) }
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, Stored, hash};
    use super::super::{LONGEST_PATH, leaf_hash, root_at};
    use super::*;
    use proptest::prelude::*;

    /// Paths of the certificate-transparency test data: index, size, hashes.
    const VECTORS: [(u64, u64, &[&str]); 5] = [
        (0, 1, &[]),
        (
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            &[
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];

    #[test]
    fn paths_of_the_certificate_transparency_test_vectors() {
        let stored = Stored::of(&reference::leaves());
        for (index, size, path) in VECTORS {
            let path: Vec<Digest> = path.iter().map(|text| hash(text)).collect();
            assert_eq!(prove_inclusion(&stored, index, size), Ok(Some(path.clone())), "{index} {size}");
            let leaf = leaf_hash(reference::LEAVES[index as usize]);
            let root = hash(reference::ROOTS[size as usize - 1]);
            assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        }
    }

    #[test]
    fn no_leaf_outside_of_the_tree() {
        let stored = Stored::of(&reference::leaves());
        assert_eq!(prove_inclusion(&stored, 8, 8), Ok(None));
        assert_eq!(prove_inclusion(&stored, 0, 0), Ok(None));
        let leaf = leaf_hash(b"");
        assert_eq!(root_of_inclusion(&leaf, 8, 8, &[]), Err(ProofError::Outside { place: 8, size: 8 }));
        assert_eq!(root_of_inclusion(&leaf, 0, 0, &[]), Err(ProofError::Outside { place: 0, size: 0 }));
    }

    #[test]
    fn a_proof_in_a_large_tree_reads_few_hashes() {
        let stored = Stored::of(&reference::numbered(70_000));
        for index in [0, 1, 15, 16, 65_535, 65_536, 69_999] {
            stored.hashes_read.set(0);
            prove_inclusion(&stored, index, 70_000).unwrap().unwrap();
            assert!(stored.hashes_read.get() <= 100, "{index}: {}", stored.hashes_read.get());
        }
    }

    proptest! {
        #[test]
        fn proofs_are_those_of_the_definition(size in 1_u64..300, index in any::<prop::sample::Index>()) {
            let leaves = reference::numbered(size);
            let index = index.index(size as usize) as u64;
            let stored = Stored::of(&leaves);
            let path = prove_inclusion(&stored, index, size).unwrap().unwrap();
            prop_assert_eq!(&path, &reference::path(index as usize, &leaves));
            let (leaf, root) = (leaf_hash(&leaves[index as usize]), root_at(&stored, size).unwrap());
            prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));

            // No other place, no other leaf, no other path.
            for other in 0..size {
                prop_assert_eq!(verify_inclusion(&leaf, other, size, &path, &root).is_ok(), other == index);
            }
            prop_assert!(verify_inclusion(&root, index, size, &path, &root).is_err() || size == 1);
            for at in 0..path.len() {
                let mut bent = path.clone();
                bent[at] = leaf_hash(b"bent");
                prop_assert!(verify_inclusion(&leaf, index, size, &bent, &root).is_err());
                bent.remove(at);
                prop_assert!(verify_inclusion(&leaf, index, size, &bent, &root).is_err());
            }
            let mut longer = path.clone();
            longer.push(root);
            prop_assert_eq!(
                verify_inclusion(&leaf, index, size, &longer, &root),
                Err(ProofError::Length { found: longer.len() })
            );
        }

        #[test]
        fn garbage_is_refused_in_few_steps(
            index in any::<u64>(), size in any::<u64>(), length in 0..LONGEST_PATH + 10, octet in any::<u8>(),
        ) {
            let path = vec![Digest::from_bytes([octet; 32]); length];
            let leaf = leaf_hash(b"leaf");
            prop_assert!(verify_inclusion(&leaf, index, size, &path, &leaf_hash(b"root")).is_err());
        }
    }
}
