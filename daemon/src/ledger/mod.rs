//! The ledger: canonical records, each carrying the hash of the one before it, which are also the leaves of
//! an RFC 6962 Merkle tree.

pub mod record;
pub mod verify;

pub use countersign_proof::tree::{Frontier, leaf_hash};
pub use record::{Draft, Node, Tail};
