//! The request that is open.

use countersign_shared::id::RequestId;
use countersign_shared::protocol::RequestDetail;

use crate::console::action::Refusal;

/// One request in full.
#[derive(Clone, Debug)]
pub struct Detail {
    /// Which.
    pub id: RequestId,
    /// What the daemon says of it; the last answer stays until the next.
    pub seen: Option<Box<RequestDetail>>,
    /// Why there is nothing.
    pub refused: Option<Refusal>,
    /// Lines above the window.
    pub scroll: usize,
}

impl Detail {
    /// A request that is being loaded.
    pub fn of(id: RequestId) -> Self {
        Self { id, seen: None, refused: None, scroll: 0 }
    }
}
