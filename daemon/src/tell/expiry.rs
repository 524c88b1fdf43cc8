//! Alerts of certificates that end, the trial of an alert, and the message that a certificate was renewed.

use countersign_shared::error::ApiError;

use super::{Composed, House, Notice};

/// An alert that a threshold raised.
pub const ALERT: &str = crate::alerts::rows::KIND;
/// An alert that somebody tries.
pub const TEST: &str = "expiration_alert_test";
/// What earlier alerts opened elsewhere is closed.
pub const RENEWED: &str = "certificate_renewed";

/// Composes one of the three.
pub fn compose(_: House<'_>, notice: &Notice) -> Result<Composed, ApiError> {
    Err(ApiError::internal(format!("{} is not composed", notice.kind)))
}
