//! What happened to a request so far: votes, versions that were replaced, remarks.

use countersign_shared::lifecycle::RequestState;
use countersign_shared::protocol::{Amendment, Decision, Remark, RemarkKind, RequestDetail};

use super::cells::shown;
use super::difference::{differing, differs};
use super::page::{Entry, Page, entry};
use super::words;
use crate::console::state::State;
use crate::console::theme::Role;

/// Decisions on the current version, and who could give more.
pub fn decisions(state: &State, seen: &RequestDetail, page: &mut Page) {
    page.title(&format!("Decisions ({} of {} votes)", seen.votes.given, seen.votes.needed));
    if seen.decisions.is_empty() {
        page.add("", Role::Plain, "none yet");
    }
    for decision in &seen.decisions {
        page.add(decision.verdict.as_str(), Role::Plain, &decided(state, decision));
    }
    if seen.request.state == RequestState::Pending {
        let may: Vec<String> = seen.who_may_decide.iter().map(|name| words::account(state, name)).collect();
        page.add("may decide", Role::Plain, if may.is_empty() { "nobody".into() } else { may.join(", ") }.as_str());
    }
}

fn decided(state: &State, decision: &Decision) -> String {
    let note = if decision.note.is_blank() { String::new() } else { format!(": {}", shown(decision.note.raw())) };
    let whose = decision.delegated_by.as_ref().map_or_else(String::new, |person| format!(" for {}", shown(person)));
    let groups: Vec<String> = decision.counts_for.iter().filter(|group| *group != "*").map(|one| shown(one)).collect();
    let place = if groups.is_empty() { String::new() } else { format!(", counts for {}", groups.join(" or ")) };
    format!(
        "{}{whose}, {}, record {}{place}{note}",
        words::person(state, &decision.by),
        words::moment(decision.at),
        decision.seq
    )
}

/// Versions that were replaced, each with what the next one said otherwise.
pub fn amendments(state: &State, seen: &RequestDetail, page: &mut Page) {
    if seen.amendments.is_empty() {
        return;
    }
    page.title(&format!("Amended ({}, version {} now)", times(seen.amendments.len()), seen.request.version));
    for one in &seen.amendments {
        let when = format!("replaced {}, record {}", words::moment(one.at), one.seq);
        page.add(&format!("version {}", one.version), Role::Strong, &format!("{when}; {} …", one.digest.spoken()[0]));
        page.add_all(replaced(one));
        for decision in &one.decisions {
            let text = format!("{}; counts no more", decided(state, decision));
            page.add(decision.verdict.as_str(), Role::Dim, &text);
        }
    }
}

/// What the version after this one said otherwise.
pub fn replaced(one: &Amendment) -> Vec<Entry> {
    one.differences.iter().map(|difference| entry(&differing(difference), Role::Warn, differs(difference))).collect()
}

/// `once`, `3 times`
pub fn times(count: usize) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}

/// Texts that people left with it.
pub fn remarks(state: &State, seen: &RequestDetail, page: &mut Page) {
    if seen.remarks.is_empty() {
        return;
    }
    page.title(&format!("Remarks ({})", seen.remarks.len()));
    for one in &seen.remarks {
        let kind = match one.kind {
            RemarkKind::Comment => "remark",
            RemarkKind::Void => "voided",
            RemarkKind::Withdraw => "withdrawn",
        };
        page.add(kind, Role::Plain, &remark(state, seen, one));
    }
}

/// One remark: who, when, on which version where it is not the current one, and the text.
pub fn remark(state: &State, seen: &RequestDetail, one: &Remark) -> String {
    let version =
        if one.version == seen.request.version { String::new() } else { format!(", on version {}", one.version) };
    format!(
        "{}, {}{version}, record {}: {}",
        words::person(state, &one.by),
        words::moment(one.at),
        one.seq,
        shown(one.text.raw())
    )
}
