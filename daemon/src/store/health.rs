//! Whether the daemon may go on deciding. Damage is a one-way door until the process ends.

use std::sync::Arc;
use std::sync::OnceLock;

use countersign_shared::error::{ApiError, ErrorKind};
use countersign_shared::protocol::Damage;
use tokio::sync::watch;

/// Shared by everybody who writes, and by the surfaces that show the alarm.
#[derive(Clone)]
pub struct Health(Arc<Shared>);

struct Shared {
    damage: OnceLock<Damage>,
    alarm: watch::Sender<bool>,
}

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Shared { damage: OnceLock::new(), alarm: watch::channel(false).0 }))
    }
}

impl Health {
    /// Turns the daemon read-only, loudly. The first damage is the one that is shown.
    pub fn raise(&self, damage: Damage) {
        tracing::error!(
            rule = damage.rule,
            seq = damage.seq,
            "DAMAGE FOUND, the daemon is read-only from here on: {}",
            damage.text
        );
        if self.0.damage.set(damage).is_ok() {
            self.0.alarm.send_replace(true);
        }
    }

    /// Raises the alarm, and is what the caller is told who came upon it.
    pub fn found(&self, damage: Damage) -> ApiError {
        self.raise(damage);
        self.check().err().unwrap_or_else(|| ApiError::internal("damage was found and is not known"))
    }

    /// The damage that was found, if any.
    pub fn damage(&self) -> Option<&Damage> {
        self.0.damage.get()
    }

    /// Changes to `true` when damage is found.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.0.alarm.subscribe()
    }

    /// Refuses where damage was found.
    pub fn check(&self) -> Result<(), ApiError> {
        match self.damage() {
            None => Ok(()),
            Some(damage) => Err(ApiError::new(
                ErrorKind::ReadOnly,
                format!("the daemon is read-only because damage was found ({}): {}", damage.rule, damage.text),
            )
            .hint("nothing is decided until the damage is understood: countersign audit verify, then the runbook")),
        }
    }
}
