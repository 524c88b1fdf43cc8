//! A real daemon in a directory of its own, and callers that are real processes under real users.
//!
//! Tests with several people need root, and say so on standard error where they have not got it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod alert_methods;
mod alerts;
mod alerts_kill;
mod amend;
mod another_policy;
mod attempts;
mod bulk;
mod bypass;
mod damage;
mod damage_running;
mod delegation;
mod delegation_ends;
mod delivery;
mod events;
mod exec;
mod expiry;
mod export;
mod forward;
mod full_disk;
mod identity;
mod identity_names;
mod identity_paths;
mod imports;
mod inventory;
mod inventory_life;
mod kill;
mod ledger_rows;
mod life;
mod lifecycle;
mod messages;
mod metrics;
mod old_database;
mod openssl;
mod policy_change;
mod policy_forged;
mod property;
mod quorum;
mod quota;
mod race;
mod renewal;
mod review;
mod revocation;
mod roles;
mod rules;
mod search;
mod startup;
mod stuck;
mod support;
mod timers;
mod walk;
