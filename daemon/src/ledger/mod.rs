//! The ledger: canonical records, each carrying the hash of the one before it, which are also the leaves of
//! an RFC 6962 Merkle tree.

pub mod frontier;
pub mod record;
pub mod verify;

pub use frontier::Frontier;
pub use record::{Draft, Tail};
