//! RFC 6962 §2.1 as it is written, recursively, and its published test data: what the tree is held against.

use std::cell::Cell;
use std::collections::HashMap;

use countersign_shared::digest::Digest;

use super::{Frontier, Nodes, is_stored, leaf_hash, node_hash};

/// The leaves of the certificate-transparency test data.
pub const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// The root of the tree without leaves.
pub const EMPTY_ROOT: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The roots of the trees over the first leaf, the first two, …
pub const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

pub fn hash(text: &str) -> Digest {
    text.parse().unwrap()
}

pub fn leaves() -> Vec<Vec<u8>> {
    LEAVES.iter().map(|leaf| leaf.to_vec()).collect()
}

/// Leaves that all differ.
pub fn numbered(size: u64) -> Vec<Vec<u8>> {
    (0..size).map(|number| number.to_be_bytes().to_vec()).collect()
}

/// MTH(D[n]).
pub fn tree_hash(leaves: &[Vec<u8>]) -> Digest {
    match leaves.len() {
        0 => Digest::of(&[]),
        1 => leaf_hash(&leaves[0]),
        n => {
            let k = n.next_power_of_two() / 2;
            node_hash(&tree_hash(&leaves[..k]), &tree_hash(&leaves[k..]))
        }
    }
}

/// PATH(m, D[n]).
pub fn path(m: usize, leaves: &[Vec<u8>]) -> Vec<Digest> {
    let n = leaves.len();
    if n == 1 {
        return Vec::new();
    }
    let k = n.next_power_of_two() / 2;
    let (mut path, sibling) = if m < k {
        (path(m, &leaves[..k]), tree_hash(&leaves[k..]))
    } else {
        (path(m - k, &leaves[k..]), tree_hash(&leaves[..k]))
    };
    path.push(sibling);
    path
}

/// PROOF(m, D[n]).
pub fn proof(m: usize, leaves: &[Vec<u8>]) -> Vec<Digest> {
    subproof(m, leaves, true)
}

fn subproof(m: usize, leaves: &[Vec<u8>], whole: bool) -> Vec<Digest> {
    let n = leaves.len();
    if m == n {
        return if whole { Vec::new() } else { vec![tree_hash(leaves)] };
    }
    let k = n.next_power_of_two() / 2;
    let (mut proof, sibling) = if m <= k {
        (subproof(m, &leaves[..k], whole), tree_hash(&leaves[k..]))
    } else {
        (subproof(m - k, &leaves[k..], false), tree_hash(&leaves[..k]))
    };
    proof.push(sibling);
    proof
}

/// What a database keeps: leaves, and the nodes of the stored levels.
pub struct Stored {
    leaves: Vec<Digest>,
    pub nodes: HashMap<(u32, u64), Digest>,
    pub hashes_read: Cell<usize>,
}

impl Stored {
    pub fn of(leaves: &[Vec<u8>]) -> Self {
        let leaves: Vec<Digest> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let (mut frontier, mut nodes) = (Frontier::default(), HashMap::new());
        for leaf in &leaves {
            frontier.append_and_report(*leaf, |level, index, hash| {
                if is_stored(level) {
                    nodes.insert((level, index), hash);
                }
            });
        }
        Self { leaves, nodes, hashes_read: Cell::new(0) }
    }
}

impl Nodes for Stored {
    type Error = (u32, u64);

    fn read(&self, level: u32, first: u64, hashes: &mut [Digest]) -> Result<(), Self::Error> {
        self.hashes_read.set(self.hashes_read.get() + hashes.len());
        for (index, hash) in (first..).zip(hashes) {
            let found = match level {
                0 => self.leaves.get(index as usize),
                _ => self.nodes.get(&(level, index)),
            };
            *hash = *found.ok_or((level, index))?;
        }
        Ok(())
    }
}
