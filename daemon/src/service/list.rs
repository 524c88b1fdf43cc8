//! `request.list`: the queue.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{ListRequestsParams, MAX_FILTER, RequestPage};

use super::Service;
use super::sight;
use crate::ipc::Connection;
use crate::ledger::verify::stored_frontier;
use crate::store::rows::page::Window;
use crate::store::rows::requests;

/// A page of what the caller may see.
pub async fn list(
    service: &Service,
    connection: &Connection,
    params: ListRequestsParams,
) -> Result<RequestPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    check_text(params.text.as_deref())?;
    let actor = service.with_says(service.actor(connection)?).await?;
    let sight = sight::of(&actor, &service.policy.now())?;
    service
        .readers
        .read_for(connection.peer.uid(), move |connection| {
            // One snapshot: a subscriber that begins at `as_of_seq` misses nothing and sees nothing twice.
            let snapshot = connection.unchecked_transaction()?;
            let as_of_seq = stored_frontier(&snapshot)?.map_or(0, |frontier| frontier.size());
            let (requests, next_cursor) = requests::page(&snapshot, &params, window, &sight)?;
            snapshot.finish()?;
            Ok(RequestPage { requests, next_cursor, as_of_seq })
        })
        .await
}

/// Refuses a search text that is too long.
pub fn check_text(text: Option<&str>) -> Result<(), ApiError> {
    match text {
        Some(text) if text.len() > MAX_FILTER => {
            Err(ApiError::invalid(format!("`text` has {} octets; at most {MAX_FILTER} are allowed", text.len())))
        }
        _ => Ok(()),
    }
}
