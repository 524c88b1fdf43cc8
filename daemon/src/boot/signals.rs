//! SIGTERM and SIGINT drain; SIGHUP reads the files again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_shared::digest::Digest;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::adopt;
use crate::config::reread;
use crate::service::Service;
use crate::systemd;

/// The signals that the daemon handles from here on, whether or not somebody waits for them yet.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes them over. Before the socket is there: whoever can connect can also rely on SIGTERM draining.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for signals. `stop` turns true once.
    pub async fn run(
        mut self,
        stop: watch::Sender<bool>,
        config: Option<PathBuf>,
        policy: Option<PathBuf>,
        service: Arc<Service>,
    ) -> std::io::Result<()> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => {
                    systemd::reloading()?;
                    reload(config.as_ref(), policy.as_ref(), &service).await;
                    systemd::ready()?;
                }
            }
        }
        tracing::info!("stopping: calls under way are finished first");
        stop.send_replace(true);
        Ok(())
    }
}

/// The configuration is judged and its digest recorded; what it changes takes a restart. The policy file is
/// compared with the policy in force.
async fn reload(config: Option<&PathBuf>, policy: Option<&PathBuf>, service: &Service) {
    let config_sha256 = match config.map(|path| reread(path).map(|(_, digest)| digest)) {
        None => Digest::of(&[]),
        Some(Ok(digest)) => digest,
        Some(Err(error)) => {
            tracing::error!("reload: {error}; what was read at the start stays");
            return;
        }
    };
    let in_force = service.policy.now().sha256();
    match adopt::differs(policy, in_force) {
        Ok(differs) => {
            service.facts.policy_file_differs.store(differs, Ordering::Relaxed);
            if differs {
                tracing::warn!("reload: the policy file differs from the policy in force and has no force of its own");
            }
        }
        Err(error) => tracing::error!("reload: {error}"),
    }
    match adopt::record_reload(&service.writer, in_force, config_sha256).await {
        Ok(()) => tracing::info!(config_sha256 = %config_sha256, "reload: recorded; changed settings take a restart"),
        Err(error) => tracing::error!("reload could not be recorded: {error}"),
    }
}
