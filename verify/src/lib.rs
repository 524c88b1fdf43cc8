//! Verification of the ledger: what the daemon, and whoever has a copy of its database or an export, check in the same way.
//!
//! | module | |
//! | --- | --- |
//! | [`columns`] | the bytes that the columns of a record make |
//! | [`row`] | a row of the database against its bytes and the record before it |
//! | [`frontier`] | the stored edge of the tree beside the records |
//! | [`survey`] | a pass that goes on behind damaged records |
//! | [`acknowledged`] | damage that people acknowledged |
//! | [`offline`] | a file, copied from the host, without a daemon and without trust in what it says of itself |

pub mod acknowledged;
pub mod columns;
pub mod frontier;
pub mod offline;
pub mod row;
pub mod survey;

use countersign_shared::protocol::Damage;

/// A finding: at which record, by which rule, and what was expected and found.
pub fn damage(seq: Option<u64>, rule: &str, text: String) -> Damage {
    Damage { seq, rule: rule.to_owned(), text }
}
