//! Who has to agree, how far that is, and what time does to it.

use countersign_shared::lifecycle::{JobState, RequestKind, RequestState};
use countersign_shared::protocol::{Escalation, RequestDetail, Step};
use countersign_shared::time::Timestamp;

use super::cells::shown;
use super::page::{Entry, entry};
use super::words;
use crate::console::state::State;
use crate::console::theme::Role;

/// The heading.
pub fn title(seen: &RequestDetail) -> String {
    let how = match (seen.terms.steps.len(), seen.terms.ordered) {
        (0 | 1, _) => "",
        (_, true) => ", one step after the other",
        (_, false) => ", all steps at once",
    };
    format!("Who has to agree{how}")
}

/// Everything about it.
pub fn entries(state: &State, seen: &RequestDetail) -> Vec<Entry> {
    let terms = &seen.terms;
    let mut entries = steps(state, seen);
    if terms.tightened {
        let text = "the policy in force asks for more than the request was made under; this is the stricter of both";
        entries.push(entry("TIGHTENED", Role::Warn, text));
    }
    entries.push(entry("rejections", Role::Plain, rejections(terms.rejections, terms.reject_threshold)));
    entries.extend(terms.escalations.iter().map(|one| escalation(state, one)));
    if let Some(at) = terms.auto_approve_at {
        let text = format!("{}: it is approved then if nobody objects", words::coming(state.now, at));
        entries.push(entry("AUTOMATIC", Role::Warn, text));
    }
    entries.extend(lapse(state, seen));
    entries
}

/// When an approval is worth nothing any more: by the clock once it was given and is not carried out.
fn lapse(state: &State, seen: &RequestDetail) -> Option<Entry> {
    let within = seen.terms.carry_out_within?;
    let unused = seen.request.state == RequestState::Approved
        && seen.job.as_ref().is_some_and(|job| job.state == JobState::Pending);
    let millis = i64::try_from(within.secs()).ok().and_then(|secs| secs.checked_mul(1_000));
    let given = seen.request.decided_at.filter(|_| unused).zip(millis);
    let ends = given.and_then(|(at, millis)| Timestamp::from_unix_millis(at.unix_millis().checked_add(millis)?));
    Some(match ends {
        Some(at) => {
            let when = words::coming(state.now, at);
            entry("approval", Role::Warn, format!("lapses {when}, if it is not carried out by then"))
        }
        None => entry("approval", Role::Plain, format!("lapses {} after it is given", words::span(within))),
    })
}

/// What a review says of it: the steps where there is more to say than a count of votes, and what is not the usual.
pub fn brief(state: &State, seen: &RequestDetail) -> Vec<Entry> {
    let terms = &seen.terms;
    let plain = matches!(&terms.steps[..], [step] if step.group == ANYBODY);
    let order = match (terms.steps.len(), terms.ordered) {
        (0 | 1, _) => "",
        (_, true) => ", one step after the other",
        (_, false) => ", all steps at once",
    };
    let lapses = terms
        .carry_out_within
        .map_or_else(String::new, |within| format!("; an approval lapses {} after it is given", words::span(within)));
    let votes = format!("{} of {} given{order}{lapses}", seen.votes.given, seen.votes.needed);
    let mut entries = vec![entry("votes", Role::Plain, votes)];
    if !plain {
        entries.extend(steps(state, seen));
    }
    if terms.rejections > 0 || terms.reject_threshold > 1 {
        entries.push(entry("rejections", Role::Plain, rejections(terms.rejections, terms.reject_threshold)));
    }
    if let Some(at) = terms.auto_approve_at {
        let text = format!("{}: it is approved then if nobody objects", words::coming(state.now, at));
        entries.push(entry("AUTOMATIC", Role::Warn, text));
    }
    entries
}

/// The step that everybody of the profile may fill.
const ANYBODY: &str = "*";

fn steps(state: &State, seen: &RequestDetail) -> Vec<Entry> {
    let steps = &seen.terms.steps;
    let label = |at: usize| if steps.len() > 1 { format!("step {}", at + 1) } else { "asked".into() };
    let admins = seen.request.kind == RequestKind::PolicyChange;
    steps.iter().enumerate().map(|(at, one)| step(state, &label(at), one, admins)).collect()
}

fn step(state: &State, label: &str, step: &Step, admins: bool) -> Entry {
    let filled = step.filled_by.len();
    let (role, word) = match (filled >= usize::try_from(step.need).unwrap_or(usize::MAX), step.open) {
        (true, _) => (Role::Good, "done"),
        (false, true) => (Role::Strong, "open"),
        (false, false) => (Role::Dim, "waiting"),
    };
    let who = match (step.group.as_str(), admins) {
        (ANYBODY, true) => "any operator of all profiles".into(),
        (ANYBODY, false) => "any operator".into(),
        (group, _) => format!("group {}", shown(group)),
    };
    let by: Vec<String> = step.filled_by.iter().map(|name| words::account(state, name)).collect();
    let by = if by.is_empty() { String::new() } else { format!(": {}", by.join(", ")) };
    entry(label, role, format!("{word}, {filled} of {} from {who}{by}", step.need))
}

fn rejections(given: u32, threshold: u32) -> String {
    match threshold {
        0 | 1 => "one ends it".into(),
        _ => format!("{given} of the {threshold} that end it"),
    }
}

fn escalation(state: &State, one: &Escalation) -> Entry {
    let groups = shown(&one.groups.join(", "));
    let when = words::coming(state.now, one.at);
    if one.done {
        entry("ESCALATED", Role::Warn, format!("{when}: {groups} may fill any place"))
    } else {
        entry("escalates", Role::Plain, format!("{when}: {groups} are asked as well"))
    }
}
