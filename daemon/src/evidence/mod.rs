//! The evidence of a request, a certificate or a period: which rows and records belong to it, and each as a part of the file.
//!
//! What belongs is found from the ledger as it was at one size, and only from what never changes after it was written: the
//! same subject at the same size has the same parts, whenever they are read. A free text that was erased meanwhile is the one
//! exception.

mod gather;
mod listing;
mod parts;

pub use listing::{Item, Listing, Subject, list};
pub use parts::{LONGEST_PART, earlier, line, of_item, of_record, witnesses};
