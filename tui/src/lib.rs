//! The console and the command line of countersign, and the client that both speak through.

pub mod cli;
pub mod client;
pub mod console;
pub mod signing;
