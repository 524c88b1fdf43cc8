//! The words: a title, labelled lines, a body. Other renderings are made of them.

use std::fmt::Write as _;

use countersign_shared::text::{Untrusted, unicode_form};

use super::super::message::{Item, Kind, MAX_ITEMS, Message};
use super::severity;

/// The most characters of a title.
pub const MAX_TITLE: usize = 200;
/// The most names that are written out; the others are counted.
pub const MAX_NAMES: usize = 20;
/// The most risks that are written out; the others are counted.
pub const MAX_RISKS: usize = 10;
/// The most characters of one foreign text.
pub const MAX_TEXT: usize = 500;

/// A labelled line. The value is safe to show and has no line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is.
    pub label: &'static str,
    /// The text.
    pub value: String,
}

/// At most `most` characters, the last an ellipsis where something was left out.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Foreign text that may be shown, at most [`MAX_TEXT`] characters.
pub(super) fn text(foreign: &Untrusted) -> String {
    clip(&foreign.safe().to_string(), MAX_TEXT)
}

/// A name, with its Unicode form beside an IDNA one.
pub(super) fn name(foreign: &Untrusted) -> String {
    match unicode_form(foreign.raw()) {
        Some(unicode) => format!("{} ({})", text(foreign), clip(&unicode, MAX_TEXT)),
        None => text(foreign),
    }
}

/// The subject: one line, at most [`MAX_TITLE`] characters.
pub fn title(message: &Message) -> String {
    let what = match &message.kind {
        Kind::ExpirationAlert { days_left, .. } => {
            format!("[{}] {} {}", severity(message.severity).to_uppercase(), subject(message), end(*days_left))
        }
        Kind::Renewed => format!("Renewed: {}", subject(message)),
        Kind::DealtWith { how } => format!("Dealt with ({}): {}", how.words(), subject(message)),
        Kind::ApprovalRequest => format!("Approval needed: {} ({})", subject(message), message.about),
        Kind::PolicyProposal => format!("Approval needed: {} ({})", subject(message), message.about),
        Kind::Amended => format!("Changed, approval needed again: {} ({})", subject(message), message.about),
        Kind::Outcome { state, .. } => format!("Request {state}: {} ({})", subject(message), message.about),
        Kind::Bypassed => format!("Approved by the bypass: {} ({})", subject(message), message.about),
        Kind::Issued => format!("Issued: {} ({})", subject(message), message.about),
        Kind::Revoked => format!("Revoked: {} ({})", subject(message), message.about),
        Kind::Retired => format!("Retired: {} ({})", subject(message), message.about),
        Kind::JobFailed => format!("Failed: {} ({})", subject(message), message.about),
        Kind::PolicyChanged => format!("Another policy is in force: {} ({})", subject(message), message.about),
        Kind::Remark { by } => {
            format!("{} remarked on {} ({})", clip(&text(by), 80), clip(&subject(message), 60), message.about)
        }
        Kind::Digest { items, more } => {
            let messages = items.len().saturating_add(usize::try_from(*more).unwrap_or(usize::MAX));
            format!("[{}] {messages} messages", severity(message.severity).to_uppercase())
        }
        Kind::Escalation => format!("Still waiting for approval: {} ({})", subject(message), message.about),
        Kind::Checkpoint { size, .. } => format!("Checkpoint of the ledger: {size} records ({})", message.about),
        Kind::LedgerUnanchored { records } => {
            format!("{records} ledger records are anchored nowhere else ({})", message.about)
        }
        Kind::LedgerAnchored => format!("The ledger is anchored again ({})", message.about),
        Kind::RepeatedAttempts { attempts, by } => {
            format!("{attempts} refused attempts by {} ({})", clip(&text(by), 80), message.about)
        }
    };
    clip(&format!("{}{what}", if message.test { "TEST: " } else { "" }), MAX_TITLE)
}

/// The primary name and how many more there are; the object where it has no name.
fn subject(message: &Message) -> String {
    let Some(first) = message.names.first() else { return message.about.to_string() };
    // Leaves room for what is said of it: the end of a title is where the days stand.
    let first = clip(&name(first), 120);
    match message.names.len() {
        1 => first,
        names => format!("{first} and {} more", names - 1),
    }
}

fn end(days: i32) -> String {
    match days {
        0 => "expires within a day".to_owned(),
        1 => "expires in 1 day".to_owned(),
        2.. => format!("expires in {days} days"),
        -1 => "expired within the last day".to_owned(),
        -2 => "expired 1 day ago".to_owned(),
        _ => format!("expired {} days ago", days.unsigned_abs() - 1),
    }
}

/// Everything that a message says, one thing a line.
pub fn lines(message: &Message) -> Vec<Line> {
    let mut lines = Vec::with_capacity(16);
    let mut line = |label, value: String| lines.push(Line { label, value });
    if message.test {
        line("Test", "this message tries the channel; nothing happened".to_owned());
    }
    for foreign in message.names.iter().take(MAX_NAMES) {
        line("Name", name(foreign));
    }
    if let Some(more) = message.names.len().checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        line("Name", format!("and {more} more"));
    }
    line("Object", message.about.to_string());
    line("Severity", severity(message.severity).to_owned());
    if let Kind::ExpirationAlert { days_left, threshold_days } = message.kind {
        line("Days left", format!("{days_left} (threshold {threshold_days})"));
    }
    if let Kind::Outcome { by: Some(by), .. } | Kind::Remark { by } = &message.kind {
        line("By", text(by));
    }
    if let Kind::Checkpoint { size, root, short, .. } = &message.kind {
        line("Records", size.to_string());
        line("Root", root.to_string());
        if let Some(short) = short {
            line("Short form", short.clone());
        }
    }
    if let Kind::Digest { items, more } = &message.kind {
        for item in items.iter().take(MAX_ITEMS) {
            line("Item", self::item(item));
        }
        let left_out =
            items.len().saturating_sub(MAX_ITEMS).saturating_add(usize::try_from(*more).unwrap_or(usize::MAX));
        if left_out > 0 {
            line("Item", format!("and {left_out} more: countersign ls"));
        }
    }
    if let Some(not_after) = message.not_after {
        line("Expires", not_after.to_string());
    }
    if let Some(deadline) = message.deadline {
        line("Deadline", deadline.to_string());
    }
    for foreign in message.risk.iter().take(MAX_RISKS) {
        line("Risk", text(foreign));
    }
    if let Some(more) = message.risk.len().checked_sub(MAX_RISKS).filter(|more| *more > 0) {
        line("Risk", format!("and {more} more"));
    }
    if let Some(requester) = &message.requester {
        line("Requester", text(requester));
    }
    if let Some(reason) = &message.reason {
        line("Reason", text(reason));
    }
    if let Some(command) = command(message) {
        line("Command", command);
    }
    line("Host", text(&message.host));
    line("Caused", message.at.to_string());
    line("Message", message.id.to_string());
    lines
}

/// A message of a digest on one line: its title, and the command to type.
fn item(item: &Item) -> String {
    let title = clip(&text(&item.title), MAX_TITLE);
    match &item.command {
        Some(command) => format!("{title}: {}", clip(&text(command), 100)),
        None => format!("{title} ({})", item.about),
    }
}

/// The command to type.
pub(super) fn command(message: &Message) -> Option<String> {
    message.command.as_ref().map(text)
}

/// A note as it stands, line by line.
pub(super) fn note(note: &Untrusted) -> String {
    note.raw().lines().map(|line| clip(&Untrusted::from(line).safe().to_string(), MAX_TEXT) + "\n").collect()
}

/// Title and lines as text, lines ending in `\n`; behind an empty line the note of a checkpoint, which is the rest.
pub fn body(message: &Message) -> String {
    let mut out = title(message);
    out.push_str("\n\n");
    for Line { label, value } in lines(message) {
        let _ = writeln!(out, "{label}: {value}");
    }
    if let Kind::Checkpoint { note, .. } = &message.kind {
        out.push('\n');
        out.push_str(&self::note(note));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::alert;
    use super::*;

    #[test]
    fn titles_say_what_happened() {
        for (days, words) in [
            (30, "[WARNING] www.corp.example and 1 more expires in 30 days"),
            (1, "[WARNING] www.corp.example and 1 more expires in 1 day"),
            (0, "[WARNING] www.corp.example and 1 more expires within a day"),
            (-1, "[WARNING] www.corp.example and 1 more expired within the last day"),
            (-2, "[WARNING] www.corp.example and 1 more expired 1 day ago"),
            (-40, "[WARNING] www.corp.example and 1 more expired 39 days ago"),
        ] {
            assert_eq!(title(&alert(days)), words);
        }
        let test = Message { test: true, names: Vec::new(), ..alert(3) };
        assert_eq!(title(&test), "TEST: [WARNING] mc-01 expires in 3 days");
        let asked = Message { kind: Kind::ApprovalRequest, ..alert(3) };
        assert_eq!(title(&asked), "Approval needed: www.corp.example and 1 more (mc-01)");
    }

    #[test]
    fn a_long_name_leaves_room_for_the_days() {
        let message = Message { names: vec!["x".repeat(5000).into()], ..alert(7) };
        assert!(title(&message).ends_with("… expires in 7 days"), "{}", title(&message));
        assert!(title(&message).chars().count() <= MAX_TITLE);
    }

    #[test]
    fn the_body_has_everything_and_an_end() {
        let message = Message { names: vec!["xn--80ak6aa92e.com".into(); 500], ..alert(7) };
        let body = body(&message);
        for words in [
            "Name: xn--80ak6aa92e.com (аррӏе.com)\n",
            "Name: and 480 more\n",
            "Days left: 7 (threshold 7)\n",
            "Expires: 2027-01-31T08:00:00.000Z\n",
            "Risk: the name is served by the payment gateway\n",
            "Command: countersign renew mc-01\n",
            "Message: ne-01\n",
        ] {
            assert!(body.contains(words), "{words}: {body}");
        }
    }
}
