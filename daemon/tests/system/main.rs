//! A real daemon in a directory of its own, and callers that are real processes under real users.
//!
//! Tests with several people need root, and say so on standard error where they have not got it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod bypass;
mod damage;
mod damage_running;
mod delivery;
mod events;
mod exec;
mod expiry;
mod full_disk;
mod identity;
mod kill;
mod ledger_rows;
mod lifecycle;
mod metrics;
mod openssl;
mod policy_change;
mod quota;
mod race;
mod roles;
mod rules;
mod search;
mod startup;
mod stuck;
mod support;
