//! The one gate. Whatever leads to a signature passes here, and only here is [`Approved`] made.

mod approved;
pub mod change;
mod delegated;
mod evidence;
pub mod judge;
pub mod passing;
mod prove;
pub mod quorum;
mod revocation;
pub mod roll;
pub mod signed;
pub mod two_person;

pub use approved::Approved;
pub use delegated::Delegated;
pub use evidence::{Cast, recorded_tick, recorded_timers, recorded_voice};
pub use prove::{Shut, prove};
pub use revocation::{ApprovedRevocation, prove_revocation};

#[cfg(test)]
mod history_tests;
