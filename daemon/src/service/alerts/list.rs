//! `alert.list`.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::{AlertPage, AuditAction, ListAlertsParams};
use countersign_shared::text::Untrusted;

use super::sight_of;
use crate::ipc::Connection;
use crate::service::Service;
use crate::service::list::check_text;
use crate::store::rows::alerts;
use crate::store::rows::page::Window;
use crate::tell::expiry;

/// Kinds that are no action of the ledger.
const KINDS: [&str; 4] = [expiry::ALERT, expiry::TEST, expiry::RENEWED, expiry::DEALT_WITH];

/// A page of messages that the caller may see.
pub async fn list(service: &Service, connection: &Connection, params: ListAlertsParams) -> Result<AlertPage, ApiError> {
    let window = Window::new(params.limit, params.cursor.as_deref())?;
    check_text(params.text.as_deref())?;
    check_kind(params.kind.as_deref())?;
    let actor = service.with_says(service.actor(connection)?).await?;
    let sight = sight_of(&actor, &service.policy.now())?;
    let moment = (service.line.wall(), service.line.tick());
    let page = move |connection: &rusqlite::Connection| {
        let (alerts, next_cursor) = alerts::page(connection, &params, window, &sight, moment)?;
        Ok(AlertPage { alerts, next_cursor })
    };
    service.readers.read_for(connection.peer.uid(), page).await
}

fn check_kind(kind: Option<&str>) -> Result<(), ApiError> {
    match kind {
        Some(kind) if !KINDS.contains(&kind) && kind.parse::<AuditAction>().is_err() => {
            let kind = Untrusted::from(kind).safe().to_string().chars().take(64).collect::<String>();
            Err(ApiError::invalid(format!("`kind` is {kind}, and no message is of that kind"))
                .hint(format!("{}, or an action of the ledger", KINDS.join(", "))))
        }
        _ => Ok(()),
    }
}
