//! Text for people: pure functions from results to lines of at most the width of the screen.

pub(in crate::cli) mod alert;
pub(in crate::cli) mod audit;
pub(in crate::cli) mod batch;
pub(in crate::cli) mod certificate;
mod change;
pub(in crate::cli) mod checkpoint;
mod commands;
pub(in crate::cli) mod daemon;
pub(in crate::cli) mod decision;
pub(in crate::cli) mod delegation;
pub(in crate::cli) mod detail;
mod fields;
pub(in crate::cli) mod inventory;
pub(in crate::cli) mod job;
pub(in crate::cli) mod life;
pub(in crate::cli) mod policy;
pub(in crate::cli) mod policy_change;
pub(in crate::cli) mod repair;
pub(in crate::cli) mod request;
pub(in crate::cli) mod revocation;
mod story;
mod style;
mod table;
mod terms;
pub(in crate::cli) mod text;
mod when;

use countersign_shared::time::Timestamp;

pub(in crate::cli) use style::Style;

/// How and when something is shown.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct View {
    /// Colours and width.
    pub(in crate::cli) style: Style,
    /// The time that spans are counted from.
    pub(in crate::cli) now: Timestamp,
}

#[cfg(test)]
mod pictures;
#[cfg(test)]
#[path = "../../../tests/wire/samples.rs"]
#[allow(dead_code, reason = "the tests of the command line use what these do not")]
mod samples;
