//! The demo: a throw-away installation with people to be, and a story that was told to it through the socket,
//! by the same calls that everybody makes.

mod caller;
mod story;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use crate::ipc::{self, Limits, Listener};
use crate::notify::NotifySettings;
use crate::notify::settings::CommandTable;
use crate::service::answer::Answers;

/// The demo's policy.
pub const POLICY: &str = include_str!("policy.toml");

/// The demo's one channel: a program that keeps what it is told in a file of the state directory. Its mail goes nowhere.
pub fn channels(state: &Path) -> NotifySettings {
    let kept = state.join("messages.ndjson");
    let words = ["/bin/sh", "-c", "cat >> \"$0\""].map(str::to_owned);
    let command = words.into_iter().chain(kept.to_str().map(str::to_owned)).collect();
    let table = CommandTable { command, timeout: None, quiet_hours: None, rate: None, digest: None };
    NotifySettings { command: Some(table), ..NotifySettings::default() }
}

/// Why the story could not be told.
#[derive(Debug)]
pub struct DemoError(String);

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DemoError {}

impl<E: std::error::Error> From<Told<E>> for DemoError {
    fn from(Told(what, error): Told<E>) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// An error with what was being told.
struct Told<E>(&'static str, E);

/// Tells the story on a socket of its own, before the demo's socket is there: whoever connects finds it told.
pub async fn seed(answers: Arc<Answers>, limits: Limits, state: &Path) -> Result<(), DemoError> {
    let path = state.join("story.sock");
    let listener = Listener::bind(&path, 0o600, None).map_err(|error| Told("opening its socket", error))?;
    let (stop, stopping) = watch::channel(false);
    let server = tokio::spawn(ipc::serve(listener, answers, limits, stopping));
    let told = story::tell(&path).await;
    stop.send_replace(true);
    server.await.map_err(|error| Told("closing its socket", error))?;
    told
}
