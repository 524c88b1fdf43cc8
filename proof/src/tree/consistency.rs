//! That a tree continues an earlier one: RFC 6962 §2.1.2, verified as in RFC 9162 §2.1.4.2.

use countersign_shared::digest::Digest;

use super::nodes::range;
use super::{Nodes, ProofError, empty_root, node_hash, split};

/// The hashes that show that the tree of `size` leaves begins with the tree of `earlier` leaves. Empty where the two are the
/// same or the earlier one has no leaves. `None` where `earlier` is the larger.
pub fn prove_consistency<N: Nodes + ?Sized>(
    nodes: &N,
    earlier: u64,
    size: u64,
) -> Result<Option<Vec<Digest>>, N::Error> {
    if earlier > size {
        return Ok(None);
    }
    let mut path = Vec::new();
    if earlier == 0 {
        return Ok(Some(path));
    }
    let (mut begin, mut end) = (0, size);
    while earlier != end {
        let middle = begin + split(end - begin);
        if earlier <= middle {
            path.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            path.push(range(nodes, begin, middle)?);
            begin = middle;
        }
    }
    // The subtree at which both trees end. Where it begins with the first leaf, it is the earlier tree itself.
    if begin > 0 {
        path.push(range(nodes, begin, end)?);
    }
    path.reverse();
    Ok(Some(path))
}

/// Verifies that the tree with `size` and `root` begins with the tree that has `earlier` leaves and `earlier_root`.
pub fn verify_consistency(
    earlier: u64,
    earlier_root: &Digest,
    size: u64,
    root: &Digest,
    path: &[Digest],
) -> Result<(), ProofError> {
    if earlier > size {
        return Err(ProofError::Outside { place: earlier, size });
    }
    let length = ProofError::Length { found: path.len() };
    let arrives = |found: Digest, expected: &Digest| {
        if found == *expected { Ok(()) } else { Err(ProofError::Root { found, expected: *expected }) }
    };
    let arrives_earlier = |found: Digest| {
        if found == *earlier_root { Ok(()) } else { Err(ProofError::EarlierRoot { found, expected: *earlier_root }) }
    };
    if earlier == 0 || earlier == size {
        if !path.is_empty() {
            return Err(length);
        }
        if earlier == 0 {
            arrives_earlier(empty_root())?;
        }
        return if earlier == size { arrives(*earlier_root, root) } else { Ok(()) };
    }
    let (first, rest) = if earlier.is_power_of_two() {
        (*earlier_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or(length)?;
        (*first, rest)
    };
    let (mut node, mut last) = (earlier - 1, size - 1);
    while node % 2 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut before, mut now) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(length);
        }
        if node % 2 == 1 || node == last {
            before = node_hash(sibling, &before);
            now = node_hash(sibling, &now);
            while node.is_multiple_of(2) && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            now = node_hash(&now, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    arrives_earlier(before)?;
    arrives(now, root)
}

#[cfg(test)]
mod tests {
    use super::super::reference::{self, Stored, hash};
    use super::super::{LONGEST_PATH, leaf_hash, root_at};
    use super::*;
    use proptest::prelude::*;

    /// Proofs of the certificate-transparency test data: earlier size, size, hashes.
    const VECTORS: [(u64, u64, &[&str]); 4] = [
        (1, 1, &[]),
        (
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ];

    fn root(size: u64) -> Digest {
        hash(reference::ROOTS[size as usize - 1])
    }

    #[test]
    fn proofs_of_the_certificate_transparency_test_vectors() {
        let stored = Stored::of(&reference::leaves());
        for (earlier, size, path) in VECTORS {
            let path: Vec<Digest> = path.iter().map(|text| hash(text)).collect();
            assert_eq!(prove_consistency(&stored, earlier, size), Ok(Some(path.clone())), "{earlier} {size}");
            assert_eq!(verify_consistency(earlier, &root(earlier), size, &root(size), &path), Ok(()));
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        let stored = Stored::of(&reference::leaves());
        let (empty, other) = (empty_root(), leaf_hash(b"other"));
        assert_eq!(prove_consistency(&stored, 9, 8), Ok(None));
        assert_eq!(prove_consistency(&stored, 0, 8), Ok(Some(Vec::new())));
        assert_eq!(verify_consistency(0, &empty, 8, &root(8), &[]), Ok(()));
        assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
        let earlier = ProofError::EarlierRoot { found: empty, expected: other };
        assert_eq!(verify_consistency(0, &other, 8, &root(8), &[]), Err(earlier));
        let expected = ProofError::Root { found: root(8), expected: other };
        assert_eq!(verify_consistency(8, &root(8), 8, &other, &[]), Err(expected));
        for (earlier, earlier_root) in [(0, empty), (8, root(8))] {
            let refused = verify_consistency(earlier, &earlier_root, 8, &root(8), &[other]);
            assert_eq!(refused, Err(ProofError::Length { found: 1 }));
        }
        let refused = verify_consistency(9, &root(8), 8, &root(8), &[]);
        assert_eq!(refused, Err(ProofError::Outside { place: 9, size: 8 }));
    }

    proptest! {
        #[test]
        fn proofs_are_those_of_the_definition(size in 1_u64..200, earlier in any::<prop::sample::Index>()) {
            let leaves = reference::numbered(size);
            let earlier = earlier.index(size as usize) as u64 + 1;
            let stored = Stored::of(&leaves);
            let path = prove_consistency(&stored, earlier, size).unwrap().unwrap();
            prop_assert_eq!(&path, &reference::proof(earlier as usize, &leaves));
            let (before, now) = (root_at(&stored, earlier).unwrap(), root_at(&stored, size).unwrap());
            prop_assert_eq!(verify_consistency(earlier, &before, size, &now, &path), Ok(()));

            // Neither another history nor another present.
            let forged = leaf_hash(b"forged");
            prop_assert!(verify_consistency(earlier, &forged, size, &now, &path).is_err());
            prop_assert!(verify_consistency(earlier, &before, size, &forged, &path).is_err());
            for other in 1..=size {
                let holds = verify_consistency(other, &before, size, &now, &path).is_ok();
                prop_assert_eq!(holds, other == earlier, "{}", other);
            }
            for at in 0..path.len() {
                let mut bent = path.clone();
                bent[at] = forged;
                prop_assert!(verify_consistency(earlier, &before, size, &now, &bent).is_err());
                bent.remove(at);
                prop_assert!(verify_consistency(earlier, &before, size, &now, &bent).is_err());
            }
        }

        #[test]
        fn a_tree_with_one_old_leaf_changed_has_no_proof(size in 2_u64..100, at in any::<prop::sample::Index>()) {
            let mut leaves = reference::numbered(size);
            let earlier = at.index(size as usize - 1) as u64 + 1;
            let before = reference::tree_hash(&leaves[..earlier as usize]);
            leaves[at.index(earlier as usize)] = b"edited".to_vec();
            let stored = Stored::of(&leaves);
            let path = prove_consistency(&stored, earlier, size).unwrap().unwrap();
            let now = root_at(&stored, size).unwrap();
            prop_assert!(verify_consistency(earlier, &before, size, &now, &path).is_err());
        }

        #[test]
        fn garbage_is_refused_in_few_steps(
            earlier in any::<u64>(), size in any::<u64>(), length in 0..LONGEST_PATH + 10, octet in any::<u8>(),
        ) {
            let path = vec![Digest::from_bytes([octet; 32]); length];
            let refused = verify_consistency(earlier, &leaf_hash(b"a"), size, &leaf_hash(b"b"), &path);
            prop_assert!(refused.is_err());
        }
    }
}
