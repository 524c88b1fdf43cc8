//! OpsGenie Alert API v2. The alias is the object's: later tiers fold into the open alert, and a renewal closes it.

use serde_json::{Value, json};

use super::super::message::Message;
use super::plain::{self, clip};
use crate::policy::Severity;

/// The most characters of `message`.
const MAX_MESSAGE: usize = 130;
/// The most characters of `description`.
const MAX_DESCRIPTION: usize = 15_000;

/// A call: the path below the base address, and the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `/v2/alerts`, or that of the alert to close.
    pub path: String,
    /// The JSON.
    pub body: Value,
}

/// The call for a message.
pub fn opsgenie(message: &Message) -> Call {
    let alias = message.incident();
    if message.kind.closes() {
        // The alias has letters, digits, `.`, `_`, `-` and `:`, of which a path segment takes all (RFC 3986, 3.3).
        let path = format!("/v2/alerts/{alias}/close?identifierType=alias");
        return Call { path, body: json!({ "source": source(message), "note": plain::title(message) }) };
    }
    let priority = match message.severity {
        Severity::Informational => "P5",
        Severity::Warning => "P3",
        Severity::Critical => "P1",
    };
    let body = json!({
        "message": clip(&plain::title(message), MAX_MESSAGE),
        "alias": alias,
        "description": clip(&plain::body(message), MAX_DESCRIPTION),
        "priority": priority,
        "source": source(message),
        "entity": message.about.as_str(),
        "tags": ["countersign", message.kind.as_str()],
        "details": { "message_id": message.id.as_str() },
    });
    Call { path: "/v2/alerts".to_owned(), body }
}

fn source(message: &Message) -> String {
    clip(&plain::text(&message.host), 100)
}
