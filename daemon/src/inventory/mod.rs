//! Which certificates there are on this host: in files, keystores and on TLS listeners.
//!
//! A [`Plan`] goes in, [`scan()`] looks, and a [`Scan`] comes out: every certificate once, every place where it
//! stands, and every [`Finding`] that kept it from seeing more. [`compare()`] says what changed since the last one.
//! Nothing here decides, writes, or trusts what it reads; octets from anywhere become plain values or a problem.
//!
//! - `place`: where; `finding`: what was in the way; `limits`: how much one scan may take
//! - `walk`: files below a root; `forms`: what stands in them; `password`: of keystores
//! - `listener`: what is presented
//! - `chain`: leaves and what leads up from them; `scan`: all of it; `compare`: two of them
//! - `register`: what a store has to do with a scan; `service::inventory::Book` is the one there is

mod beneath;
mod chain;
mod compare;
mod finding;
mod forms;
mod limits;
pub mod listener;
mod password;
mod place;
mod register;
mod scan;
mod walk;

#[cfg(test)]
mod compare_tests;
#[cfg(test)]
mod register_tests;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
pub(crate) mod testing;

pub use chain::{Chain, MAX_CHAIN, Role, chains, presented};
pub use compare::{Changes, Duplicate, Later, Lineage, Seen, Succession, compare, duplicates, names};
pub use finding::{Finding, Problem};
pub use forms::{Contents, Entry, Reading, read};
pub use limits::Limits;
pub use password::PasswordFiles;
pub use place::Place;
pub use register::{Register, take_in};
pub use scan::{Plan, Scan, Sighting, scan, scan_octets};
