//! What one policy says differently from another, for the people who have to agree to it. Compared is what the
//! documents mean: comments, formatting and the order of tables do not show.

mod lines;
mod weigh;

use std::collections::{BTreeMap, BTreeSet};

use countersign_shared::digest::Digest;
use countersign_shared::text::Untrusted;
use serde::Serialize;

use self::lines::{Lines, Sheet};
use super::Policy;

/// The longest text of a side in characters; a longer one is cut, and told apart by a digest.
const MAX_CHARS: usize = 240;

/// One key of one table, or one element of a list, that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyDifference {
    /// The table: `profile`.
    pub table: String,
    /// Its `id` or `name`; `operator to group:pki` for a grant; empty for `change_control` and `messages`.
    pub id: String,
    /// The key: `quorum`. What is added or removed as a whole has a difference for each key that it sets.
    pub key: String,
    /// What the old policy says, safe to show; nothing where it has no such element.
    pub before: Option<String>,
    /// What the new one says.
    pub after: Option<String>,
    /// Which way it goes.
    pub effect: Effect,
}

/// Whether a difference lets more people or certificates through. In doubt it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Fewer, or later.
    Stricter,
    /// As before.
    Neutral,
    /// More, sooner, or others.
    Laxer,
}

impl Effect {
    /// The word that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stricter => "stricter",
            Self::Neutral => "neutral",
            Self::Laxer => "laxer",
        }
    }
}

/// Every difference, table by table in the order of the documentation, then by id, key and element.
pub fn differences(old: &Policy, new: &Policy) -> Vec<PolicyDifference> {
    let mut found = Vec::new();
    let mut compare = |table, sheets: [Sheet; 2], weigh: &dyn Fn(&Change<'_>) -> Effect| {
        compare(table, &sheets, weigh, &mut found);
    };
    compare("person", [old, new].map(lines::people), &|change| weigh::person(old, new, change));
    compare("group", [old, new].map(lines::groups), &|change| weigh::group(old, new, change));
    compare("role", [old, new].map(lines::roles), &weigh::role);
    let grants = [old, new].map(lines::grants_by_label);
    compare("grant", grants.each_ref().map(lines::grants), &|change| weigh::grant(&grants[0], &grants[1], change));
    let profiles = [lines::profiles(old, new), lines::profiles(new, old)];
    compare("profile", profiles, &|change| weigh::profile(old, new, change));
    let renewal_policies = [old, new].map(lines::renewal_policies);
    compare("renewal_policy", renewal_policies, &|change| weigh::renewal_policy(old, new, change));
    compare("issuer", [old, new].map(lines::issuers), &weigh::issuer);
    compare("calendar", [old, new].map(lines::calendars), &weigh::calendar);
    compare("change_control", [old, new].map(lines::change_control), &|change| {
        weigh::change_control(old.change_control(), new.change_control(), change)
    });
    // Whom it tells changes nothing of what a policy lets through.
    let neutral = |_: &Change<'_>| Effect::Neutral;
    compare("inventory", [old, new].map(lines::inventory), &neutral);
    compare("ledger", [old, new].map(lines::ledger), &neutral);
    compare("messages", [old, new].map(lines::messages), &neutral);
    compare("recipients", [lines::recipients(old, new), lines::recipients(new, old)], &neutral);
    found
}

/// A difference before its weight is known.
struct Change<'a> {
    id: &'a str,
    key: &'static str,
    /// What it is about within the key: a pattern, a group, an account.
    element: &'a str,
    after: Option<&'a str>,
    /// The table as a whole is new, or gone.
    whole: bool,
}

fn compare(
    table: &'static str,
    [old, new]: &[Sheet; 2],
    weigh: &dyn Fn(&Change<'_>) -> Effect,
    found: &mut Vec<PolicyDifference>,
) {
    let ids: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for id in ids {
        let (before, after) = (old.get(id), new.get(id));
        let whole = before.is_none() || after.is_none();
        for ((_, element), side) in beside(before, after, whole) {
            if side.before == side.after {
                continue;
            }
            let change = Change { id, key: side.key, element, after: side.after, whole };
            found.push(PolicyDifference {
                table: table.to_owned(),
                id: shown(id),
                key: side.key.to_owned(),
                before: side.before.map(shown),
                after: side.after.map(shown),
                effect: weigh(&change),
            });
        }
    }
}

struct Side<'a> {
    key: &'static str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

/// The lines of both sides by the position of their key and their element. Of what is new or gone as a whole,
/// defaults say nothing.
fn beside<'a>(
    before: Option<&'a Lines>,
    after: Option<&'a Lines>,
    whole: bool,
) -> BTreeMap<(usize, &'a str), Side<'a>> {
    let mut all: BTreeMap<(usize, &str), Side<'_>> = BTreeMap::new();
    let worth =
        |lines: Option<&'a Lines>| lines.into_iter().flat_map(Lines::iter).filter(move |line| !(whole && line.default));
    for line in worth(before) {
        let side = Side { key: line.key, before: Some(&line.text), after: None };
        all.insert((line.position, &line.element), side);
    }
    for line in worth(after) {
        let side =
            all.entry((line.position, &line.element)).or_insert(Side { key: line.key, before: None, after: None });
        side.after = Some(&line.text);
    }
    all
}

/// A document comes from outside, and so does what is shown of it.
fn shown(text: &str) -> String {
    let safe = Untrusted::from(text).safe().to_string();
    match safe.char_indices().nth(MAX_CHARS) {
        None => safe,
        Some((at, _)) => format!("{}… (SHA-256 {})", &safe[..at], Digest::of(&[text.as_bytes()])),
    }
}

#[cfg(test)]
mod tests;
