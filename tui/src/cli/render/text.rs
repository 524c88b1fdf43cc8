//! Names and texts from outside on a line for people.

use countersign_shared::content::San;
use countersign_shared::protocol::PersonRef;
use countersign_shared::text::{Untrusted, unicode_form};

/// A name with its Unicode form beside it where it is an IDNA name.
pub(super) fn name(raw: &Untrusted) -> String {
    match unicode_form(raw.raw()) {
        Some(unicode) => format!("{} ({unicode})", raw.safe()),
        None => raw.safe().to_string(),
    }
}

/// A SAN as `dns:www.corp.example`.
pub(super) fn san(san: &San) -> String {
    format!("{}:{}", san.kind(), name(&san.value()))
}

/// Who: the account, and the person behind it where that has another name.
pub(super) fn person(who: &PersonRef) -> String {
    match &who.person {
        Some(person) if *person != who.account => format!("{} ({})", safe(&who.account), safe(person)),
        _ => safe(&who.account),
    }
}

/// Text of the daemon's: safe already by contract, and made safe again since the socket may be anybody's.
pub(super) fn safe(text: &str) -> String {
    Untrusted::from(text).safe().to_string()
}

/// A document of several lines, each of them safe.
pub(in crate::cli) fn document(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for line in text.lines() {
        // A tab at the beginning of a TOML or metrics line is white space and nothing else.
        lines.push_str(&safe(&line.replace('\t', "    ")));
        lines.push('\n');
    }
    lines
}
