//! A syslog message (RFC 5424) as one datagram.

use std::fmt::Write as _;

use super::super::message::Message;
use super::{plain, priority};

/// `daemon` (RFC 5424, 6.2.1).
const FACILITY: u8 = 3;
/// The most octets of HOSTNAME.
const MAX_HOSTNAME: usize = 255;

/// The datagram. There is no structured data: its names would need an enterprise number; the message ends in
/// `key="value"` pairs instead, in which `"` and `\` are escaped by `\`.
pub fn syslog(message: &Message, pid: u32) -> String {
    let host = message.host.raw();
    let printable = !host.is_empty() && host.len() <= MAX_HOSTNAME && host.bytes().all(|b| b.is_ascii_graphic());
    let mut out = format!(
        "<{}>1 {} {} countersign {pid} {} - \u{feff}{}",
        FACILITY * 8 + priority(message.severity),
        message.at,
        if printable { host } else { "-" },
        message.kind.as_str(),
        plain::title(message),
    );
    for line in plain::lines(message) {
        let value = line.value.replace('\\', "\\\\").replace('"', "\\\"");
        let _ = write!(out, " {}=\"{value}\"", line.label.to_lowercase().replace(' ', "_"));
    }
    out
}
