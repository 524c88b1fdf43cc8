//! The countersign daemon. Data flows one way: `ipc → service → store`; `schedule → service`; a signature
//! needs the proof that only [`gate`] makes.

pub mod alerts;
pub mod boot;
pub mod checkpoint;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod demo;
pub mod evidence;
pub mod forward;
pub mod gate;
pub mod identity;
pub mod in_force;
pub mod intake;
pub mod inventory;
pub mod ipc;
pub mod issuer;
pub mod journal;
pub mod ledger;
pub mod made_key;
pub mod metrics;
pub mod notify;
pub mod policy;
pub mod schedule;
pub mod service;
pub mod store;
pub mod systemd;
pub mod tell;
pub mod x509;
