//! The service manager's watchdog, answered only after a real round trip through the writer.

use countersign_shared::error::ErrorKind;
use tokio::sync::watch;

use crate::store::Writer;
use crate::systemd;

/// Answers for as long as the writer does. A daemon that is read-only answers too: it goes on serving reads.
pub async fn run(writer: Writer, mut stop: watch::Receiver<bool>) {
    let Some(interval) = systemd::watchdog_interval() else { return };
    loop {
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match writer.write(|_| Ok(())).await {
            Ok(()) => {}
            Err(error) if error.kind == ErrorKind::ReadOnly => {}
            Err(error) => {
                tracing::error!("the watchdog is not answered: {error}");
                continue;
            }
        }
        if let Err(error) = systemd::watchdog() {
            tracing::error!("the watchdog could not be answered: {error}");
        }
    }
}
