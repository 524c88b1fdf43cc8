//! Verification of the ledger: what the daemon, and whoever has a copy of its database or an export, check in the same way.
//!
//! | module | |
//! | --- | --- |
//! | [`chain`] | the end of the chain, and the tree that it is the edge of |
//! | [`columns`] | the bytes that the columns of a record make |
//! | [`row`] | a row of the database against its bytes and the record before it |
//! | [`pass`] | one pass over the records of a database |
//! | `aside` | the same on two threads |
//! | [`nodes`] | the stored nodes of the tree beside the records |
//! | [`kept`] | stored checkpoints, archives and anchors beside the records |
//! | [`frontier`] | the stored edge of the tree beside the records |
//! | [`signed`] | decisions that people signed, and the ledger that they saw |
//! | [`evidence`] | a bundle of evidence: proofs, digests, quorums and certificates |
//! | [`survey`] | a pass that goes on behind damaged records |
//! | [`acknowledged`] | damage that people acknowledged |
//! | [`cosigned`] | witnesses' lines under checkpoints |
//! | [`offline`] | a file, copied from the host, without a daemon and without trust in what it says of itself |

pub mod acknowledged;
mod aside;
pub mod chain;
pub mod columns;
pub mod cosigned;
pub mod evidence;
pub mod frontier;
pub mod kept;
pub mod nodes;
pub mod offline;
pub mod pass;
pub mod row;
pub mod signed;
pub mod survey;
pub mod voices;

use countersign_shared::protocol::Damage;

/// A finding: at which record, by which rule, and what was expected and found.
pub fn damage(seq: Option<u64>, rule: &str, text: String) -> Damage {
    Damage { seq, rule: rule.to_owned(), text }
}

/// How far a verification is: done, of how many. Records of a database, octets of an export.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;
