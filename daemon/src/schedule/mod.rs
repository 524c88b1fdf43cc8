//! What the daemon does by itself: it expires requests, carries out jobs, delivers, watches what ends and tells people. Each sleeps until there is
//! something to do, and goes through the same transactions as a caller.

pub mod alerts;
mod aside;
mod ask;
pub mod checkpoints;
pub mod courier;
pub mod crl;
pub mod deadline;
pub mod delegations;
pub mod deposits;
pub mod executor;
pub mod inventory;
pub mod outcome;
mod places;
pub mod reaper;
pub mod renewals;
pub mod revoke;
pub mod sender;
pub mod timekeeper;
pub mod verification;
