//! What was found takes its place in the database: from a scan of the daemon's own (`schedule::inventory`) and from
//! `certificate.import`, by the same steps.

pub mod book;
pub mod import;
mod intake;

#[cfg(test)]
mod book_tests;

pub use book::{Book, Owners, Seer, rest};
