//! A change of the policy: what it does to the control that people have, and what is proved of it.

use countersign_shared::id::RequestId;
use countersign_shared::protocol::{Effect, Finding, FindingLevel, PolicyChange, PolicyDifference};

use super::cells::shown;
use super::page::{Entry, Page, entry};
use super::words;
use crate::console::theme::Role;

/// Lines of the proposed document that the detail shows; the command line has all of it.
const LINES: usize = 400;

/// The heading of the differences: how many there are of each effect.
pub fn title(change: &PolicyChange) -> String {
    format!("Against policy {} ({})", change.base_version, counts(change))
}

/// `2 LAXER, 1 stricter`
pub fn counts(change: &PolicyChange) -> String {
    let counted: Vec<String> = ORDER
        .into_iter()
        .filter_map(|effect| {
            let count = change.differences.iter().filter(|one| one.effect == effect).count();
            (count > 0).then(|| format!("{count} {}", word(effect)))
        })
        .collect();
    if counted.is_empty() { "no difference".into() } else { counted.join(", ") }
}

/// What takes control away comes first.
const ORDER: [Effect; 3] = [Effect::Laxer, Effect::Stricter, Effect::Neutral];

const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Laxer => "LAXER",
        Effect::Stricter => "stricter",
        Effect::Neutral => "neutral",
    }
}

/// Every difference, laxer ones first.
pub fn differences(change: &PolicyChange) -> Vec<Entry> {
    if change.differences.is_empty() {
        return vec![entry("", Role::Plain, "nothing that counts differs")];
    }
    let of = |effect| change.differences.iter().filter(move |one| one.effect == effect).map(difference);
    ORDER.into_iter().flat_map(of).collect()
}

fn difference(one: &PolicyDifference) -> Entry {
    let role = match one.effect {
        Effect::Laxer => Role::Bad,
        Effect::Stricter => Role::Good,
        Effect::Neutral => Role::Plain,
    };
    let mut place = words::spaced(&one.table);
    for part in [&one.id, &one.key].into_iter().filter(|part| !part.is_empty()) {
        place.push(' ');
        place.push_str(&shown(part));
    }
    let what = match (&one.before, &one.after) {
        (Some(before), Some(after)) => format!("{} becomes {}", shown(before), shown(after)),
        (None, Some(after)) => format!("added: {}", shown(after)),
        (Some(before), None) => format!("removed: {}", shown(before)),
        (None, None) => "changed".into(),
    };
    entry(word(one.effect), role, format!("{place}: {what}"))
}

/// Everything that is proved, what weighs most first.
pub fn findings(change: &PolicyChange) -> Vec<Entry> {
    if change.findings.is_empty() {
        return vec![entry("", Role::Plain, "none")];
    }
    let levels = [FindingLevel::Error, FindingLevel::Warning, FindingLevel::Note];
    let of = |level| change.findings.iter().filter(move |one| one.level == level).map(finding);
    levels.into_iter().flat_map(of).collect()
}

fn finding(one: &Finding) -> Entry {
    let (label, role) = match one.level {
        FindingLevel::Error => ("ERROR", Role::Bad),
        FindingLevel::Warning => ("WARNING", Role::Warn),
        FindingLevel::Note => ("noted", Role::Plain),
    };
    let subject = if one.subject.is_empty() { String::new() } else { format!("{}: ", shown(&one.subject)) };
    entry(label, role, format!("{subject}{} ({})", shown(&one.text), words::spaced(&one.rule)))
}

/// The proposed document.
pub fn document(id: &RequestId, change: &PolicyChange, page: &mut Page) {
    page.title("Proposed document");
    page.spoken("SHA-256", &change.sha256);
    let mut lines = change.document.lines();
    for line in lines.by_ref().take(LINES) {
        page.add("", Role::Plain, &shown(line));
    }
    let more = lines.count();
    if more > 0 {
        page.add("", Role::Warn, &format!("… {more} more lines: countersign show {id} --json"));
    }
}
