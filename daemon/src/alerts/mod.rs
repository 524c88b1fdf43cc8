//! Alerts before certificates end: when they are due, for whom, and that each goes out once.
//!
//! Pure at heart: [`plan`] fills in what a policy leaves out, [`stage`] says when a threshold is crossed, [`pass`] what one
//! look at one certificate asks for, [`renewal`] when it is renewed, [`backoff`] when a message is tried again,
//! [`reckoning`] which time it is when clocks jump, [`matrix`] what would go when. Around it [`rows`], [`outbox`] and
//! [`step`] keep it in the database, so that a pass costs what is due and not what there is; [`plans`] has what a whole
//! policy says, [`counts`] what the metrics show, [`closing`] takes back what alerts opened elsewhere.

pub mod backoff;
pub mod closing;
pub mod counts;
pub mod kept;
pub mod matrix;
pub mod outbox;
pub mod pass;
pub mod plan;
pub mod plans;
pub mod reckoning;
pub mod renewal;
pub mod rows;
pub mod stage;
pub mod step;

pub use pass::{Alert, Pass, Past, State, look};
pub use plan::{AlertPlan, Target};
pub use plans::Plans;
pub use reckoning::{Reckoning, reckon};
pub use renewal::{Efforts, Renewal, Validity};
pub use stage::Stage;

#[cfg(test)]
mod life_tests;
#[cfg(test)]
mod pass_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod rows_tests;
#[cfg(test)]
mod tables_tests;
