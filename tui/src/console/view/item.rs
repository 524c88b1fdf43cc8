//! A request under review: in full where it is the only one, in a few lines among many.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{CheckOutcome, RequestDetail};

use super::cells::shown;
use super::difference::{changed, differing, differs};
use super::page::{Entry, entry};
use super::{deciding, history, policy, terms, words};
use crate::console::state::{Item, State};
use crate::console::theme::Role;

/// Names that stand in a review; the detail has every one.
const NAMES: usize = 20;
/// Remarks that stand in a review, the newest.
const REMARKS: usize = 2;

/// The only request, with everything that a decision binds.
pub fn full(state: &State, item: &Item) -> Vec<Entry> {
    let mut entries = troubles(item);
    match &item.seen {
        Some(seen) => entries.extend(content(state, seen)),
        None if item.refused.is_none() => entries.push(entry("", Role::Plain, "Loading …")),
        None => {}
    }
    entries
}

/// What stands against doing anything.
fn troubles(item: &Item) -> Vec<Entry> {
    let mut entries: Vec<Entry> =
        item.changed.iter().map(|change| entry("CHANGED", Role::Alarm, shown(change))).collect();
    if let Some(refusal) = &item.refused {
        let words = format!("{} {}", shown(&refusal.message), shown(&refusal.hint));
        entries.push(entry("refused", Role::Warn, words.trim()));
    }
    entries
}

fn content(state: &State, seen: &RequestDetail) -> Vec<Entry> {
    let row = &seen.request;
    let mut entries = whose(seen);
    if !row.risks.is_empty() {
        entries.push(entry("risks", Role::Warn, words::risks(&row.risks)));
    }
    entries.extend(subject(seen));
    entries.extend(noted(seen));
    if let Some(last) = seen.amendments.last() {
        let count = history::times(seen.amendments.len());
        entries.push(entry("AMENDED", Role::Warn, format!("{count}; the last time:")));
        entries.extend(history::replaced(last));
    }
    let ticket = row.ticket.as_ref().map_or_else(String::new, |ticket| format!(" ({})", shown(ticket.raw())));
    entries.push(entry("asks", Role::Plain, words::person(state, &row.requester)));
    entries.push(entry("why", Role::Plain, format!("{}{ticket}", shown(row.reason.raw()))));
    entries.extend(deciding::schedule(state, row));
    if let Some(ends) = &seen.revocation {
        let version =
            format!("version {} of {}, {}", ends.version, ends.certificate_id, words::spaced(ends.reason.as_str()));
        entries.push(entry("REVOKES", Role::Alarm, version));
        entries.push(entry("serial", Role::Plain, format!("{} of {}", shown(&ends.serial), shown(&ends.issuer))));
    } else if let Some(content) = &seen.content {
        let spki = content.spki_sha256.spoken();
        entries.push(entry("key", Role::Plain, format!("{}, SHA-256 {} …", content.key, spki[0])));
        let authority = if content.ca { ", as a CERTIFICATION AUTHORITY" } else { "" };
        let (valid, issuer) = (words::span(content.valid_for), shown(&content.issuer));
        let gets = format!("{valid} from {issuer} under {}{authority}", shown(&row.profile_id));
        entries.push(entry("gets", Role::Plain, gets));
    }
    entries.push(entry("content", Role::Plain, digest(seen)));
    let earlier = seen.remarks.len().saturating_sub(REMARKS);
    for remark in seen.remarks.iter().skip(earlier) {
        entries.push(entry("remark", Role::Plain, history::remark(state, seen, remark)));
    }
    if earlier > 0 {
        entries.push(entry("", Role::Plain, format!("{earlier} earlier remarks: Esc, then Enter shows all")));
    }
    entries.extend(terms::brief(state, seen));
    entries
}

/// Whether it is this person's to decide, and whose say it would be.
fn whose(seen: &RequestDetail) -> Vec<Entry> {
    let mut entries = Vec::new();
    if !seen.you.allowed {
        entries.push(entry("you may not", Role::Warn, shown(&seen.you.why)));
    }
    if let Some(say) = deciding::with_whose_say(seen) {
        entries.push(entry("NOT YOUR SAY", Role::Bad, format!("you decide {say}, which was handed over to you")));
    }
    entries
}

/// What it is about: the names of a certificate, or what a policy changes.
fn subject(seen: &RequestDetail) -> Vec<Entry> {
    if let Some(change) = &seen.policy_change {
        let what = format!(
            "{}, in place of policy {}: {}",
            shown(seen.request.primary_name.raw()),
            change.base_version,
            policy::counts(change)
        );
        let mut entries = vec![entry("policy", Role::Strong, what)];
        entries.extend(policy::differences(change));
        entries.extend(policy::findings(change).into_iter().filter(|finding| !finding.label.is_empty()));
        return entries;
    }
    let Some(content) = &seen.content else { return Vec::new() };
    let mut names: Vec<String> = content.sans.iter().take(NAMES).map(|san| words::name(&san.value())).collect();
    if let Some(more) = content.sans.len().checked_sub(NAMES + 1) {
        names.push(format!("and {} more (Esc, then Enter shows all)", more + 1));
    }
    vec![entry(&format!("names ({})", content.sans.len()), Role::Strong, names.join(", "))]
}

/// Differences, changes and warnings.
fn noted(seen: &RequestDetail) -> Vec<Entry> {
    let mut entries = Vec::new();
    for difference in &seen.differences {
        entries.push(entry("differs", Role::Warn, format!("{} {}", differing(difference), differs(difference))));
    }
    for change in &seen.changes {
        entries.push(entry(change.action.as_str(), Role::Warn, changed(change)));
    }
    for check in seen.checks.iter().filter(|check| check.outcome == CheckOutcome::Warned) {
        let text = format!("{}: {}", words::spaced(&check.rule), shown(&check.text));
        entries.push(entry("WARNED", Role::Warn, text));
    }
    entries
}

fn digest(seen: &RequestDetail) -> String {
    format!("{} …, version {}", seen.request.digest.spoken()[0], seen.request.version)
}

/// One of many: names, risks, who asks, and the digest. `place` says which it is.
pub fn compact(state: &State, item: &Item, place: &str) -> Vec<Entry> {
    let mut entries = troubles(item);
    if let Some(seen) = &item.seen {
        let row = &seen.request;
        entries.extend(subject(seen));
        if !row.risks.is_empty() {
            entries.push(entry("risks", Role::Warn, words::risks(&row.risks)));
        }
        if !seen.you.allowed {
            entries.push(entry("LEFT OUT", Role::Warn, format!("not yours to decide: {}", shown(&seen.you.why))));
        } else if let Some(say) = deciding::with_whose_say(seen) {
            entries.push(entry("NOT YOUR SAY", Role::Bad, format!("you decide {say}")));
        }
        for difference in &seen.differences {
            entries.push(entry("differs", Role::Warn, format!("{} {}", differing(difference), differs(difference))));
        }
        let warned = seen.checks.iter().filter(|check| check.outcome == CheckOutcome::Warned).count();
        let warned = if warned > 0 { format!("; {warned} WARNED") } else { String::new() };
        let amended = if seen.amendments.is_empty() {
            String::new()
        } else {
            format!(", amended {}", history::times(seen.amendments.len()))
        };
        let who = words::account(state, &row.requester.account);
        let by = format!("{who} under {}; {}{amended}{warned}", shown(&row.profile_id), digest(seen));
        entries.push(entry("by", Role::Plain, by));
        if row.state != RequestState::Pending {
            entries.push(entry("status", Role::Warn, row.state.to_string()));
        }
    } else if item.refused.is_none() {
        entries.push(entry("", Role::Plain, "Loading …"));
    }
    let mut headed = vec![entry(place, Role::Dim, item.id.to_string())];
    headed.extend(entries);
    headed
}

/// Those of many that changed, for the top of the list.
pub fn changed_ones(items: &[Item]) -> Vec<Entry> {
    let numbered = (1..).zip(items).filter(|(_, item)| !item.changed.is_empty());
    numbered.map(|(at, item)| entry("CHANGED", Role::Alarm, format!("{at}, {}: see below", item.id))).collect()
}

/// What is ended or remarked on.
pub fn about(state: &State, item: &Item) -> Vec<Entry> {
    let mut entries = troubles(item);
    let Some(seen) = &item.seen else {
        if item.refused.is_none() {
            entries.push(entry("", Role::Plain, "Loading …"));
        }
        return entries;
    };
    let row = &seen.request;
    entries.extend(subject(seen));
    if !row.risks.is_empty() {
        entries.push(entry("risks", Role::Warn, words::risks(&row.risks)));
    }
    entries.push(entry("asks", Role::Plain, words::person(state, &row.requester)));
    let reason = if row.reason.is_blank() { "none given".into() } else { shown(row.reason.raw()) };
    entries.push(entry("why", Role::Plain, reason));
    let votes = format!("{}; {} of {} votes", row.state, seen.votes.given, seen.votes.needed);
    entries.push(entry("status", words::state_role(row.state), votes));
    entries.push(entry("content", Role::Plain, digest(seen)));
    entries
}
