//! What other programs make of our notes and proofs, and we of theirs.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod checker;
mod documented;

use std::convert::Infallible;
use std::io::Write as _;
use std::process::Command;

use countersign_proof::checkpoint::SignedCheckpoint;
use countersign_proof::cosignature::Cosigner;
use countersign_proof::note::{KeyName, Signer};
use countersign_proof::tree::{Frontier, Nodes, is_stored, leaf_hash};
use countersign_shared::digest::Digest;

/// A ledger in memory, with the nodes that a database would keep.
#[derive(Default)]
struct Ledger {
    leaves: Vec<Digest>,
    nodes: std::collections::HashMap<(u32, u64), Digest>,
    frontier: Frontier,
}

impl Ledger {
    fn of<R: AsRef<[u8]>>(records: impl IntoIterator<Item = R>) -> Self {
        let mut ledger = Self::default();
        for record in records {
            let leaf = leaf_hash(record.as_ref());
            ledger.leaves.push(leaf);
            ledger.frontier.append_and_report(leaf, |level, index, hash| {
                if is_stored(level) {
                    ledger.nodes.insert((level, index), hash);
                }
            });
        }
        ledger
    }

    fn numbered(size: u64) -> Self {
        Self::of((0..size).map(|number| format!("record {number}")))
    }

    fn checkpoint(&self, signer: &Signer) -> SignedCheckpoint {
        SignedCheckpoint::sign(signer, self.frontier.size(), self.frontier.root()).unwrap()
    }
}

impl Nodes for Ledger {
    type Error = Infallible;

    fn read(&self, level: u32, first: u64, hashes: &mut [Digest]) -> Result<(), Infallible> {
        for (index, hash) in (first..).zip(hashes) {
            *hash = if level == 0 { self.leaves[index as usize] } else { self.nodes[&(level, index)] };
        }
        Ok(())
    }
}

fn name(name: &str) -> KeyName {
    KeyName::new(name).unwrap()
}

fn signer() -> Signer {
    Signer::from_seed(name("ca.example/ledger"), &[1; 32]).unwrap()
}

fn cosigner() -> Cosigner {
    Cosigner::from_seed(name("witness.example/w1"), &[2; 32]).unwrap()
}

/// True where the programs can be run; says it loudly where not.
fn installed(test: &str, programs: &[(&str, &str)]) -> bool {
    for (program, argument) in programs {
        if !Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success()) {
            // In one piece, since tests that run at the same time write as well.
            let _ = std::io::stderr().write_all(format!("SKIPPED: {program} is not installed: {test}\n").as_bytes());
            return false;
        }
    }
    true
}
