//! PagerDuty Events API v2. The dedup key is the object's: later tiers are the same incident, and a renewal resolves it.

use serde_json::{Value, json};

use super::super::message::Message;
use super::{plain, structured};
use crate::policy::Severity;

/// The event without its `routing_key`, which the sender adds.
pub fn pagerduty(message: &Message) -> Value {
    if message.kind.closes() {
        return json!({ "event_action": "resolve", "dedup_key": message.incident() });
    }
    let severity = match message.severity {
        Severity::Informational => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    json!({
        "event_action": "trigger",
        "dedup_key": message.incident(),
        "client": "countersign",
        "payload": {
            "summary": plain::title(message),
            "source": plain::text(&message.host),
            "severity": severity,
            "timestamp": message.at.to_string(),
            "component": message.about.as_str(),
            "class": message.kind.as_str(),
            "custom_details": structured::object(message),
        },
    })
}
