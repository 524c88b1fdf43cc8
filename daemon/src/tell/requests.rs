//! Messages about requests: who is asked, and who is told how it ended.

use countersign_shared::error::ApiError;

use super::{Composed, House, Notice};

/// Composes what a record says, to those whom it concerns.
pub fn compose(_: House<'_>, notice: &Notice) -> Result<Composed, ApiError> {
    Err(ApiError::internal(format!("{} is not composed", notice.kind)))
}
