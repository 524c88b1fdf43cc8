//! What a request holds now, as far as the caller may look.

use countersign_shared::digest::Digest;
use countersign_shared::error::ErrorKind;
use countersign_shared::id::RequestId;
use countersign_shared::protocol::method::RequestGet;
use countersign_shared::protocol::{RequestDetail, RequestIdParams};

use crate::client::{Client, ClientError};

/// A digest that no content has. Who may not look at a request sends this one: the attempt still reaches the
/// daemon, which refuses and records it.
pub(super) const UNSEEN: Digest = Digest::from_bytes([0; 32]);

/// The request as it is now; `None` where the caller may not look at it.
pub(super) fn look(id: &RequestId, client: &mut Client) -> Result<Option<RequestDetail>, ClientError> {
    match client.call::<RequestGet>(&RequestIdParams { id: id.clone() }) {
        Ok(detail) => Ok(Some(detail)),
        Err(error) if matches!(error.refusal(), Some(ErrorKind::Forbidden | ErrorKind::NotFound)) => Ok(None),
        Err(error) => Err(error),
    }
}
