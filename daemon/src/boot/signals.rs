//! SIGTERM and SIGINT drain; SIGHUP reads the files again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_shared::digest::Digest;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::adopt;
use crate::config::check_file;
use crate::service::Service;
use crate::systemd;

/// Waits for signals. `stop` turns true once.
pub async fn run(
    stop: watch::Sender<bool>,
    config: Option<PathBuf>,
    policy: Option<PathBuf>,
    service: Arc<Service>,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
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

/// The configuration is judged and its digest recorded; what it changes takes a restart. The policy file is
/// compared with the policy in force.
async fn reload(config: Option<&PathBuf>, policy: Option<&PathBuf>, service: &Service) {
    let config_sha256 = match config.map(|path| check_file(path)) {
        None => Digest::of(&[]),
        Some(Ok(digest)) => digest,
        Some(Err(error)) => {
            tracing::error!("reload: {error}; what was read at the start stays");
            return;
        }
    };
    let in_force = service.policy.now().sha256();
    match adopt::read(policy) {
        Ok(document) => {
            let differs = Digest::of(&[document.as_bytes()]) != in_force;
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
