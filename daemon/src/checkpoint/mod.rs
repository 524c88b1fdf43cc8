//! Checkpoints of the ledger: the keys that sign them, making them, and comparing the ledger with those that come back.

mod key;
pub mod make;
mod notary;
pub mod overdue;
pub mod places;
pub mod proof;
pub mod signed;
pub mod take_back;

pub use notary::Notary;

/// The file of the key that is made where none is configured, in the state directory.
pub const KEY_FILE: &str = "checkpoint.key";
