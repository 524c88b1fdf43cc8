//! Frames: one JSON object, UTF-8, ended by LF, at most 1 MiB with it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::ErrorObject;

/// The largest frame, line feed included.
pub const MAX_FRAME: usize = 1024 * 1024;

/// A request's id as the caller chose it (JSON-RPC 2.0 §4): an integer or a string of at most 128 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CallId {
    /// A number.
    Number(i64),
    /// A string.
    Text(String),
}

/// A call as a client writes it.
#[derive(Debug, Serialize)]
pub struct Call<'a, P: Serialize> {
    /// Always `2.0`.
    pub jsonrpc: &'static str,
    /// Comes back with the answer.
    pub id: CallId,
    /// `noun.verb`.
    pub method: &'a str,
    /// An object.
    pub params: &'a P,
}

/// What a client reads: an answer or a notification.
#[derive(Debug, Deserialize)]
pub struct Incoming<'a> {
    /// The call's id; absent on a notification, null where the daemon could not read one.
    #[serde(default)]
    pub id: Option<CallId>,
    /// `event` on a notification.
    #[serde(default)]
    pub method: Option<String>,
    /// A notification's content.
    #[serde(default, borrow)]
    pub params: Option<&'a RawValue>,
    /// An answer's result.
    #[serde(default, borrow)]
    pub result: Option<&'a RawValue>,
    /// A refusal or failure.
    #[serde(default)]
    pub error: Option<ErrorObject>,
}
