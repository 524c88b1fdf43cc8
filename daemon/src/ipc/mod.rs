//! The socket that everybody talks to: JSON-RPC 2.0, one object a line (design §6).
//!
//! ```mermaid
//! flowchart LR
//!     L[listener: bind, accept] --> S[server: seats, drain]
//!     S --> C[session: one task a connection]
//!     C --> F[frame: lines out of octets]
//!     C --> E[envelope: a line into a call]
//!     C --> V[Service: what the daemon does]
//!     C --> O[outgoing: answers, events]
//! ```
//!
//! Nothing here knows a method. A peer is somebody to distrust: whatever it sends or leaves undone costs it
//! its own connection at most.

mod answer;
mod connection;
mod envelope;
mod frame;
mod limits;
mod listener;
mod members;
mod outgoing;
mod params;
mod seats;
mod server;
mod session;

pub use connection::Connection;
pub use envelope::unknown_method;
pub use limits::{Limits, raise_open_files};
pub use listener::{BindError, Listener};
pub use params::params;
pub use server::serve;

use std::future::Future;

use countersign_shared::error::ApiError;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

/// What the daemon does with a call.
pub trait Service: Send + Sync + 'static {
    /// Answers one call. `params` is the text of a JSON object; [`params`] reads it into a type.
    ///
    /// Calls of one connection come one after another, except those that [`Service::runs_aside`]. A call that
    /// was begun is finished even where its peer goes away; one that runs aside is dropped then.
    fn call(
        &self,
        connection: &Connection,
        method: &str,
        params: &RawValue,
    ) -> impl Future<Output = Result<Reply, ApiError>> + Send;

    /// True for a method that waits for other people: later calls of the connection do not wait behind it.
    fn runs_aside(&self, method: &str) -> bool;
}

/// What a call comes to.
#[derive(Debug)]
pub enum Reply {
    /// One line of JSON text, as `countersign_shared::json::to_line` makes it.
    Result(String),
    /// A result, and notifications after it for as long as the connection and the sender live.
    Stream {
        /// As in [`Reply::Result`].
        result: String,
        /// The `params` of each `event` notification, one line of JSON text. The sender must expect it to be
        /// full: a peer that reads slowly is its to tell.
        events: mpsc::Receiver<String>,
    },
}
