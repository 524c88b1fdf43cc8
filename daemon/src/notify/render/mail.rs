//! A mail (RFC 5322): plain text, headers that foreign text cannot leave.

use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};

use super::super::message::Message;
use super::plain;

/// The octets of a mail, all of them ASCII, lines ending in CRLF. `Message-ID` is made of the message's id and the
/// sender's domain, so that a repeat is the same mail.
///
/// # Errors
/// No recipient was given.
pub fn mail(message: &Message, from: &Mailbox, to: &[Mailbox]) -> Result<Vec<u8>, String> {
    let mut builder = Mail::builder()
        .from(from.clone())
        .date(SystemTime::from(message.at.datetime()))
        .message_id(Some(format!("<{}@{}>", message.id, from.email.domain())))
        .subject(subject(message))
        .header(ContentType::TEXT_PLAIN);
    for address in to {
        builder = builder.to(address.clone());
    }
    // RFC 3834: nobody's holiday notice answers, and a loop of answers cannot begin.
    let builder = builder
        .raw_header(header(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated"))
        .raw_header(header(HeaderName::new_from_ascii_str("X-Countersign-Kind"), message.kind.as_str()))
        .raw_header(header(HeaderName::new_from_ascii_str("X-Countersign-Object"), message.about.as_str()));
    let mail = builder.body(plain::body(message)).map_err(|error| format!("the mail cannot be made: {error}"))?;
    Ok(mail.formatted())
}

/// What stands in it as it is must not be read as an encoded word (RFC 2047), which could hold what is made visible
/// everywhere else.
fn subject(message: &Message) -> String {
    plain::title(message).replace("=?", "<U+003D>?")
}

fn header(name: HeaderName, value: &str) -> HeaderValue {
    HeaderValue::new(name, value.to_owned())
}
