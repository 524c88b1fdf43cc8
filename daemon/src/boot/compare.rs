//! Whether the policy file says something else than the policy in force: looked at again whenever another policy
//! takes force.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::adopt;
use crate::service::{PolicyInForce, Service};

/// Runs until `stop` turns true.
pub async fn run(
    policy: PolicyInForce,
    file: Option<PathBuf>,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut changes = policy.watch();
    loop {
        tokio::select! {
            Ok(()) = changes.changed() => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
        let in_force = changes.borrow_and_update().policy().sha256();
        let file = file.clone();
        let compared = tokio::task::spawn_blocking(move || adopt::differs(file.as_ref(), in_force)).await;
        match compared.map_err(io::Error::other)? {
            Ok(differs) => service.facts.policy_file_differs.store(differs, Ordering::Relaxed),
            Err(error) => tracing::warn!("the policy file cannot be compared with the policy in force: {error}"),
        }
    }
}
