//! What sending messages needs at a start.

use countersign_shared::error::ApiError;
use countersign_shared::protocol::AuditAction;
use countersign_shared::text::Untrusted;
use rusqlite::Connection;

use super::{BootError, during};
use crate::alerts::{counts, outbox};
use crate::metrics::{AlertResult, Alerts};
use crate::notify::{Channels, NotifySettings};
use crate::store::{Routing, Writer};
use crate::tell::Switchboard;

/// Opens the channels. One that cannot be used fails with its reason when something is to be sent on it; the daemon
/// starts all the same.
pub async fn open(settings: NotifySettings) -> Result<Switchboard, BootError> {
    // Secrets and authorities are files.
    let opened = tokio::task::spawn_blocking(move || Channels::open(&settings)).await;
    let (channels, problems) = opened.map_err(during("opening the channels"))?;
    for problem in problems {
        tracing::error!("{problem}; until it is mended and SIGHUP comes, nothing is sent on it");
    }
    Ok(Switchboard::new(channels, Routing::default()))
}

/// Nothing is under way at a start: what was, is sent again.
pub async fn release(writer: &Writer) -> Result<(), ApiError> {
    let released = writer.write(|transaction| Ok(outbox::release(transaction.connection())?)).await?;
    if released > 0 {
        tracing::info!(released, "messages that were being sent at the end are sent again, under the same ids");
    }
    Ok(())
}

/// What the ledger and the tables say of alerts before this start.
pub fn count(connection: &Connection, alerts: &Alerts) -> rusqlite::Result<()> {
    for (action, result) in [
        (AuditAction::ExpirationAlertSent, AlertResult::Success),
        (AuditAction::ExpirationAlertFailed, AlertResult::Failure),
    ] {
        counts::attempts(connection, action.as_str(), |channel, stage, count| {
            alerts.count(channel, stage, result, count);
        })?;
    }
    alerts.died(counts::dead(connection)?);
    Ok(())
}

/// This host by the name that the kernel knows.
pub fn host() -> Untrusted {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".into() } else { name.into() }
}
