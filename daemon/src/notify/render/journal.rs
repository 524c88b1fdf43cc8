//! A message in the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): `FIELD=value` lines in one datagram.

use super::super::message::Message;
use super::{plain, priority};

/// The datagram. No value has a line feed, so that none can begin a field.
pub fn journal(message: &Message) -> String {
    let mut out = String::with_capacity(1024);
    let mut field = |name: &str, value: &str| {
        out.push_str(name);
        out.push('=');
        out.push_str(value);
        out.push('\n');
    };
    field("MESSAGE", &plain::title(message));
    field("PRIORITY", &priority(message.severity).to_string());
    field("SYSLOG_IDENTIFIER", "countersign");
    field("COUNTERSIGN_KIND", message.kind.as_str());
    for line in plain::lines(message) {
        field(&format!("COUNTERSIGN_{}", line.label.to_uppercase().replace(' ', "_")), &line.value);
    }
    out
}
