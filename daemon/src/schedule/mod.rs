//! What the daemon does by itself: it expires requests, carries out jobs and delivers. Each sleeps until there is
//! something to do, and goes through the same transactions as a caller.

mod aside;
mod ask;
pub mod courier;
pub mod crl;
pub mod deadline;
pub mod delegations;
pub mod executor;
pub mod inventory;
pub mod outcome;
mod places;
pub mod reaper;
pub mod renewals;
pub mod revoke;
pub mod timekeeper;
