//! What the daemon does by itself: it expires requests and carries out jobs. Each sleeps until there is
//! something to do, and goes through the same transactions as a caller.

pub mod deadline;
pub mod executor;
pub mod outcome;
pub mod reaper;
