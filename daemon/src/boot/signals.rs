//! SIGTERM and SIGINT drain; SIGHUP reads the files again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_shared::digest::Digest;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::adopt;
use crate::config::reread;
use crate::notify::NotifySettings;
use crate::service::Service;
use crate::systemd;
use crate::tell::Switchboard;

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
    pub async fn run(mut self, stop: watch::Sender<bool>, reload: Reload) -> std::io::Result<()> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hang_up.recv() => {
                    systemd::reloading()?;
                    reload.reload().await;
                    systemd::ready()?;
                }
            }
        }
        tracing::info!("stopping: calls under way are finished first");
        stop.send_replace(true);
        Ok(())
    }
}

/// What SIGHUP reads again.
pub struct Reload {
    /// The configuration.
    pub config: Option<PathBuf>,
    /// The policy file.
    pub policy: Option<PathBuf>,
    /// What is told of it.
    pub service: Arc<Service>,
    /// The channels that the configuration names.
    pub switchboard: Switchboard,
}

impl Reload {
    /// The configuration is judged and its digest recorded; the channels are opened anew, with their secrets, and all else
    /// that it changes takes a restart. The policy file is compared with the policy in force.
    async fn reload(&self) {
        let (notify, config_sha256) = match self.config.as_ref().map(|path| reread(path)) {
            None => (None, Digest::of(&[])),
            Some(Ok((notify, digest))) => (Some(notify), digest),
            Some(Err(error)) => {
                tracing::error!("reload: {error}; what was read at the start stays");
                return;
            }
        };
        if let Some(notify) = notify {
            self.reopen(notify).await;
        }
        let in_force = self.service.policy.now().sha256();
        match adopt::differs(self.policy.as_ref(), in_force) {
            Ok(differs) => {
                self.service.facts.policy_file_differs.store(differs, Ordering::Relaxed);
                if differs {
                    tracing::warn!(
                        "reload: the policy file differs from the policy in force and has no force of its own"
                    );
                }
            }
            Err(error) => tracing::error!("reload: {error}"),
        }
        match adopt::record_reload(&self.service.writer, in_force, config_sha256).await {
            Ok(()) => tracing::info!(
                config_sha256 = %config_sha256,
                "reload: recorded; the channels are those of the file, other settings take a restart"
            ),
            Err(error) => tracing::error!("reload could not be recorded: {error}"),
        }
    }

    /// A channel that cannot be opened any more stays as it was.
    async fn reopen(&self, notify: NotifySettings) {
        let (switchboard, policy) = (self.switchboard.clone(), self.service.policy.clone());
        match tokio::task::spawn_blocking(move || switchboard.reopen(&notify, &policy)).await {
            Ok(problems) => {
                for problem in problems {
                    tracing::error!("reload: {problem}; where the channel worked before, it goes on as it was");
                }
            }
            Err(error) => tracing::error!("reload: the channels stay as they were: {error}"),
        }
    }
}
